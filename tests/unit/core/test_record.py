"""The record: every change is found, a process that dies while it adds a line is not mistaken for one."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import CheckRefused, InputError
from app.core.models.chain import NOTHING, Contents, check_contains
from app.core.models.events import Begun, Imported, KeyTrusted, Switched
from app.core.models.record import Record
from app.core.processes import user_name

MODEL = "ab" * 32
WHEN = datetime.datetime(2026, 11, 27, 14, 30, tzinfo=datetime.UTC)

IMPORTED = Imported(model=MODEL, name="内科モデル", manifest_sha256="", key_id="")
SWITCHED = Switched(model=MODEL, name="内科モデル")


def record_in(folder: Path) -> Record:
    return Record(folder, lambda: "tester (1000)", lambda: WHEN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a record of four lines."""
    path = tmp_path / "record"
    record = record_in(path)
    for event in (IMPORTED, SWITCHED, Switched(model="", name="demo")):
        record.append(event)
    return path


def test_lines_say_who_did_what_when(folder: Path) -> None:
    contents = record_in(folder).read()
    assert isinstance(contents.lines[0].event, Begun)
    assert [line.event for line in contents.lines[1:3]] == [IMPORTED, SWITCHED]
    assert {(line.user, line.time) for line in contents.lines} == {("tester (1000)", "2026-11-27T14:30:00Z")}
    assert not contents.completed


def test_nothing_is_made_by_reading(tmp_path: Path) -> None:
    assert record_in(tmp_path / "none").read() == Contents()
    assert not (tmp_path / "none").exists()


def test_every_changed_byte_is_found(folder: Path) -> None:
    for name in ("record.jsonl", "head.json"):
        path = folder / name
        data = path.read_bytes()
        for position in range(len(data)):
            for mask in (1, 0x20):
                changed = bytearray(data)
                changed[position] ^= mask
                path.write_bytes(changed)
                with pytest.raises(CheckRefused, match="was changed"):
                    record_in(folder).read()
        path.write_bytes(data)
    assert len(record_in(folder).read().lines) == 4


def test_every_cut_is_found(folder: Path) -> None:
    for name in ("record.jsonl", "head.json"):
        path = folder / name
        data = path.read_bytes()
        for length in range(len(data)):
            path.write_bytes(data[:length])
            with pytest.raises(CheckRefused, match="was changed"):
                record_in(folder).read()
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ((0, 1, 3), "line 3 has the number 4"),
        ((0, 2, 1, 3), "line 2 has the number 3"),
        ((0, 1, 2), "line 4 is not there as it was written, its end was cut off: 4 lines were written"),
        ((0, 1, 2, 3, 3), "something was added after line 4"),
        ((1, 2, 3), "line 1 has the number 2"),
    ],
)
def test_gaps_cuts_and_other_orders_are_named(folder: Path, order: tuple[int, ...], words: str) -> None:
    path = folder / "record.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[number] for number in order))
    with pytest.raises(CheckRefused, match=words):
        record_in(folder).read()


def test_a_line_that_was_changed_with_sense_is_named(folder: Path) -> None:
    path = folder / "record.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"type":"switched","model":"ab', b'"type":"switched","model":"ba', 1))
    with pytest.raises(CheckRefused, match="line 3, or what line 4 says of it, is not what was written"):
        record_in(folder).read()


@pytest.mark.parametrize("name", ["record.jsonl", "head.json"])
def test_a_file_that_is_gone_or_a_link_is_found(folder: Path, name: str) -> None:
    (folder / name).rename(folder / "elsewhere")
    with pytest.raises(CheckRefused, match="was changed"):
        record_in(folder).read()
    (folder / name).symlink_to(folder / "elsewhere")
    with pytest.raises(CheckRefused, match="cannot be opened"):
        record_in(folder).read()


