"""`inro models keygen`, `sign` and `trust`: who vouches for a model, and whom this machine believes."""

from __future__ import annotations

from pathlib import Path

from app.commands.administering import authority
from app.commands.terminal import read_new_secret, read_secret
from app.core.command import print_json
from app.core.errors import ExitCode, InputError
from app.core.files import write_atomically
from app.core.models.administration import Administration
from app.core.models.keys import TrustedKeys, make_key, open_key
from app.core.models.manifest import parse_manifest, read_manifest_bytes
from app.core.models.signing import read_public_key, sign, signature_path
from app.core.paths import user_paths


def keygen(name: str, folder: Path, *, with_passphrase: bool) -> int:
    passphrase = read_new_secret("Passphrase for the new key") if with_passphrase else None
    key, private, public = make_key(name, folder, passphrase)
    print(f"{private} is the private key: it signs manifests and stays with you.")
    print(f"{public} is the public file: hospitals trust it with inro models trust add.")
    print(f"Key id: {key.key_id}. Tell it to them by telephone or letter, so that they can compare.")
    return ExitCode.DONE


def sign_manifest(manifest: Path, key: Path) -> int:
    target = signature_path(manifest)
    if target == manifest:
        raise InputError(f"{manifest} is named like a signature; a manifest is x.manifest.json.")
    data = read_manifest_bytes(manifest)
    name = parse_manifest(data, manifest).name
    signer, private = open_key(key, lambda: read_secret("Passphrase of the key"))
    write_atomically(target, sign(data, signer, private))
    print(f"{target}: {name} is signed by {signer.name} (key {signer.key_id}).")
    return ExitCode.DONE


def trust_list(*, as_json: bool) -> int:
    keys = Administration(user_paths()).trusted().values()
    if as_json:
        print_json({"keys": [{"key_id": key.key_id, "name": key.name} for key in keys]})
    elif not keys:
        print("This machine trusts no key. Add one with: inro models trust add FILE")
    else:
        for key in keys:
            print(f"{key.key_id}  {key.name}")
    return ExitCode.DONE


def trust_add(file: Path) -> int:
    key = read_public_key(file)
    paths = user_paths()
    administration = Administration(paths)
    # Before the PIN, so that it can still be left.
    print(f"Key {key.key_id} of {key.name}. Compare the key id with what its owner tells you by telephone or letter.")
    for other in administration.trusted().values():
        if other.name == key.name and other.key_id != key.key_id:
            print(f"Another key, {other.key_id}, is trusted under the same name.")
    administration.trust(authority(paths), key)
    print("Manifests signed with it are trusted on this machine from now on.")
    return ExitCode.DONE


def trust_remove(text: str) -> int:
    paths = user_paths()
    keys = TrustedKeys(paths.trusted_keys)
    # What was added by its file may be removed by its file.
    path = Path(text)
    key = keys.find(read_public_key(path).key_id if path.is_file() else text)
    Administration(paths).distrust(authority(paths), key)
    print(f"The key {key.key_id} of {key.name} is no longer trusted on this machine.")
    return ExitCode.DONE
