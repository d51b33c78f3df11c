"""A run's file: appended line by line, cut anywhere, changed by anybody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.core.errors import InputError, MachineError
from evaluation.runs.records import Record, RunEngine, RunIdentity, RunModel
from evaluation.runs.store import ITEMS, RESULT, read_run, start_run
from tests.unit.evaluation.run_folders import MODEL, item, letter_record, settings, text_record, write_run

PROBABILITIES = (0.1, 0.2, 0.3, 0.25, 0.15)


def identity(**facts: Any) -> RunIdentity:
    known: dict[str, Any] = {
        "model": MODEL,
        "engine": RunEngine(),
        "task": "igakuqa",
        "language": "ja",
        "items": 3,
        "data_sha256": "d",
        "settings": settings(),
    }
    return RunIdentity(**(known | facts))


RECORDS = (
    letter_record(item(1), PROBABILITIES),
    text_record(item(2), '「a」\n\u2028 \x00 \\ " 𠮷', (0,)),
    text_record(item(3), "?", None),
)


def write(folder: Path, *records: Record, resume: bool = False) -> None:
    with start_run(folder, identity(), resume=resume) as file:
        for record in records:
            file.append(record)


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "run", *RECORDS)
    run = read_run(tmp_path / "run")
    assert run.identity == identity()
    assert run.records == RECORDS
    assert run.complete


def test_every_record_is_there_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    with start_run(tmp_path, identity(), resume=False) as file:
        for count, record in enumerate(RECORDS, start=1):
            file.append(record)
            assert read_run(tmp_path).records == RECORDS[:count]


def test_cut_anywhere_a_resumed_file_ends_as_the_uninterrupted_one(tmp_path: Path) -> None:
    write(tmp_path / "whole", *RECORDS)
    whole = (tmp_path / "whole" / ITEMS).read_bytes()
    before_the_last = len(b"".join(whole.splitlines(keepends=True)[:-1]))
    # Every byte where lines meet, and every seventh between: each resumption waits for the disk.
    sizes = {*range(before_the_last - 9, before_the_last + 9), *range(before_the_last - 400, len(whole), 7), len(whole)}
    for size in sorted(sizes):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / ITEMS).write_bytes(whole[:size])
        with start_run(folder, identity(), resume=True) as file:
            kept = len(file.kept)
            assert file.kept == RECORDS[:kept]
            for record in RECORDS[kept:]:
                file.append(record)
        assert kept == whole[:size].count(b"\n") - 1
        assert (folder / ITEMS).read_bytes() == whole


def test_a_result_of_an_earlier_end_does_not_stand_beside_what_comes(tmp_path: Path) -> None:
    write(tmp_path, *RECORDS)
    (tmp_path / RESULT).write_text("{}")
    write(tmp_path, resume=True)
    assert not (tmp_path / RESULT).exists()


# --- one run, one folder, one process ---------------------------------------------------------------------------------


def test_a_run_is_not_written_over(tmp_path: Path) -> None:
    write(tmp_path, RECORDS[0])
    before = (tmp_path / ITEMS).read_bytes()
    with pytest.raises(InputError, match="--resume"):
        start_run(tmp_path, identity(), resume=False)
    assert (tmp_path / ITEMS).read_bytes() == before


def test_a_run_that_ended_before_its_first_answer_is_in_nobodys_way(tmp_path: Path) -> None:
    write(tmp_path)
    other = identity(task="medqa")
    with start_run(tmp_path, other, resume=False):
        pass
    assert read_run(tmp_path).identity == other
    with start_run(tmp_path, identity(), resume=True):
        pass
    assert read_run(tmp_path).identity == identity()


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"model": RunModel(file="other.gguf", sha256="b" * 64)}, r"\(other model\)"),
        ({"engine": RunEngine(commit="1")}, r"\(other engine\)"),
        ({"data_sha256": "e"}, r"\(other questions\)"),
        ({"items": 4, "data_sha256": "e"}, r"\(other number of questions, questions\)"),
        ({"settings": settings(seed=1, max_tokens=3)}, r"\(other seed, max tokens\)"),
        ({"settings": settings(context_length=512)}, r"\(other context length\)"),
        ({"language": "en"}, r"\(other language\)"),
    ],
)
def test_another_run_is_not_resumed_and_what_differs_is_named(tmp_path: Path, facts: dict[str, Any], told: str) -> None:
    write(tmp_path, RECORDS[0])
    before = (tmp_path / ITEMS).read_bytes()
    with pytest.raises(InputError, match=told):
        start_run(tmp_path, identity(**facts), resume=True)
    assert (tmp_path / ITEMS).read_bytes() == before
    write(tmp_path, resume=True)  # the refusal left nothing locked


def test_two_are_never_at_one_run(tmp_path: Path) -> None:
    with (
        start_run(tmp_path, identity(), resume=False),
        pytest.raises(InputError, match="Another inro-eval is running"),
    ):
        start_run(tmp_path, identity(), resume=True)
    write(tmp_path, *RECORDS, resume=True)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("notes")
    with pytest.raises(InputError, match="is a file"):
        start_run(tmp_path / "run", identity(), resume=False)
    assert (tmp_path / "run").read_text() == "notes"


# --- the disk ---------------------------------------------------------------------------------------------------------


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As a full disk: no file of this process can grow beyond so many bytes."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_ends_the_run_with_a_sentence_and_loses_nothing_that_was_written(tmp_path: Path) -> None:
    write(tmp_path / "whole", *RECORDS)
    whole = (tmp_path / "whole" / ITEMS).read_bytes()
    cut = len(whole) - 100  # within the last record
    with files_of_at_most(cut), pytest.raises(MachineError, match=r"items\.jsonl cannot be written: .*\."):
        write(tmp_path / "run", *RECORDS)
    assert (tmp_path / "run" / ITEMS).read_bytes() == whole[:cut]
    assert read_run(tmp_path / "run").records == RECORDS[:2]
    write(tmp_path / "run", RECORDS[2], resume=True)
    assert (tmp_path / "run" / ITEMS).read_bytes() == whole


# --- files that others wrote ------------------------------------------------------------------------------------------


def test_of_two_records_of_one_question_the_first_counts(tmp_path: Path) -> None:
    again = text_record(item(1), "b", (1,))
    write_run(tmp_path, [RECORDS[0], again, RECORDS[1]], items=3)
    run = read_run(tmp_path)
    assert run.records == RECORDS[:2]
    assert not run.complete


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no run: there is no items\.jsonl"):
        read_run(tmp_path)


FIRST = msgspec.json.encode(identity())
LINE = msgspec.json.encode(RECORDS[0])


@pytest.mark.parametrize(
    "first",
    [b"", b"\n", b"null\n", b"{}\n", b"\xff\xfe\n", b"[" * 100_000, b'{"format": "inro-eval-items/1"}\n', LINE + b"\n"],
    ids=["empty", "blank", "null", "object", "bytes", "nested", "another format", "a record"],
)
@pytest.mark.parametrize("resume", [True, False])
def test_a_file_that_is_no_run_is_refused_and_left_as_it_is(tmp_path: Path, first: bytes, resume: bool) -> None:
    (tmp_path / ITEMS).write_bytes(first)
    with pytest.raises(InputError, match="no run of this version"):
        start_run(tmp_path, identity(), resume=resume)
    assert (tmp_path / ITEMS).read_bytes() == first


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        LINE[:-5],
        LINE.replace(b'"status":"answered"', b'"status":"invented"'),
        LINE[:-1] + b',"extra":1}',
        FIRST,
    ],
    ids=["garbage", "blank", "bytes", "nested", "half", "status", "extra", "identity"],
)
def test_a_line_that_is_no_record_is_told_with_its_number(tmp_path: Path, line: bytes) -> None:
    data = FIRST + b"\n" + line + b"\n" + LINE + b"\n"
    (tmp_path / ITEMS).write_bytes(data)
    with pytest.raises(InputError, match=r"items\.jsonl, line 2 is no record"):
        start_run(tmp_path, identity(), resume=True)
    assert (tmp_path / ITEMS).read_bytes() == data


def test_a_line_without_end_is_told_and_not_taken_for_one_that_a_kill_cut(tmp_path: Path) -> None:
    data = FIRST + b"\n" + b'"' + b"x" * (17 * 1024 * 1024) + b'"\n' + LINE + b"\n"
    (tmp_path / ITEMS).write_bytes(data)
    with pytest.raises(InputError, match="line 2 is longer than any record"):
        read_run(tmp_path)