def test_what_was_added_behind_its_back_is_found(folder: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer"
    shutil.copytree(folder, longer)
    record_in(longer).append(SWITCHED)
    shutil.copy(longer / "record.jsonl", folder)
    with pytest.raises(CheckRefused, match="something was added after line 4"):
        record_in(folder).read()


def test_a_record_that_was_written_anew_is_found_by_a_noted_hash(folder: Path, tmp_path: Path) -> None:
    noted = record_in(folder).read().last
    record_in(folder).append(SWITCHED)
    assert check_contains(record_in(folder).read(), noted) == 4
    forged = record_in(tmp_path / "forged")
    for event in (IMPORTED, SWITCHED, SWITCHED):
        forged.append(event)
    with pytest.raises(CheckRefused, match="written anew"):
        check_contains(forged.read(), noted)
    with pytest.raises(CheckRefused):
        check_contains(Contents(), NOTHING)


def test_an_event_out_of_bounds_is_refused_and_leaves_the_record_as_it_was(folder: Path) -> None:
    before = (folder / "record.jsonl").read_bytes()
    for event in (
        Switched(model="../../etc/passwd", name="x"),
        Switched(model="", name="x" * 301),
        KeyTrusted(key_id="", name="\udcff"),
    ):
        with pytest.raises(InputError, match="cannot be written"):
            record_in(folder).append(event)
    assert (folder / "record.jsonl").read_bytes() == before
    assert record_in(folder).read().completed is False


def test_a_full_disk_leaves_the_record_as_it_was(folder: Path) -> None:
    pytest.importorskip("resource")
    before = record_in(folder).read()
    # A file may grow by 50 bytes more: the line is torn in the middle.
    limit = (folder / "record.jsonl").stat().st_size + 50
    program = f"""
import resource, signal
from pathlib import Path
from app.core.models.events import Switched
from app.core.models.record import Record
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    Record(Path({str(folder)!r})).append(Switched(model="", name="demo"))
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "27"
    assert record_in(folder).read() == before


KILLED = """
import os, signal, sys
from pathlib import Path
from app.core.models.events import Switched
from app.core.models.record import Record
left = int(sys.argv[2])
folder = sys.argv[1]
record = Record(Path(folder), lambda: "tester (1000)")
def hook(event, arguments):
    global left
    if event in ("open", "os.rename", "os.truncate", "os.remove") and any(folder in str(one) for one in arguments[:2]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
record.append(Switched(model="", name="new"))
"""


def kill_at(folder: Path, moment: int) -> int:
    return subprocess.run([sys.executable, "-c", KILLED, str(folder), str(moment)], check=False).returncode


def test_killed_at_any_moment_it_has_the_line_or_not_and_goes_on(folder: Path, tmp_path: Path) -> None:
    seen = set()
    moment, code = 0, -9
    while code != 0:
        moment += 1
        copy = tmp_path / f"killed-{moment}"
        shutil.copytree(folder, copy)
        code = kill_at(copy, moment)
        assert code in (-9, 0)
        contents = record_in(copy).read()
        assert contents.lines[:4] == record_in(folder).read().lines
        seen.add((len(contents.lines), contents.completed))
        record_in(copy).append(SWITCHED)
        assert len(record_in(copy).read().lines) == len(contents.lines) + 1
    # Killed before anything was written, while it was, and after it.
    assert seen == {(4, False), (5, True), (5, False)}
    assert moment > 5


def test_killed_at_its_very_beginning_it_begins_again(tmp_path: Path) -> None:
    moment, code = 0, -9
    while code != 0:
        moment += 1
        folder = tmp_path / f"record-{moment}"
        code = kill_at(folder, moment)
        record_in(folder).append(SWITCHED)
        lines = record_in(folder).read().lines
        assert isinstance(lines[0].event, Begun)
        assert lines[-1].event == SWITCHED


def test_a_line_torn_at_any_byte_is_completed_and_no_other_end_is_taken_for_one(folder: Path, tmp_path: Path) -> None:
    # Killed once the head says what comes, before the line's first byte.
    moment = next(number for number in range(1, 20) if interrupted(folder, tmp_path / f"torn-{number}", number))
    torn = tmp_path / f"torn-{moment}"
    kept = (torn / "record.jsonl").read_bytes()
    head = (torn / "head.json").read_bytes()
    pending = json.loads(head)["pending"].encode() + b"\n"
    for length in range(len(pending) + 1):
        (torn / "head.json").write_bytes(head)
        (torn / "record.jsonl").write_bytes(kept + pending[:length])
        contents = record_in(torn).read()
        assert (len(contents.lines), contents.completed) == (5, True)
        assert (torn / "record.jsonl").read_bytes() == kept + pending
        assert record_in(torn).read().completed is False
        (torn / "head.json").write_bytes(head)
        (torn / "record.jsonl").write_bytes(kept + pending[:length] + b"x")
        with pytest.raises(CheckRefused, match="line 5 is not the one that was being written"):
            record_in(torn).read()


def interrupted(folder: Path, copy: Path, moment: int) -> bool:
    shutil.copytree(folder, copy)
    kill_at(copy, moment)
    return bool(json.loads((copy / "head.json").read_bytes())["pending"])


def test_processes_that_add_at_once_wait_for_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "record"
    program = """
import sys
from pathlib import Path
from app.core.models.events import Switched
from app.core.models.record import Record
for number in range(20):
    Record(Path(sys.argv[1])).append(Switched(model="", name=f"{sys.argv[2]}-{number}"))
"""
    running = [subprocess.Popen([sys.executable, "-c", program, str(folder), str(name)]) for name in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    events = [line.event for line in record_in(folder).read().lines]
    names = [event.name for event in events if isinstance(event, Switched)]
    assert len(events) == 81
    for process in range(4):
        mine = [name for name in names if name.startswith(f"{process}-")]
        assert mine == [f"{process}-{number}" for number in range(20)]


def test_the_user_is_the_systems_and_not_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "someone else")
    monkeypatch.setenv("USER", "someone else")
    assert user_name().endswith(f"({os.getuid()})")
    if os.getuid() == 0:
        assert user_name() == "root (0)"
