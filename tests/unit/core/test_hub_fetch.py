"""Fetching: nothing under the model's name before all of it is there and checked, and no byte fetched twice."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import CheckRefused, InputError, MachineError
from app.core.files import sha256_file
from app.core.hub.fetch import Comparing, Downloading, Fetch, Fetched, Found, SpaceFound, Step
from app.core.hub.names import hub_model
from app.core.locks import exclusive
from app.core.models.gguf_header import model_files, read_header
from app.core.models.manifest import Part, manifest_path
from tests.folder_hub import COMMIT, FolderHub
from tests.manifests import describe, new_signer
from tests.tiny_models import tiny_gguf

FILE = "モデル 一.gguf"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


@pytest.fixture
def model(repository: Path) -> Path:
    return tiny_gguf(repository / FILE)


@pytest.fixture
def hub(repository: Path, model: Path) -> FolderHub:
    return FolderHub(repository)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def fetching(hub: FolderHub, out: Path, file: str = FILE, revision: str = "main", **options: Any) -> Fetch:
    return Fetch(hub, hub_model("clinic/model", file, revision), out, options.pop("trusted", {}), (0.0,), **options)


def fetch(hub: FolderHub, out: Path, file: str = FILE, **options: Any) -> Fetched:
    last: Step | None = None
    for step in fetching(hub, out, file, **options).steps():
        last = step
    assert isinstance(last, Fetched)
    return last


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def partial(out: Path, name: str = "モデル 一") -> Path:
    return out / f".{name}.partial" / "files"


def test_the_folder_holds_the_model_its_papers_sums_and_where_it_comes_from(
    hub: FolderHub, model: Path, out: Path, tmp_path: Path
) -> None:
    signer = new_signer(tmp_path / "keys")
    signature = signer.sign(describe(model))
    fetched = fetch(hub, out, trusted=signer.trusted)

    folder = out / "モデル 一"
    assert fetched.folder == folder
    assert names(out) == {folder.name}
    assert names(folder) == {FILE, manifest_path(model).name, signature.name, "SHA256SUMS", "README.txt"}
    assert (folder / FILE).read_bytes() == model.read_bytes()
    assert (folder / signature.name).read_bytes() == signature.read_bytes()
    assert (fetched.commit, fetched.was_there, fetched.examined.signature.state) == (COMMIT, False, "valid")
    lines = (line.split("  ", 1) for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines())
    sums = {name: sha256 for sha256, name in lines}
    assert sums == {name: sha256_file(folder / name) for name in names(folder) - {"SHA256SUMS"}}
    text = (folder / "README.txt").read_text("utf-8")
    for said in ("clinic/model", COMMIT, f"{model.stat().st_size:,} bytes", f"inro models import モデル 一/{FILE}"):
        assert said in text
    assert "signed by Model team" in text
    assert "病院の PC" in text


def test_every_step_is_seen(hub: FolderHub, model: Path, out: Path) -> None:
    steps = list(fetching(hub, out).steps())
    size = model.stat().st_size
    assert isinstance(steps[0], Found)
    assert isinstance(steps[1], SpaceFound)
    assert (steps[1].needed_bytes, steps[1].kept_bytes) == (size, 0)
    done = [step.done_bytes for step in steps if isinstance(step, Downloading)]
    assert done == sorted(done)
    assert done[-1] == size
    assert isinstance(steps[-1], Fetched)


def test_a_model_in_several_files_comes_whole_and_is_named_without_a_number(repository: Path, out: Path) -> None:
    folder = repository / "Q8"
    folder.mkdir()
    first = tiny_gguf(folder / "big.gguf", tensors_a_file=6)
    parts = [
        Part(file=path.name, file_bytes=path.stat().st_size, sha256=sha256_file(path))
        for path in model_files(first)[1:]
    ]
    assert len(parts) > 1
    describe(first, parts=tuple(parts))
    fetched = fetch(FolderHub(repository), out, f"Q8/{first.name}")
    assert fetched.folder == out / "big"
    assert read_header(out / "big" / first.name).part_count == len(parts) + 1
    assert fetched.examined.manifest is not None

    model_files(first)[1].unlink()
    with pytest.raises(InputError, match=r"no file Q8/big-00002-of-0000\d.gguf at the revision main"):
        fetch(FolderHub(repository), out / "again", f"Q8/{first.name}")
    assert not (out / "again").exists()


@pytest.mark.parametrize("stopped_after", [0, 1, 7, 100])
def test_stopped_anywhere_it_goes_on_from_there(hub: FolderHub, model: Path, out: Path, stopped_after: int) -> None:
    describe(model)
    with closing(fetching(hub, out).steps()) as steps:
        for step in steps:
            if isinstance(step, Downloading) and step.done_bytes > stopped_after * 1000:
                break
    kept = fetching(hub, out).kept_bytes
    assert kept > stopped_after * 1000
    assert names(out) == {".モデル 一.partial"}

    fetched = fetch(hub, out)
    assert (fetched.folder / FILE).read_bytes() == model.read_bytes()
    assert hub.served == {path.name: path.stat().st_size for path in hub.folder.iterdir()}
    assert names(out) == {"モデル 一"}


def test_a_connection_that_breaks_off_is_taken_up_again(hub: FolderHub, model: Path, out: Path) -> None:
    hub.cuts[FILE] = [0, 5000, 1, 20_000]
    fetch(hub, out)
    assert hub.served[FILE] == model.stat().st_size
    assert hub.opened[FILE] == 5


def test_one_that_brings_nothing_any_more_ends_it_and_what_came_is_kept(hub: FolderHub, model: Path, out: Path) -> None:
    hub.cuts[FILE] = [30_000, 0, 0, 0]
    with pytest.raises(MachineError, match=r"broke off \(reset by peer\); what was downloaded is kept"):
        fetch(hub, out)
    assert fetching(hub, out).kept_bytes == 30_000
    hub.cuts.clear()
    fetch(hub, out)
    assert hub.served[FILE] == model.stat().st_size


def test_a_server_without_ranges_begins_anew_and_cannot_do_so_for_ever(hub: FolderHub, model: Path, out: Path) -> None:
    hub.ranges = False
    hub.cuts[FILE] = [30_000, 30_000, 30_000, 30_000]
    with pytest.raises(MachineError, match="broke off"):
        fetch(hub, out)
    assert hub.opened[FILE] == 2
    hub.cuts[FILE] = [40_000]
    fetched = fetch(hub, out)
    assert (fetched.folder / FILE).read_bytes() == model.read_bytes()


@pytest.mark.parametrize("wrong", ["hash", "longer", "shorter", "endless"])
def test_other_bytes_than_announced_are_refused_and_not_kept(
    hub: FolderHub, model: Path, out: Path, wrong: str
) -> None:
    said = hub.snapshot("clinic/model", "main").files[FILE]
    changes: dict[str, dict[str, Any]] = {
        "hash": {"sha256": "0" * 64},
        "longer": {"size": said.size + 1},
        "shorter": {"size": said.size - 1},
        "endless": {},
    }
    hub.announced[FILE] = replace(said, **changes[wrong])
    hub.excess = b"x" * 50_000 if wrong == "endless" else b""
    error = MachineError if wrong == "longer" else CheckRefused
    with pytest.raises(error, match="ended too early" if wrong == "longer" else "not what the hub announces"):
        fetch(hub, out)
    if error is CheckRefused:
        assert not list(out.iterdir())
    assert not (out / "モデル 一").exists()


def test_a_small_file_is_checked_by_the_hash_that_git_gives_it(hub: FolderHub, model: Path, out: Path) -> None:
    path = describe(model)
    said = hub.snapshot("clinic/model", "main").files[path.name]
    assert said.git_blob
    changed = path.read_bytes().replace(b"named", b"other")
    path.write_bytes(changed)
    hub.announced[path.name] = said
    with pytest.raises(CheckRefused, match=r"manifest\.json is not what the hub announces"):
        fetch(hub, out)
    assert hub.opened[FILE] == 0


def test_a_manifest_of_another_file_is_refused_before_the_large_download(
    hub: FolderHub, model: Path, out: Path
) -> None:
    describe(model, sha256="0" * 64)
    with pytest.raises(CheckRefused, match="not the file that the manifest beside it describes"):
        fetch(hub, out)
    assert hub.opened[FILE] == 0
    assert not list(out.iterdir())


def test_a_manifest_that_says_otherwise_than_the_header_is_refused(hub: FolderHub, model: Path, out: Path) -> None:
    describe(model, parameters=7)
    with pytest.raises(CheckRefused, match="another number of parameters"):
        fetch(hub, out)
    assert not list(out.iterdir())


def test_a_signature_that_does_not_fit_is_refused_and_one_of_a_stranger_is_said_so(
    hub: FolderHub, model: Path, out: Path, tmp_path: Path
) -> None:
    signer = new_signer(tmp_path / "keys")
    signature = signer.sign(describe(model))
    assert fetch(hub, out / "a").examined.signature.state == "unknown_key"
    signature.write_bytes(signature.read_bytes().replace(b'"signature": "', b'"signature":  "'))
    with pytest.raises(CheckRefused, match="the signature does not fit"):
        fetch(hub, out / "b", trusted=signer.trusted)
    assert not list((out / "b").iterdir())


def test_papers_that_are_too_large_are_not_downloaded(hub: FolderHub, model: Path, out: Path) -> None:
    manifest_path(model).write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(InputError, match=r"manifest\.json in clinic/model is larger than such a file can be"):
        fetch(hub, out)
    assert not hub.opened


def test_what_is_no_usable_model_is_refused_and_not_kept(hub: FolderHub, model: Path, out: Path) -> None:
    model.write_bytes(b"GGUF" + b"\xff" * 60_000)
    with pytest.raises(InputError, match="not a usable GGUF model file"):
        fetch(hub, out)
    assert not list(out.iterdir())


def test_space_is_looked_for_first(hub: FolderHub, model: Path, out: Path) -> None:
    said = hub.snapshot("clinic/model", "main").files[FILE]
    hub.announced[FILE] = replace(said, size=2**60)
    with pytest.raises(MachineError, match=r"needs 1,152,921,504\.61 GB on the disk, and [\d,.]+ GB are free"):
        fetch(hub, out)
    assert not hub.opened
    assert not list(out.iterdir())


def test_a_folder_that_is_there_is_read_and_not_replaced(hub: FolderHub, model: Path, out: Path) -> None:
    describe(model)
    first = fetch(hub, out)
    before = hub.served.copy()
    steps = list(fetching(hub, out).steps())
    again = steps[-1]
    assert isinstance(again, Fetched)
    assert again.was_there
    assert (again.files, again.folder) == (first.files, first.folder)
    assert any(isinstance(step, Comparing) for step in steps)
    assert hub.served == before
    assert names(out) == {"モデル 一"}


@pytest.mark.parametrize("change", ["byte", "missing", "more", "no folder", "manifest gone"])
def test_one_that_is_not_the_same_is_refused_and_stays_as_it_is(
    hub: FolderHub, model: Path, out: Path, change: str
) -> None:
    manifest = describe(model)
    folder = fetch(hub, out).folder
    path = folder / FILE
    if change == "byte":
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    elif change == "missing":
        (folder / "SHA256SUMS").unlink()
    elif change == "more":
        (folder / "y.gguf").write_bytes(b"")
    elif change == "manifest gone":
        manifest.unlink()
    else:
        folder.rename(out / "moved")
        folder.write_text("a file of this name")
    hashed = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file())).digest()
    with pytest.raises(InputError, match="is there and is not this model"):
        fetch(hub, out)
    after = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file())).digest()
    assert after == hashed


def test_what_a_branch_no_longer_holds_is_not_mixed_with_what_it_holds_now(
    hub: FolderHub, model: Path, out: Path
) -> None:
    hub.cuts[FILE] = [50_000, 0, 0]
    with pytest.raises(MachineError):
        fetch(hub, out)
    tiny_gguf(model, seed=1)
    hub.commit = "f" * 40
    before = hub.served[FILE]
    fetched = fetch(hub, out)
    assert (fetched.folder / FILE).read_bytes() == model.read_bytes()
    assert hub.served[FILE] - before == model.stat().st_size


def test_another_commit_with_the_same_file_goes_on_with_it(hub: FolderHub, model: Path, out: Path) -> None:
    hub.cuts[FILE] = [50_000, 0, 0]
    with pytest.raises(MachineError):
        fetch(hub, out)
    describe(model)
    hub.commit = "f" * 40
    fetch(hub, out)
    assert hub.served[FILE] == model.stat().st_size


def test_two_at_once_do_not_write_to_the_same_files(hub: FolderHub, model: Path, out: Path) -> None:
    with closing(fetching(hub, out).steps()) as first:
        for step in first:
            if isinstance(step, Downloading):
                break
        with pytest.raises(MachineError, match="Another process is fetching モデル 一"):
            fetch(hub, out)
        for _ in first:
            pass
    assert names(out) == {"モデル 一"}


def test_a_lock_that_is_free_is_taken_at_once(tmp_path: Path) -> None:
    lock, busy = tmp_path / "lock", pytest.raises(MachineError, match="busy")
    with exclusive(lock, "busy"), busy, exclusive(lock, "busy"):
        pass
    with exclusive(tmp_path / "lock", "busy"):
        pass
