"""A record that was changed is put aside, and the one that takes its place says so."""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.errors import CheckRefused, InputError
from app.core.models.events import Begun, BegunAnew, Switched
from app.core.models.record import Record, read_export

WHEN = datetime.datetime(2026, 11, 27, 14, 30, tzinfo=datetime.UTC)
SWITCHED = Switched(model="", name="demo")


def record_in(folder: Path) -> Record:
    return Record(folder, lambda: "tester (1000)", lambda: WHEN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "record"
    for _ in range(3):
        record_in(path).append(SWITCHED)
    return path


def change(folder: Path) -> None:
    path = folder / "record.jsonl"
    path.write_bytes(path.read_bytes().replace(b"demo", b"home"))


def empty(folder: Path) -> None:
    (folder / "record.jsonl").write_bytes(b"")


def lose_lines(folder: Path) -> None:
    (folder / "record.jsonl").unlink()


def lose_head(folder: Path) -> None:
    (folder / "head.json").unlink()


def link(folder: Path) -> None:
    (folder / "record.jsonl").rename(folder / "elsewhere")
    (folder / "record.jsonl").symlink_to(folder / "elsewhere")


def replace_by_folder(folder: Path) -> None:
    (folder / "head.json").unlink()
    (folder / "head.json").mkdir()
    (folder / "head.json" / "inside").write_text("kept")


def replace_by_pipe(folder: Path) -> None:
    (folder / "record.jsonl").unlink()
    os.mkfifo(folder / "record.jsonl")


Damage = Callable[[Path], None]
DAMAGES: list[Damage] = [change, empty, lose_lines, lose_head, link, replace_by_folder, replace_by_pipe]


def content(path: Path) -> object:
    if path.is_symlink():
        return path.readlink()
    return path.read_bytes() if path.is_file() else path.exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_was_changed_is_kept_and_the_next_record_says_so(folder: Path, damage: Damage) -> None:
    damage(folder)
    before = {name: content(folder / name) for name in ("record.jsonl", "head.json")}
    with pytest.raises(CheckRefused, match="begin-anew"):
        record_in(folder).read()
    anew = record_in(folder).begin_anew("The disk was full of errors.", "given")
    lines = record_in(folder).read().lines
    assert isinstance(lines[0].event, Begun)
    assert [line.event for line in lines[1:]] == [anew]
    assert (anew.reason, anew.pin, anew.aside) == ("The disk was full of errors.", "given", "damaged-20261127T143000Z")
    kept = folder / anew.aside
    assert {name: content(kept / name) for name in before} == before
    for data, digest in zip(before.values(), (anew.record_sha256, anew.head_sha256), strict=True):
        assert digest == (hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else "")
    record_in(folder).append(SWITCHED)
    assert len(record_in(folder).read().lines) == 3
    assert {name: content(kept / name) for name in before} == before


def test_a_sound_record_is_not_begun_anew(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the record is sound"):
        record_in(folder).begin_anew("I would rather have another", "given")
    with pytest.raises(InputError, match="no record yet"):
        record_in(tmp_path / "none").begin_anew("reason", "given")
    assert len(record_in(folder).read().lines) == 4


def test_twice_in_one_second_keeps_both(folder: Path) -> None:
    for _ in range(2):
        change(folder)
        lose_head(folder)
        record_in(folder).begin_anew("again", "none")
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        "damaged-20261127T143000Z",
        "damaged-20261127T143000Z-2",
    ]


def test_what_cannot_be_written_changes_nothing(folder: Path) -> None:
    change(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError):
        record_in(folder).begin_anew("", "given")
    with pytest.raises(InputError):
        record_in(folder).begin_anew("\ud800", "given")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_such_a_line_stands_nowhere_but_in_the_second_place(folder: Path, tmp_path: Path) -> None:
    change(folder)
    anew = record_in(folder).begin_anew("reason", "given")
    record_in(folder).append(anew)
    export = tmp_path / "export.jsonl"
    shutil.copy(folder / "record.jsonl", export)
    for read in (record_in(folder).read, lambda: read_export(export)):
        with pytest.raises(CheckRefused, match="line 3 is none that was written there"):
            read()


KILLED = """
import os, signal, sys
from pathlib import Path
from app.core.models.record import Record
folder, left = sys.argv[1], int(sys.argv[2])
def hook(event, arguments):
    global left
    watched = ("open", "os.rename", "os.link", "os.mkdir", "os.remove")
    if event in watched and any(folder in str(one) for one in arguments[:2]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
Record(Path(folder)).begin_anew("reason", "given")
"""


@pytest.mark.parametrize("damage", [change, lose_lines, lose_head])
def test_killed_at_any_moment_it_is_refused_as_before_or_begun(folder: Path, tmp_path: Path, damage: Damage) -> None:
    damage(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    seen, moment, code = set(), 0, -9
    while code != 0:
        moment += 1
        copy = tmp_path / f"killed-{moment}"
        shutil.copytree(folder, copy)
        code = subprocess.run([sys.executable, "-c", KILLED, str(copy), str(moment)], check=False).returncode
        assert code in (-9, 0)
        try:
            events = [line.event for line in record_in(copy).read().lines]
            seen.add(True)
            assert isinstance(events[1], BegunAnew)
        except CheckRefused:
            seen.add(False)
            record_in(copy).begin_anew("once more", "given")
            assert len(record_in(copy).read().lines) == 2
        kept = [path.read_bytes() for path in copy.glob("damaged-*/*")]
        assert all(data in kept for name, data in before.items() if name != "lock")
    assert seen == {True, False}
    assert moment > 5
