"""Run folders as `inro-eval run` leaves them, made without a model: for tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from pathlib import Path
from typing import Any

import msgspec

from evaluation.items import Item
from evaluation.runs.records import Record, RunEngine, RunIdentity, RunModel, Settings, Trial, item_sha256
from evaluation.runs.store import ITEMS

MODEL = RunModel(file="model.gguf", sha256="a" * 64, description="qwen2 7B Q4_K - Medium")


def item(number: int, answers: tuple[int, ...] = (0,), **facts: Any) -> Item:
    known: dict[str, Any] = {"options": ("one", "two", "three", "four", "five"), "task": "igakuqa", "language": "ja"}
    return Item(id=f"112A{number}", question=f"Question {number}?", answers=answers, **(known | facts))


def letter_record(one: Item, probabilities: Sequence[float], **facts: Any) -> Record:
    """A record of `letter` whose options got these probabilities; the most likely ones are chosen."""
    ranked = sorted(range(len(one.options)), key=lambda position: -probabilities[position])
    chosen = tuple(sorted(ranked[: len(one.answers)]))
    trial = Trial(order=tuple(range(len(one.options))), logprobs=tuple(map(log, probabilities)), chosen=chosen)
    values: dict[str, Any] = {"status": "answered", "chosen": chosen, "correct": chosen == one.answers}
    return _record(one, {**values, "trials": (trial,), **facts})


def text_record(one: Item, text: str, chosen: tuple[int, ...] | None, **facts: Any) -> Record:
    """A record of `generate` with one text, which chose `chosen`."""
    trial = Trial(order=tuple(range(len(one.options))), text=text, finish="stop", chosen=chosen)
    status = "unreadable" if chosen is None else "answered"
    values: dict[str, Any] = {"status": status, "chosen": chosen, "correct": chosen == one.answers}
    return _record(one, {**values, "trials": (trial,), **facts})


def _record(one: Item, values: dict[str, Any]) -> Record:
    return Record(item=one, item_sha256=item_sha256(one), prompt_sha256="p" * 64, **values)


def settings(**facts: Any) -> Settings:
    known: dict[str, Any] = {"how": "letter", "template": "plain", "template_sha256": "t" * 64, "chat": True}
    return Settings(**(known | facts))


def write_run(folder: Path, records: Sequence[Record], **facts: Any) -> Path:
    """Write a run of these records; `facts` replace those of its identity (`items` more than there are: unfinished)."""
    known: dict[str, Any] = {
        "model": MODEL,
        "engine": RunEngine(commit="0c1e570", version="0.3.36"),
        "task": records[0].item.task,
        "language": records[0].item.language,
        "items": len(records),
        "data_sha256": "d" * 64,
        "settings": settings(),
    }
    identity = RunIdentity(**(known | facts))
    folder.mkdir(parents=True, exist_ok=True)
    lines = [msgspec.json.encode(line) + b"\n" for line in (identity, *records)]
    (folder / ITEMS).write_bytes(b"".join(lines))
    return folder
