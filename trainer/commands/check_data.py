"""`inro-train check-data`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.core.errors import UserFacingError
    from evaluation.commands.common import Commands

_NAMED = 3


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "check-data",
        help="what to know about the data of a configuration before training on it",
        description="Read the data of a configuration as the recipe would, and say what is in it: lengths, what does "
        "not fit, languages, unusable, repeated and contradictory records, suspected personal information (masked), "
        "and questions of benchmarks. Exits with 1 if a question that the model is examined on is in the data, and "
        "otherwise with 2 if files or records cannot be used.",
    )
    parser.add_argument("config", metavar="CONFIG.yaml", type=Path, help="the configuration (see docs/training.md)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="changes", help="instead of what the file says"
    )
    parser.add_argument("--recipe", choices=("mfpt", "mpeft"), help="where the configuration could be meant for both")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_check_data)


def _check_data(options: argparse.Namespace) -> None:
    import msgspec

    from evaluation.commands.common import progress, show
    from evaluation.output import Output
    from trainer.config import read_either
    from trainer.data.check_text import text
    from trainer.data.checking import check
    from trainer.data.reading import passed_over, sources

    config = read_either(options.config, options.changes, options.recipe)
    total = sum(source.path.stat().st_size for source in sources(config.data, config.formats))
    with progress("reading the data", total, "B") as advance:
        found = check(config, advance)
    report = msgspec.structs.replace(
        found.report, warnings=(*_passed_over(passed_over(config.data)), *found.report.warnings)
    )
    show(Output(msgspec.to_builtins(report), text(report)), options.json)
    if found.refusals:
        raise _together(found.refusals)


def _passed_over(files: Sequence[Path]) -> Iterator[str]:
    if files:
        names = ", ".join(map(str, files[:_NAMED]))
        more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
        yield f"{len(files):,} files in folders are of no kind that can be read, and were passed over: {names}{more}"


def _together(refusals: Sequence[UserFacingError]) -> UserFacingError:
    """All reasons in one error; the gravest, which is a leak, decides the exit code."""
    first, *others = sorted(refusals, key=lambda refusal: refusal.exit_code)
    return type(first)(" ".join([str(first), *(f"Besides: {refusal}" for refusal in others)]))
