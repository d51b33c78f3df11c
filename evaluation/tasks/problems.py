"""What is wrong in a benchmark's files, and what was left out: as JSON, and as lines for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from evaluation.tasks.loading import Loaded, Problem

_SHOWN = 3
"""Problems shown to a person; `--json` gives all of them but the filtered ones, up to `MOST`."""
MOST = 1000


def told(loaded: Loaded) -> dict[str, Any]:
    reported = [problem for problem in loaded.problems if problem.kind != "filtered"]
    return {
        "problems": loaded.counts(),
        "asked_all_the_same": dict(Counter(problem.kind for problem in reported if not problem.dropped)),
        "filtered": loaded.filtered(),
        "reported": [as_json(problem) for problem in reported[:MOST]],
    }


def as_json(problem: Problem) -> dict[str, Any]:
    return {name: getattr(problem, name) for name in ("kind", "file", "line", "item", "what", "dropped")}


def some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def problem_lines(told: dict[str, Any]) -> list[str]:
    """What was left out, how often, and the first of what is wrong in the files."""
    lines = [f"left out {count}: {reason}" for reason, count in told["filtered"].items()]
    for kind, count in told["problems"].items():
        if kind != "filtered" and count:
            examples = [one for one in told["reported"] if one["kind"] == kind][:_SHOWN]
            kept = told["asked_all_the_same"].get(kind, 0)
            asked = "all asked all the same" if kept == count else f"{kept} asked all the same" if kept else "not asked"
            lines.append(f"{kind} {count}, {asked}:")
            lines += [f"  {Problem(**one)}" for one in examples]
    return lines
