"""What a person has chosen, kept between starts."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from app.core.files import write_atomically
from app.core.language import Language

MAX_SETTINGS_BYTES = 64 * 1024


class Settings(msgspec.Struct, frozen=True):
    """`model` is the sha256 of a file in the library; None means the demonstration model."""

    language: Language | None = None
    model: str | None = None


def read_settings(path: Path) -> Settings:
    """The defaults where nothing, or nothing readable, was saved: a person can still work, and is told on stderr."""
    try:
        if path.stat().st_size > MAX_SETTINGS_BYTES:
            raise msgspec.ValidationError("it is too large")
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except FileNotFoundError:
        return Settings()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        print(f"{path} is not used: {error}", file=sys.stderr)  # noqa: T201 - there is no window yet
        return Settings()


def write_settings(path: Path, settings: Settings) -> None:
    write_atomically(path, msgspec.json.encode(settings))
