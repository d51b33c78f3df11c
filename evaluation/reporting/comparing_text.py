"""A comparison of two runs for a person and for a program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from evaluation.comparison import Paired
from evaluation.output import Output
from evaluation.reporting.comparing import Report
from evaluation.reporting.differing import NAMES
from evaluation.tally import Group, aligned


def output(report: Report, items: bool = False) -> Output:
    """Texts in it come from files: print it with `output.printable`."""
    return Output(_json(report), "\n".join(_lines(report, items)))


def _json(report: Report) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(report)
    result, written_down = report.comparison, built["comparison"]
    _add_difference(result.accuracy, written_down["accuracy"])
    if result.prohibited:
        _add_difference(result.prohibited, written_down["prohibited"])
    for name in ("categories", "answers"):
        for group, target in zip(getattr(result, name), written_down[name], strict=True):
            _add_difference(group.result, target["result"])
    return built


def _add_difference(paired: Paired, target: dict[str, Any]) -> None:
    target["difference"] = paired.difference


def _lines(report: Report, items: bool) -> Iterator[str]:
    for name, side in zip(NAMES, (report.a, report.b), strict=True):
        run = side.run
        yield f"{name}: {side.folder}: {run.model.file}, {run.task}, {run.language}, {run.settings.how}"
    if report.differences:
        yield ""
        yield from aligned([("", *NAMES), *((one.what, one.a, one.b) for one in report.differences)])
    yield ""
    yield from report.cautions
    if report.comparison.accuracy.n:
        yield ""
        yield from aligned(list(_table(report)))
    yield ""
    first, *rest = report.sentences
    yield f"Verdict: {first}."
    yield from (f"{_capital(sentence)}." for sentence in rest)
    if items:
        yield ""
        yield from _item_lines(report)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _table(report: Report) -> Iterator[tuple[str, str, str]]:
    sides = (report.a, report.b)
    yield (
        f"{report.comparison.accuracy.n:,} questions in both",
        f"A ({report.a.run.language})",
        f"B ({report.b.run.language})",
    )
    groups = [side.compared for side in sides]
    yield _row("correct", [f"{group.correct:,}" if group else "-" for group in groups])
    yield _row("accuracy", [_percent(group) for group in groups])
    yield _row("95 % interval", [_interval(group) for group in groups])
    if any(group and group.points_possible != group.n for group in groups):
        yield _row("points", [f"{group.points:g} / {group.points_possible:g}" if group else "-" for group in groups])
    for name in ("single", "multiple"):
        members = [next((one for one in side.answers if one.name == name), None) for side in sides]
        if any(members):
            what = {"single": "one right option", "multiple": "several right options"}[name]
            yield _row(what, [f"{one.correct} / {one.n}, {_percent(one)}" if one else "-" for one in members])
    if any(side.kinki.items for side in sides):
        yield _row("prohibited chosen", [f"{side.kinki.chosen} / {side.kinki.items}" for side in sides])
    for state in ("unreadable", "too_long", "failed"):
        if any(side.states[state] for side in sides):
            yield _row(f"{state.replace('_', ' ')}, so wrong", [str(side.states[state]) for side in sides])
    if any(side.own and side.compared and side.own.n != side.compared.n for side in sides):
        yield _row("all of its own", [f"{_percent(side.own)} of {side.own.n:,}" if side.own else "-" for side in sides])


def _row(name: str, cells: Sequence[str]) -> tuple[str, str, str]:
    return (name, cells[0], cells[1])


def _percent(group: Group | None) -> str:
    return f"{100 * group.accuracy:.1f} %" if group else "-"


def _interval(group: Group | None) -> str:
    return "{:.1f} - {:.1f} %".format(*(100 * end for end in group.interval_95)) if group else "-"


def _item_lines(report: Report) -> list[str]:
    if not report.discordant:
        return ["No question is right in one run alone."]
    rows = [("right in one run alone", "answer", *NAMES, "right")]
    rows += [(one.id, one.answers, one.a, one.b, one.right) for one in report.discordant]
    return aligned(rows)
