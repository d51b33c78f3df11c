"""What every command does alike: it prints text or one JSON object, and shows how far it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.output import Output

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    """What each command adds its own parser to."""


def show(output: Output, as_json: bool) -> None:
    from app.core.command import print_json
    from evaluation.output import printable

    if as_json:
        print_json(output.json)
    else:
        print(printable(output.text))


def positive(text: str) -> int:
    """For argparse: an integer of at least 1."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return int(text)


@contextmanager
def progress(name: str, total: int, unit: str = "item", done: int = 0) -> Iterator[Callable[[int], None]]:
    """A bar with the time left on stderr, where that is a terminal, for what takes longer than a moment."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(desc=name, total=total, initial=done, unit=unit, unit_scale=unit == "B", delay=0.3, leave=False) as bar:

        def advance(steps: int) -> None:
            bar.update(steps)

        yield advance
