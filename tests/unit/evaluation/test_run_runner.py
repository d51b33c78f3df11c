"""A run from its first question to its last, ended anywhere in between and resumed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from app.core.engine.client import EngineError
from app.core.errors import InputError
from evaluation.items import Item
from evaluation.runs.backend import Refused
from evaluation.runs.records import Record, RunIdentity, Settings
from evaluation.runs.runner import data_sha256, in_order, run
from evaluation.runs.store import ITEMS, read_run, start_run
from evaluation.runs.surviving import Survivor
from evaluation.runs.ways import Way, way
from evaluation.runs.wording import Wording, templates
from tests.unit.evaluation.memory_backend import MemoryBackend, Mortal, engine_error

COUNT = 11


def item(number: int, options: int = 5) -> Item:
    return Item(
        id=f"q{number}",
        task="jsonl",
        language="en",
        question=f"Which is {number}?",
        options=tuple(f"option {place}" for place in range(options)),
        answers=(number % options,),
    )


ITEMS_ASKED = in_order([item(number, 4 if number % 3 == 0 else 5) for number in range(COUNT)])


def of_way(how: Any = "letter", **facts: Any) -> tuple[Way, Settings]:
    known: dict[str, Any] = {"template": "t", "template_sha256": "", "chat": True, "max_tokens": 8}
    told = Settings(how=how, **(known | facts))
    return way(told, Wording(templates(how, "en", None, None, False), how, chat=True)), told


def asked(
    folder: Path,
    backend: MemoryBackend,
    own: tuple[Way, Settings],
    *,
    resume: bool = False,
    items: Sequence[Item] = ITEMS_ASKED,
) -> tuple[list[str], tuple[Record, ...]]:
    """Ids as they were told, and the records."""
    chosen, told = own
    identity = RunIdentity(
        model=backend.model,
        engine=backend.engine,
        task="jsonl",
        language="en",
        items=len(items),
        data_sha256=data_sha256(items),
        settings=told,
    )
    heard: list[str] = []
    with start_run(folder, identity, resume=resume) as file:
        records = run(chosen, backend, items, file, lambda record: heard.append(record.item.id))
    return heard, records


WAYS = (
    of_way("letter"),
    of_way("option", permutations=2),
    of_way("generate", samples=2, temperature=0.7),
    of_way("paper"),
)


def test_questions_with_as_many_options_are_asked_after_each_other_in_their_order() -> None:
    found = in_order([item(1, 5), item(2, 4), item(3, 5), item(4, 4)])
    assert [one.id for one in found] == ["q2", "q4", "q1", "q3"]


@pytest.mark.parametrize("own", WAYS, ids=[told.how for _, told in WAYS])
def test_every_question_is_recorded_once_and_told(tmp_path: Path, own: tuple[Way, Settings]) -> None:
    heard, records = asked(tmp_path, MemoryBackend(), own)
    names = [one.id for one in ITEMS_ASKED]
    assert heard == names == [record.item.id for record in records]
    assert read_run(tmp_path).records == records
    assert read_run(tmp_path).complete


@pytest.mark.parametrize("own", WAYS, ids=[told.how for _, told in WAYS])
def test_ended_at_any_group_and_resumed_the_file_is_the_same_byte_for_byte(
    tmp_path: Path, own: tuple[Way, Settings]
) -> None:
    asked(tmp_path / "whole", MemoryBackend(), own)
    whole = (tmp_path / "whole" / ITEMS).read_bytes()
    for calls in range(4):
        folder = tmp_path / str(calls)
        with pytest.raises(EngineError, match="not_enough_memory"):
            asked(folder, Mortal(calls), own)
        assert whole.startswith((folder / ITEMS).read_bytes())
        asked(folder, MemoryBackend(), own, resume=True)
        assert (folder / ITEMS).read_bytes() == whole


@pytest.mark.parametrize("own", WAYS[:3], ids=[told.how for _, told in WAYS[:3]])
def test_killed_in_the_middle_of_a_group_it_is_asked_again_as_a_whole(
    tmp_path: Path, own: tuple[Way, Settings]
) -> None:
    # The numbers of this backend depend on who else is in a group, as an engine's last digits do.
    asked(tmp_path / "whole", MemoryBackend(), own)
    whole = (tmp_path / "whole" / ITEMS).read_bytes()
    lines = whole.splitlines(keepends=True)
    for kept in range(len(lines)):
        for rest in (0, 1, len(lines[kept]) // 2):
            folder = tmp_path / f"{kept}-{rest}"
            folder.mkdir()
            cut = b"".join(lines[: kept + 1]) + (lines[kept + 1][:rest] if kept + 1 < len(lines) else b"")
            (folder / ITEMS).write_bytes(cut)
            heard, _ = asked(folder, MemoryBackend(), own, resume=True)
            assert (folder / ITEMS).read_bytes() == whole
            assert heard == [one.id for one in ITEMS_ASKED]


def test_what_is_there_is_not_asked_again(tmp_path: Path) -> None:
    own = of_way()
    asked(tmp_path, MemoryBackend(), own)
    backend = MemoryBackend()
    asked(tmp_path, backend, own, resume=True)
    assert backend.scored == []


def test_what_prompts_begin_with_is_shared_for_each_number_of_options(tmp_path: Path) -> None:
    backend = MemoryBackend()
    asked(tmp_path, backend, of_way(permutations=3))
    fours = sum(len(one.options) == 4 for one in ITEMS_ASKED)
    assert backend.shared == [3 * fours, 3 * (COUNT - fours)]


def test_few_questions_are_held_at_once_whatever_their_number(tmp_path: Path) -> None:
    backend = MemoryBackend()
    asked(tmp_path, backend, of_way(), items=[item(number) for number in range(300)])
    assert sum(backend.windows) == 300
    assert max(backend.windows) <= 64
    assert max(backend.shared) <= 32


def test_a_record_of_a_question_that_is_not_asked_is_not_silently_kept(tmp_path: Path) -> None:
    own = of_way()
    _, records = asked(tmp_path, MemoryBackend(), own)
    stranger = structs.replace(records[0], item=item(99))
    with (tmp_path / ITEMS).open("ab") as file:
        file.write(msgspec.json.encode(stranger) + b"\n")
    with pytest.raises(InputError, match="q99"):
        asked(tmp_path, MemoryBackend(), own, resume=True)


@pytest.mark.parametrize("part", ["prompt", "item"])
def test_a_record_in_other_words_is_not_mixed_with_new_ones(tmp_path: Path, part: str) -> None:
    own = of_way()
    asked(tmp_path, MemoryBackend(), own)
    run_there = read_run(tmp_path)
    changed = run_there.records[4]
    if part == "prompt":  # as another version's template would leave it
        other = structs.replace(changed, prompt_sha256="0" * 64)
    else:
        other = structs.replace(changed, item=item(int(changed.item.id[1:]), 3))
    path = tmp_path / ITEMS
    path.write_bytes(path.read_bytes().replace(msgspec.json.encode(changed), msgspec.json.encode(other)))
    with pytest.raises(InputError, match=f"{changed.item.id} was recorded in other words"):
        asked(tmp_path, MemoryBackend(), own, resume=True)


def test_the_data_are_told_apart_by_any_word_and_by_their_order() -> None:
    items = list(ITEMS_ASKED)
    changed = [item(77), *items[1:]]
    assert len({data_sha256(items), data_sha256(items[::-1]), data_sha256(changed)}) == 3


# --- an engine that dies ----------------------------------------------------------------------------------------------


class Engine:
    """Dies of some numbers, each as often as is said."""

    def __init__(self, dies: dict[int, int], code: Any = "worker_died") -> None:
        self.asked: list[tuple[int, ...]] = []
        self._dies, self._code = dict(dies), code

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.asked.append(tuple(numbers))
        for number in numbers:
            if self._dies.get(number, 0) > 0:
                self._dies[number] -= 1
                raise engine_error(self._code)
        return [10 * number for number in numbers]


def test_a_question_that_an_engine_dies_of_once_is_asked_again() -> None:
    engine = Engine({2: 1})
    assert Survivor().outcomes([1, 2, 3], engine) == [10, 20, 30]
    assert engine.asked == [(1, 2, 3), (1, 2, 3)]


def test_a_question_that_an_engine_always_dies_of_is_refused_and_the_others_are_answered() -> None:
    engine = Engine({2: 99})
    first, second, third = Survivor().outcomes([1, 2, 3], engine)
    assert (first, third) == (10, 30)
    assert second == Refused("failed", "The engine says worker_died.")
    assert engine.asked == [(1, 2, 3), (1, 2, 3), (1,), (2,), (2,), (3,)]


def test_an_engine_that_always_dies_ends_the_run_after_ten_times() -> None:
    engine = Engine(dict.fromkeys(range(20), 99))
    survivor = Survivor()
    outcomes = (survivor.outcomes([start, start + 1], engine) for start in range(0, 20, 2))
    with pytest.raises(EngineError):
        list(outcomes)
    assert len(engine.asked) == 10


def test_an_answer_in_between_begins_the_count_anew() -> None:
    engine = Engine(dict.fromkeys(range(0, 40, 2), 99))
    outcomes = [Survivor().outcomes([number], engine)[0] for number in range(40)]
    survivor = Survivor()
    again = [survivor.outcomes([number], engine)[0] for number in range(40)]
    assert outcomes == again
    assert sum(isinstance(one, Refused) for one in again) == 20


def test_what_is_not_the_questions_fault_ends_the_run_at_once() -> None:
    engine = Engine({1: 1}, "not_enough_memory")
    with pytest.raises(EngineError):
        Survivor().outcomes([1, 2], engine)
    assert engine.asked == [(1, 2)]


def test_nothing_asks_for_nothing() -> None:
    engine = Engine({})
    assert Survivor().outcomes([], engine) == []
    assert engine.asked == []
