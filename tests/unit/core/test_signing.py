"""Signatures: what is valid, and that no single byte of manifest or signature can change without being seen."""

from __future__ import annotations

import base64
import datetime
import stat
from pathlib import Path

import pytest

from app.core.errors import CheckRefused, InputError
from app.core.models.examination import check_contents, examine, objections
from app.core.models.keys import TrustedKeys, make_key, open_key
from app.core.models.library import ModelLibrary
from app.core.models.manifest import manifest_path, read_manifest
from app.core.models.signing import check_signature, read_public_key, signature_path
from app.core.paths import Paths
from tests.manifests import Signer, describe, import_model, new_signer
from tests.tiny_models import tiny_gguf

TODAY = datetime.date(2026, 11, 27)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return new_signer(tmp_path / "keys")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """With a manifest, not yet signed."""
    path = tiny_gguf(tmp_path / "model.gguf")
    describe(path)
    return path


def test_a_signature_says_who_vouches(model: Path, signer: Signer) -> None:
    signer.sign(manifest_path(model))
    found = examine(model, signer.trusted).signature
    assert (found.state, found.signer, found.key_id) == ("valid", "Model team", signer.public.key_id)


def test_a_key_that_is_not_trusted_vouches_for_nothing(model: Path, signer: Signer) -> None:
    signer.sign(manifest_path(model))
    examined = examine(model, {})
    assert examined.signature.state == "unknown_key"
    assert objections(examined, TODAY, unsigned_allowed=True) == []
    (objection,) = objections(examined, TODAY, unsigned_allowed=False)
    assert "does not trust" in str(objection)


def test_every_changed_byte_of_a_manifest_is_found(model: Path, signer: Signer) -> None:
    path = manifest_path(model)
    data, signature = path.read_bytes(), signer.sign(path).read_bytes()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        assert check_signature(bytes(changed), signature, signer.trusted).state == "broken"
    assert check_signature(data + b" ", signature, signer.trusted).state == "broken"


def test_every_changed_bit_of_a_signature_is_found(model: Path, signer: Signer) -> None:
    path = manifest_path(model)
    data, signature = path.read_bytes(), signer.sign(path).read_bytes()
    for position in range(len(signature)):
        for bit in range(8):
            changed = bytearray(signature)
            changed[position] ^= 1 << bit
            assert check_signature(data, bytes(changed), signer.trusted).state != "valid"
    for other in (b"", b"{}", b"\xff", signature[:-1], signature + b" ", b"[" * 4000):
        assert check_signature(data, other, signer.trusted).state == "broken"


def test_the_signers_name_cannot_be_exchanged(model: Path, signer: Signer) -> None:
    path = manifest_path(model)
    renamed = signer.sign(path).read_bytes().replace(b"Model team", b"Ministry!!")
    assert check_signature(path.read_bytes(), renamed, signer.trusted).state == "broken"


def test_a_signature_of_another_purpose_is_none(model: Path, signer: Signer) -> None:
    path = manifest_path(model)
    signature = signer.sign(path).read_bytes()
    bare = signer.private.sign(path.read_bytes())
    start = signature.index(b'"signature": "') + len(b'"signature": "')
    forged = signature[:start] + base64.b64encode(bare) + signature[start + 88 :]
    assert check_signature(path.read_bytes(), forged, signer.trusted).state == "broken"


def test_the_private_key_is_its_owners_alone_and_may_have_a_passphrase(tmp_path: Path) -> None:
    key, private, public = make_key("医療モデル班", tmp_path, "pass phrase")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert read_public_key(public) == key
    assert open_key(private, lambda: "pass phrase")[0] == key
    with pytest.raises(InputError, match="passphrase is wrong"):
        open_key(private, lambda: "another")
    public.unlink()
    with pytest.raises(InputError, match="not beside"):
        open_key(private, lambda: "pass phrase")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x1b[2Jb", "a\u202eb", "two\nlines"])
def test_a_name_that_could_deceive_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="printable"):
        make_key(name, tmp_path / "keys", None)
    assert not (tmp_path / "keys").exists()


def test_every_changed_byte_of_a_public_file_is_found_or_its_name(tmp_path: Path, signer: Signer) -> None:
    data = signer.public_path.read_bytes()
    path = tmp_path / "changed.json"
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        path.write_bytes(changed)
        try:
            key = read_public_key(path)
        except InputError:
            continue
        assert (key.key_id, key.public_key) == (signer.public.key_id, signer.public.public_key)


