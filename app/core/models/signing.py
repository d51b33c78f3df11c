"""Who vouches for a model: Ed25519 signatures (RFC 8032) over the bytes of its manifest, which names the file's hash.

A signature is a small file of its own beside the manifest, so that the signed bytes are those on the disk. It covers
the signer's name too. Whether a key is trusted is none of its business: the caller brings the keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from app.core.errors import InputError, excerpt
from app.core.files import read_bounded, write_atomically

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_SIGNATURE_BYTES = 4096
MAX_KEY_FILE_BYTES = 4096
MAX_SIGNER_CHARACTERS = 100

# Nothing else that the same key may ever sign begins like this.
_DOMAIN = b"inro-manifest-signature/1\0"

KeyId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
"""The first 16 hexadecimal digits of the SHA-256 of the raw public key."""
Signer = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SIGNER_CHARACTERS)]

SignatureState = Literal["valid", "unknown_key", "none", "broken"]


class PublicKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that a signer hands to a hospital, which compares the key id over another channel."""

    format: Literal["inro-public-key/1"] = "inro-public-key/1"
    name: Signer
    key_id: KeyId
    public_key: Annotated[str, msgspec.Meta(min_length=44, max_length=44)]
    """32 bytes in base64."""

    @property
    def raw(self) -> bytes:
        return base64.b64decode(self.public_key)


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Literal["inro-manifest-signature/1"] = "inro-manifest-signature/1"
    key_id: KeyId
    signer: Signer
    signature: Annotated[str, msgspec.Meta(min_length=88, max_length=88)]
    """64 bytes in base64."""


@dataclass(frozen=True)
class SignatureFinding:
    """What a signature is worth here.

    `signer` is the name under which a trusted key is known here; of an unknown key it is what the signature claims.
    """

    state: SignatureState
    key_id: str = ""
    signer: str = ""

    def __str__(self) -> str:
        match self.state:
            case "valid":
                return f"signed by {self.signer} (key {self.key_id}), whom this machine trusts"
            case "unknown_key":
                return f"signed with the key {self.key_id}, which this machine does not trust; it claims {self.signer}"
            case "none":
                return "not signed"
            case "broken":
                return "the signature does not fit: the manifest or the signature was changed"


UNSIGNED = SignatureFinding("none")
_BROKEN = SignatureFinding("broken")


def signature_path(manifest: Path) -> Path:
    """`x.manifest.json` → `x.manifest.sig`."""
    return manifest.with_suffix(".sig")


def public_key(name: str, raw: bytes) -> PublicKey:
    """Raises InputError for a name that cannot be shown."""
    if not name.strip() or not name.isprintable() or len(name) > MAX_SIGNER_CHARACTERS:
        raise InputError(f"a signer's name is 1 to {MAX_SIGNER_CHARACTERS} printable characters.")
    return PublicKey(name=name, key_id=_key_id(raw), public_key=_base64(raw))


def read_public_key(path: Path) -> PublicKey:
    """Raises InputError for what is no public key file, or one whose key id is not that of its key."""
    data = read_bounded(path, MAX_KEY_FILE_BYTES, "a public key file")
    try:
        key = msgspec.json.decode(data, type=PublicKey)
        raw = base64.b64decode(key.public_key, validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error) as error:
        raise InputError(f"{path} is not a public key file of inro models keygen: {excerpt(error)}.") from error
    if len(raw) != 32 or key != public_key(key.name, raw):
        raise InputError(f"{path} is not a public key file of inro models keygen: its key id is not that of its key.")
    return key


def write_public_key(path: Path, key: PublicKey) -> None:
    write_atomically(path, _json(key))


def sign(manifest: bytes, signer: PublicKey, key: Ed25519PrivateKey) -> bytes:
    """The signature file for a manifest of these bytes. `key` is the private part of `signer`."""
    signed = key.sign(_message(signer.name, manifest))
    return _json(Signature(key_id=signer.key_id, signer=signer.name, signature=_base64(signed)))


def check_signature(manifest: bytes, signature: bytes, trusted: Mapping[str, PublicKey]) -> SignatureFinding:
    """What `signature`, the bytes of a signature file, says of `manifest`; `trusted` are the known keys by key id."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        parsed = msgspec.json.decode(signature, type=Signature)
        # One way only to write a signature: then every change of the file shows, a blank or a spare bit included.
        if _json(parsed) != signature or not parsed.signer.isprintable():
            return _BROKEN
        signed = base64.b64decode(parsed.signature, validate=True)
        if _base64(signed) != parsed.signature:
            return _BROKEN
    except (msgspec.MsgspecError, UnicodeError, RecursionError, binascii.Error):
        return _BROKEN
    key = trusted.get(parsed.key_id)
    if key is None:
        return SignatureFinding("unknown_key", parsed.key_id, parsed.signer)
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signed, _message(parsed.signer, manifest))
    except (InvalidSignature, ValueError):
        return _BROKEN
    return SignatureFinding("valid", key.key_id, key.name)


def find_signature(manifest: Path) -> bytes | None:
    """The bytes of the signature file beside `manifest`, or None. Raises InputError for one that is too large."""
    path = signature_path(manifest)
    return read_bounded(path, MAX_SIGNATURE_BYTES, "a signature") if path.is_file() else None


def _message(signer: str, manifest: bytes) -> bytes:
    # A name holds no NUL (it is printable), so that it cannot run into the manifest.
    return _DOMAIN + signer.encode("utf-8") + b"\0" + manifest


def _key_id(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _json(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
