"""Key files: a signer's private key, and the public keys that this machine trusts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import InputError
from app.core.files import flush_folder, read_bounded
from app.core.models.signing import PublicKey, public_key, read_public_key, write_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_PRIVATE_KEY_BYTES = 16 * 1024
MAX_TRUSTED_KEYS = 1000

_PRIVATE, _PUBLIC = ".private.pem", ".public.json"


def make_key(name: str, folder: Path, passphrase: str | None) -> tuple[PublicKey, Path, Path]:
    """A new key in two files of `folder`, named by its id: PKCS #8 in PEM for its owner alone, and the public file.

    Raises InputError for a name that cannot be shown.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    key = public_key(name, private.public_key().public_bytes_raw())
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase.encode("utf-8"))
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    folder.mkdir(parents=True, exist_ok=True)
    private_path, public_path = folder / f"{key.key_id}{_PRIVATE}", folder / f"{key.key_id}{_PUBLIC}"
    descriptor = os.open(private_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    flush_folder(folder)
    write_public_key(public_path, key)
    return key, private_path, public_path


def open_key(path: Path, passphrase: Callable[[], str]) -> tuple[PublicKey, Ed25519PrivateKey]:
    """A private key and its public file, which lies beside it and holds the signer's name.

    `passphrase` is asked for only if the key is encrypted. Raises InputError for what is no such key, a wrong
    passphrase, and a public file that is missing or that of another key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = read_bounded(path, MAX_PRIVATE_KEY_BYTES, "a private key")
    try:
        try:
            private = load_pem_private_key(pem, None)
        except TypeError:  # It is encrypted.
            private = load_pem_private_key(pem, passphrase().encode("utf-8"))
    except (ValueError, UnsupportedAlgorithm):
        raise InputError(f"{path} is not a private key of inro models keygen, or the passphrase is wrong.") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError(f"{path} holds a key of another kind; make one with: inro models keygen NAME -o DIR")
    beside = path.with_name(f"{path.name.removesuffix(_PRIVATE)}{_PUBLIC}")
    if not beside.is_file():
        raise InputError(f"{beside.name}, which holds the signer's name, is not beside {path.name}; copy it there.")
    key = read_public_key(beside)
    if key.raw != private.public_key().public_bytes_raw():
        raise InputError(f"{beside} is the public file of another key than {path.name}.")
    return key, private


class TrustedKeys:
    """The keys whose signatures this machine believes: one public file a key, named by its id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> dict[str, PublicKey]:
        """By key id. Raises InputError for a file that was changed."""
        if not self._folder.is_dir():
            return {}
        paths = sorted(path for path in self._folder.iterdir() if path.suffix == ".json" and path.name[0] != ".")
        keys = {path.stem: read_public_key(path) for path in paths[:MAX_TRUSTED_KEYS]}
        for key_id, key in keys.items():
            if key.key_id != key_id:
                raise InputError(f"{self._folder / key_id}.json holds another key than its name says.")
        return keys

    def known(self, names: Mapping[str, str]) -> dict[str, PublicKey]:
        """Those of which the record knows, by key id; `names` is what it calls them."""
        return {key_id: key for key_id, key in self.all().items() if names.get(key_id) == key.name}

    def add(self, key: PublicKey) -> None:
        """Raises InputError when there are too many."""
        if len(self.all()) >= MAX_TRUSTED_KEYS:
            raise InputError(f"this machine trusts {MAX_TRUSTED_KEYS} keys already; remove one first.")
        write_public_key(self._path(key), key)

    def remove(self, key: PublicKey) -> None:
        self._path(key).unlink(missing_ok=True)
        if self._folder.is_dir():
            flush_folder(self._folder)

    def find(self, text: str) -> PublicKey:
        """By key id, its beginning, or name. Raises InputError if there is not exactly one."""
        matching = [key for key in self.all().values() if key.name == text or key.key_id.startswith(text)]
        if len(matching) != 1:
            problem = "is not trusted here" if not matching else "names several keys; use the key id"
            raise InputError(f"{text} {problem}. `inro models trust list` shows what there is.")
        return matching[0]

    def _path(self, key: PublicKey) -> Path:
        return self._folder / f"{key.key_id}.json"