def test_trusted_keys_are_kept_and_removed(home: Paths, signer: Signer, tmp_path: Path) -> None:
    keys = TrustedKeys(home.trusted_keys)
    keys.add(signer.public)
    assert TrustedKeys(home.trusted_keys).all() == signer.trusted
    assert keys.find("Model team") == keys.find(signer.public.key_id[:5]) == signer.public
    keys.remove(signer.public)
    assert keys.all() == {}
    with pytest.raises(InputError, match="not trusted here"):
        keys.find("Model team")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"expires": datetime.date(2026, 11, 26)}, "2026-11-26"),
        ({"chat_template_sha256": "0" * 64}, "another chat template"),
        ({"parameters": 7_000_000_000}, "another number of parameters"),
        ({"architecture": "llama"}, "another architecture"),
        ({"context_length": 1}, "another context length"),
    ],
)
def test_what_speaks_against_a_file_is_a_sentence(
    model: Path, signer: Signer, changes: dict[str, object], words: str
) -> None:
    signer.sign(describe(model, **changes))
    (objection,) = objections(examine(model, signer.trusted), TODAY, unsigned_allowed=False)
    assert words in str(objection)


def test_the_last_day_still_counts(model: Path, signer: Signer) -> None:
    signer.sign(describe(model, expires=TODAY, intended_use="Looking things up.\n参考情報の検索。"))
    assert objections(examine(model, signer.trusted), TODAY, unsigned_allowed=False) == []


def test_a_manifest_of_the_time_before_is_read(model: Path) -> None:
    path = manifest_path(model)
    text = path.read_text("utf-8")
    kept = [line for line in text.splitlines() if not any(f'"{name}"' in line for name in NEW_FIELDS)]
    path.write_text("\n".join(kept).replace('"verdict": null,', '"verdict": null'), encoding="utf-8")
    manifest = read_manifest(path)
    assert (manifest.intended_use, manifest.expires, manifest.chat_template_sha256) == ("", None, "")


NEW_FIELDS = ("intended_use", "expires", "chat_template_sha256")


@pytest.mark.parametrize(
    "field", ['"name": "a\\u001b[2J"', '"intended_use": "' + "x" * 4001 + '"', '"expires": "soon"', '"extra": 1']
)
def test_a_manifest_out_of_bounds_is_refused(model: Path, field: str) -> None:
    path = manifest_path(model)
    path.write_text(path.read_text("utf-8").replace('"name": "named"', '"name": "x"', 1), encoding="utf-8")
    name = field.partition(":")[0]
    lines = [line for line in path.read_text("utf-8").splitlines() if name not in line]
    path.write_text("\n".join([lines[0], f"{field},", *lines[1:]]), encoding="utf-8")
    with pytest.raises(InputError, match="not a valid manifest"):
        read_manifest(path)


def test_a_changed_file_is_found(model: Path) -> None:
    assert check_contents(examine(model, {})) is None
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    assert "is not the file its manifest describes" in str(check_contents(examine(model, {})))


def test_the_library_keeps_the_signed_bytes(model: Path, signer: Signer, home: Paths) -> None:
    # Not as this program would write it.
    path = manifest_path(model)
    path.write_bytes(path.read_bytes().replace(b"  ", b"    "))
    signer.sign(path)
    added = import_model(ModelLibrary(home.models), model, signer.trusted)
    assert examine(added.path, signer.trusted).signature.state == "valid"


def test_the_library_refuses_a_signature_that_does_not_fit(model: Path, signer: Signer, home: Paths) -> None:
    signer.sign(manifest_path(model))
    describe(model, licence="other")
    with pytest.raises(CheckRefused, match="signature does not fit"):
        import_model(ModelLibrary(home.models), model, signer.trusted)
    assert not home.models.exists()


def test_another_manifest_without_a_signature_takes_the_old_one_away(model: Path, signer: Signer, home: Paths) -> None:
    library = ModelLibrary(home.models)
    signer.sign(manifest_path(model))
    added = import_model(library, model, signer.trusted)
    describe(model, licence="other")
    signature_path(manifest_path(model)).unlink()
    assert import_model(library, model, signer.trusted).path == added.path
    assert examine(added.path, signer.trusted).signature.state == "none"
