"""What a person has chosen, kept between starts."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from app.core.files import write_atomically
from app.core.language import Language

MAX_SETTINGS_BYTES = 64 * 1024
MAX_THREADS = 1024


@dataclass(frozen=True)
class Settings:
    """`model` is the sha256 of a file in the library; None means the demonstration model. `threads` is how many of
    them answer; None means the physical cores."""

    language: Language | None = None
    model: str | None = None
    threads: int | None = None


def read_settings(path: Path) -> Settings:
    """The defaults where nothing, or nothing readable, was saved: a person can still work, and is told on stderr."""
    try:
        if path.stat().st_size > MAX_SETTINGS_BYTES:
            raise ValueError("it is too large")
        return _parse(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, RecursionError) as error:
        print(f"{path} is not used: {error}", file=sys.stderr)  # noqa: T201 - there is no window yet
        return Settings()


def write_settings(path: Path, settings: Settings) -> None:
    write_atomically(path, json.dumps(asdict(settings), indent=2).encode("utf-8") + b"\n")


def _parse(value: object) -> Settings:
    # By hand: the start of the window reads this file, and should not wait for a library to do it.
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    language, model, threads = value.get("language"), value.get("model"), value.get("threads")
    if language not in ("ja", "en", None) or not isinstance(model, str | None):
        raise ValueError("a value is none that can be chosen")
    if threads is not None and (type(threads) is not int or not 1 <= threads <= MAX_THREADS):
        raise ValueError("a number of threads is none that can be chosen")
    return Settings(language, model, threads)
