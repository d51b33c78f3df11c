from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from evaluation.exam import PASS_LINES, by_year, report, sentence
from evaluation.items import Item
from evaluation.tally import Marked


def marked(number: str, right: bool, points: float = 1, prohibited: bool = False) -> Marked:
    item = Item(number, "igakuqa", "ja", "?", ("1", "2", "3", "4", "5"), (0,), points=points, prohibited=(4,))
    return Marked(item, "answered", (0,) if right else (4,) if prohibited else (1,))


def whole(required_right: int, general_right: int, prohibited: int = 0) -> list[Marked]:
    """A whole 115th examination: 50 + 50 questions of 1 and 3 points in B and E, 300 of 1 point elsewhere."""
    clinical_right = min(50, required_right // 3)
    easy_right = required_right - 3 * clinical_right
    return [
        *(marked(f"115E{i}", i < clinical_right, 3) for i in range(50)),
        *(marked(f"115B{i}", i < easy_right, 1) for i in range(50)),
        *(marked(f"115A{i}", i < general_right, 1, i >= 300 - prohibited) for i in range(300)),
    ]


@pytest.mark.parametrize(
    ("required", "general", "prohibited", "passed"),
    [
        (160, 209, 3, True),
        (159, 209, 3, False),
        (160, 208, 3, False),
        (160, 209, 4, False),
        (200, 300, 0, True),
        (0, 0, 0, False),
    ],
)
def test_all_three_lines_must_be_kept(required: int, general: int, prohibited: int, passed: bool) -> None:
    (result,) = by_year(whole(required, general, prohibited))
    assert (result.required.points, result.general.points, result.prohibited) == (required, general, prohibited)
    assert result.complete
    assert result.passed is passed
    assert sentence(report(result)).endswith(": passed" if passed else ": not passed")


def test_a_year_without_its_pictures_is_judged_by_shares_and_says_so() -> None:
    text_only = [one for one in whole(200, 240) if one.item.id[3] != "B" and int(one.item.id[4:]) % 2 == 0]
    (result,) = by_year(text_only)
    assert not result.complete
    assert result.passed
    words = sentence(report(result))
    assert words.startswith(
        "2021: required 75 of 75 points, 100.0 % (at least 80.0 %), general and clinical 120 of 150"
    )
    assert words.endswith("shares enough to pass, but not all questions were asked, so this is no examination result")


def test_years_are_separate_and_other_items_are_in_none() -> None:
    items = [marked("112A1", True), marked("116B2", False), marked("anatomy-3", True), marked("090A1", True)]
    results = by_year(items)
    assert [(result.year, result.general.points, result.required.possible) for result in results] == [
        ("2018", 1, 0),
        ("2022", 0, 1),
    ]
    assert not any(result.passed for result in results)
    assert by_year([]) == ()


def test_the_lines_are_those_of_the_examinations_in_the_data(real_data: Path) -> None:
    """The points possible in each part, questions left out of the marking (0 points) included, add up to the lines'."""
    possible: dict[tuple[str, bool], int] = defaultdict(int)
    for path in (real_data / "IgakuQA" / "data").glob("*/???-?.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            possible[path.parent.name, path.stem[-1] in "BE"] += int(json.loads(line)["points"])
    assert possible
    for (year, required), points in possible.items():
        lines = PASS_LINES[year]
        assert points == (lines.required if required else lines.general).of, (year, required)
