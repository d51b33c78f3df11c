"""What was measured of a model on this PC: one small file for each model, by its SHA-256.

The file is to the manifest what a hospital's own trial is to the maker's data sheet: shown beside it, and never in it,
since the manifest is signed by who made the model. It holds counts and rates only, no question and no answer; the runs
that it sums up lie in the same folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from app.core.errors import InputError
from app.core.files import read_bounded, write_atomically
from app.core.language import Language
from app.core.models.events import Sha256

_NAME = "results.json"
_LARGEST = 1024 * 1024
_SHA256 = re.compile("[0-9a-f]{64}")

Count = Annotated[int, msgspec.Meta(ge=0)]
Part = Annotated[float, msgspec.Meta(ge=0, le=1)]
Rate = Annotated[float, msgspec.Meta(ge=0)]


class LocalScore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finished run. `part` names the part of the questions that stands for it; empty where all of them do."""

    run: str
    """The name of its folder."""
    task: str
    part: str = ""
    language: Language
    how: str
    correct: Count
    n: Count
    low: Part
    high: Part
    """Wilson's 95 % interval."""
    created: str
    engine: str
    """llama.cpp's commit."""
    data_sha256: str


class LocalSpeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A measurement of speed with the number of threads that was best, behind its shortest prompt."""

    created: str
    threads: Count
    prompt_tokens: Count
    written: Rate
    """Tokens of an answer a second."""
    read: Rate
    """Tokens of the prompt a second."""


class LocalResults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The newest first."""

    format: Literal["inro-local-results/1"] = "inro-local-results/1"
    sha256: Sha256
    scores: tuple[LocalScore, ...] = ()
    speeds: tuple[LocalSpeed, ...] = ()


def read_local_results(folder: Path) -> Mapping[str, LocalResults]:
    """Of every model that has some, by SHA-256. A file that is none, or another model's, is left out."""
    if not folder.is_dir():
        return {}
    homes = (home for home in folder.iterdir() if _SHA256.fullmatch(home.name))
    return {home.name: found for home in homes if (found := _read(home)) is not None}


def write_local_results(folder: Path, results: LocalResults) -> None:
    """Replace what was written of this model. Raises OSError."""
    data = msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"
    write_atomically(folder / results.sha256 / _NAME, data)


def _read(home: Path) -> LocalResults | None:
    path = home / _NAME
    if not path.is_file():
        return None
    try:
        results = msgspec.json.decode(read_bounded(path, _LARGEST, "a summary of results"), type=LocalResults)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InputError, OSError):
        return None
    return results if results.sha256 == home.name else None
