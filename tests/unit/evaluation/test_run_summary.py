"""What a run's records add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.core.errors import InputError
from evaluation.readings import READINGS, letter_choice, letter_probabilities, option_choices
from evaluation.reporting.summary import RunSummary, marked, summarise, summary_json, summary_text
from evaluation.runs.records import Record, Trial
from evaluation.runs.store import read_run
from tests.unit.evaluation.run_folders import item, letter_record, settings, text_record, write_run

SURE, UNSURE = (0.9, 0.025, 0.025, 0.025, 0.025), (0.3, 0.4, 0.1, 0.1, 0.1)


def summary(tmp_path: Path, records: Sequence[Record], **facts: Any) -> RunSummary:
    return summarise(read_run(write_run(tmp_path / "run", records, **facts)))


def without(number: int, status: str, reason: str = "") -> Record:
    one = letter_record(item(number), SURE)
    return msgspec.structs.replace(one, status=status, chosen=None, correct=False, trials=(), reason=reason)


# --- the score --------------------------------------------------------------------------------------------------------


def test_every_question_counts_whatever_became_of_it(tmp_path: Path) -> None:
    records = [
        letter_record(item(1), SURE),
        letter_record(item(2), UNSURE),
        without(3, "too_long", "It has 9,000 tokens."),
        without(4, "failed", "The engine ended twice."),
        without(5, "unreadable"),
    ]
    found = summary(tmp_path, records)
    score = found.score
    assert score is not None
    assert (score.n, score.correct, score.accuracy, score.answered) == (5, 1, 0.2, 2)
    assert (score.unreadable, score.too_long, score.failed) == (("112A5",), ("112A3",), ("112A4",))
    assert [(one.status, one.reason, one.n) for one in found.reasons] == [
        ("failed", "The engine ended twice.", 1),
        ("too_long", "It has 9,000 tokens.", 1),
    ]
    text = summary_text(found)
    assert "not asked and counted as wrong: 1 (112A3)" in text
    assert "of which the engine died, counted as wrong: 1 (112A4)" in text


def test_what_the_published_rule_called_right_is_right(tmp_path: Path) -> None:
    """It compares texts: of two equal options it may have picked the other one."""
    twins = item(1, options=("same", "same", "c", "d", "e"))
    (one,) = marked([text_record(twins, "same", (1,), correct=True)])
    assert one.right
    (other,) = marked([text_record(twins, "same", (0,), correct=False)])
    assert not other.right


def test_an_unfinished_run_says_so_and_counts_what_there_is(tmp_path: Path) -> None:
    found = summary(tmp_path, [letter_record(item(1), SURE)], items=3)
    assert (found.complete, found.recorded) == (False, 1)
    assert found.score is not None
    assert found.score.n == 1
    assert "Unfinished: 1 of 3 questions." in summary_text(found)


def test_a_run_without_any_question_yet(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [letter_record(item(1), SURE)])
    lines = (folder / "items.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "items.jsonl").write_bytes(lines[0])
    found = summarise(read_run(folder))
    assert (found.score, found.chance, found.readings, found.confidence, found.exact) == (None, None, (), None, None)
    assert "No question was answered yet." in summary_text(found)


def test_guessing_is_expected_to_find_one_of_so_many_combinations(tmp_path: Path) -> None:
    records = [letter_record(item(1), SURE), letter_record(item(2, (0, 1)), SURE)]
    assert summary(tmp_path, records).chance == pytest.approx((1 / 5 + 1 / 10) / 2)


def test_years_of_the_examination_are_judged_only_where_both_parts_were_asked(tmp_path: Path) -> None:
    (year,) = summary(tmp_path, [letter_record(item(1), SURE)]).examination
    assert (year.year, year.general.points, year.general.line, year.complete, year.judged) == (
        "2018",
        1,
        208,
        False,
        False,
    )
    assert "no verdict" in summary_text(summary(tmp_path, [letter_record(item(1), SURE)]))
    both = [letter_record(item(1), SURE), letter_record(replace(item(2), id="112B2"), SURE)]
    (year,) = summary(tmp_path, both).examination
    assert (year.judged, year.passed, year.complete) == (True, True, False)
    assert summary(tmp_path, [letter_record(item(1, task="medqa"), SURE)], task="medqa").examination == ()


def test_the_same_run_gives_the_same_json(tmp_path: Path) -> None:
    records = [letter_record(item(n, (0, 1) if n % 3 == 0 else (0,)), SURE if n % 2 else UNSURE) for n in range(1, 40)]
    first = msgspec.json.encode(summary_json(summary(tmp_path, records)))
    assert first == msgspec.json.encode(summary_json(summary(tmp_path, records)))
    assert b"NaN" not in first


# --- records that were changed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"item": item(1, answers=(7,))},
        {"item": item(1, answers=())},
        {"item": item(1, prohibited=(5,))},
        {"item": item(1, points=-1.0)},
        {"item": item(1, human_accuracy=84.0)},
        {"item": item(1, options=("x",) * 2000)},
        {"chosen": (5,)},
        {"chosen": (1, 0)},
        {"status": "failed", "correct": True},
        {"trials": (Trial(order=(0, 1, 2, 3, 3)),)},
        {"trials": (Trial(order=(0, 1, 2, 3, 4), logprobs=(-1.0,)),)},
        {"trials": (Trial(order=(0, 1, 2, 3, 4), chosen=(9,)),)},
    ],
)
def test_a_record_that_contradicts_itself_is_refused_by_name(tmp_path: Path, change: dict[str, Any]) -> None:
    record = msgspec.structs.replace(letter_record(item(1), SURE), **change)
    with pytest.raises(InputError, match=r"items\.jsonl: the record of question 112A1 has .*: the file was changed"):
        summary(tmp_path, [record])


def test_more_questions_than_the_run_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more questions than the run has"):
        summary(tmp_path, [letter_record(item(n), SURE) for n in (1, 2)], items=1)


# --- readings of probabilities ----------------------------------------------------------------------------------------


def test_trials_are_averaged_as_probabilities_each_after_its_own_softmax() -> None:
    """A trial whose letters are all unlikely counts as much as one whose letters are all likely."""
    one = Trial(order=(0, 1), logprobs=(log(0.6), log(0.2)))
    other = Trial(order=(1, 0), logprobs=(log(0.001), log(0.003)))
    assert letter_probabilities([one, other]) == pytest.approx((0.5, 0.5))
    assert letter_choice(item(1, options=("a", "b")), [one, other]) == (0,)  # the first of equally likely ones


def test_as_many_letters_are_chosen_as_are_right() -> None:
    trial = Trial(order=tuple(range(5)), logprobs=(-3.0, -1.0, -2.0, -1.0, -9.0))
    assert letter_choice(item(1, (0, 1)), [trial]) == (1, 3)
    assert letter_choice(item(1, (0, 1, 2)), [trial]) == (1, 2, 3)


def test_each_reading_of_an_option_divides_by_its_own_length() -> None:
    """Sums of -4, -6, -7, -8.5: the shortest is most likely as a whole, each other one by one of the lengths."""
    one = item(1, options=("ab", "abcdefgh", "心房細動脈", "abcdefg"))
    trial = Trial(order=(0, 1, 2, 3), logprobs=(-4.0, -6.0, -4.5, -7.0), tokens=(1, 2, 2, 6))
    chosen = {reading: option_choices(one, [trial], reading) for reading in READINGS}
    assert chosen == {"sum": (0,), "character": (1,), "byte": (2,), "token": (3,)}
    assert option_choices(one, [trial]) == (1,)


def test_the_four_readings_of_a_run(tmp_path: Path) -> None:
    one = item(1, options=("ab", "abcdefgh", "心房細動脈", "abcdefg"), answers=(2,))
    trial = Trial(order=(0, 1, 2, 3), logprobs=(-4.0, -6.0, -4.5, -7.0), tokens=(1, 2, 2, 6), chosen=(1,))
    records = [
        msgspec.structs.replace(letter_record(one, (0.7, 0.1, 0.1, 0.1)), trials=(trial,), chosen=(1,), correct=False),
        without(2, "too_long"),
    ]
    found = summary(tmp_path, records, settings=settings(how="option"))
    assert [(group.name, group.correct, group.n) for group in found.readings] == [
        ("sum", 0, 2),
        ("character", 0, 2),
        ("byte", 1, 2),
        ("token", 0, 2),
    ]
    assert found.confidence is None
    assert "By sum 0.0 %, character 0.0 %, byte 50.0 %, token 0.0 %." in summary_text(found)


# --- how many options to choose ---------------------------------------------------------------------------------------


def test_the_threshold_counts_all_questions_of_the_run(tmp_path: Path) -> None:
    """60 questions whose probabilities tell how many are right, one that does not, and one that was not answered."""
    one, two = (0.8, 0.05, 0.05, 0.05, 0.05), (0.4, 0.35, 0.1, 0.1, 0.05)
    records = [letter_record(item(n, (0, 1) if n % 2 else (0,)), two if n % 2 else one) for n in range(1, 61)]
    records += [letter_record(item(61, (0, 1)), one), without(62, "failed")]
    found = summary(tmp_path, records)
    threshold = found.threshold
    assert threshold is not None
    assert (threshold.all.correct, threshold.all.n) == (60, 62)
    assert (threshold.multiple.correct, threshold.multiple.n, threshold.as_many) == (30, 31, 30)
    assert all(0.0625 < t <= 0.875 for t in threshold.thresholds)
    assert found.score is not None
    assert found.score.correct == 61  # with the number of right options known
    assert "Number of right options not known: 96.8 %" in summary_text(found)


# --- calibration ------------------------------------------------------------------------------------------------------


def test_calibration_is_over_answered_questions_with_one_right_option(tmp_path: Path) -> None:
    records = [
        *(letter_record(item(n), SURE) for n in range(1, 10)),
        letter_record(item(10, (1,)), SURE),
        letter_record(item(11, (0, 1)), SURE),
        without(12, "failed"),
    ]
    found = summary(tmp_path, records).confidence
    assert found is not None
    assert (found.n, found.left_out, found.accuracy) == (10, 2, 0.9)
    assert found.confidence == pytest.approx(0.9)
    assert found.ece == pytest.approx(0, abs=1e-12)
    right, wrong = 0.1**2 + 4 * 0.025**2, 0.9**2 + 0.975**2 + 3 * 0.025**2
    assert found.brier == pytest.approx((9 * right + wrong) / 10)
    assert sum(one.n for one in found.bins) == 10
    (point,) = found.risk_coverage
    assert (point.coverage, point.risk) == (1.0, 0.1)
    assert found.aurc == pytest.approx(0.1)


def test_a_long_risk_curve_is_thinned_and_keeps_its_end(tmp_path: Path) -> None:
    records = []
    for n in range(1, 451):
        sure = 0.3 + n / 1000
        records.append(letter_record(item(n, (n % 2,)), (sure, *[(1 - sure) / 4] * 4)))
    found = summary(tmp_path, records).confidence
    assert found is not None
    assert len(found.risk_coverage) == 200
    assert (found.risk_coverage[-1].coverage, found.risk_coverage[-1].risk) == (1.0, 0.5)
    assert [point.coverage for point in found.risk_coverage] == sorted({p.coverage for p in found.risk_coverage})


# --- asked more than once ---------------------------------------------------------------------------------------------


def several(number: int, *choices: tuple[int, ...] | None, moved: bool = True) -> Record:
    orders = [tuple((i + place * moved) % 5 for i in range(5)) for place in range(len(choices))]
    trials = tuple(Trial(order=order, text="x", chosen=c) for order, c in zip(orders, choices, strict=True))
    return msgspec.structs.replace(text_record(item(number), "x", (0,)), trials=trials)


def test_a_flip_is_any_other_choice_in_any_order(tmp_path: Path) -> None:
    records = [
        several(1, (0,), (0,)),
        several(2, (0,), (1,)),
        several(3, (1,), (1,)),
        several(4, None, (0,)),
        without(5, "failed"),
    ]
    found = summary(tmp_path, records, settings=settings(how="generate", permutations=2)).stability
    assert found is not None
    assert (found.n, found.flip_rate, found.agreement) == (4, 0.5, None)
    assert [(group.name, group.correct, group.n) for group in found.positions] == [("1", 2, 4), ("2", 2, 4)]


def test_samples_agree_with_the_most_frequent_one(tmp_path: Path) -> None:
    records = [
        several(1, (0,), (0,), (0,), (1,), moved=False),
        several(2, (0,), (1,), None, None, moved=False),
    ]
    found = summary(tmp_path, records, settings=settings(how="generate", samples=4, temperature=0.7)).stability
    assert found is not None
    assert (found.flip_rate, found.positions, found.agreement) == (None, (), (0.75 + 0.5) / 2)


def test_samples_of_several_orders_are_judged_within_each(tmp_path: Path) -> None:
    same, moved = (0, 1, 2, 3, 4), (1, 2, 3, 4, 0)
    choices = [(same, (0,)), (same, (0,)), (same, (1,)), (moved, (1,)), (moved, (1,)), (moved, (1,))]
    trials = tuple(Trial(order=order, text="x", chosen=choice) for order, choice in choices)
    record = msgspec.structs.replace(text_record(item(1), "x", (0,)), trials=trials)
    found = summary(tmp_path, [record], settings=settings(how="generate", samples=3, permutations=2)).stability
    assert found is not None
    assert found.flip_rate == 1.0
    assert found.agreement == pytest.approx((2 / 3 + 1) / 2)
    assert [group.correct for group in found.positions] == [1, 0]


def test_one_asking_has_no_stability(tmp_path: Path) -> None:
    assert summary(tmp_path, [letter_record(item(1), SURE)]).stability is None


# --- the published rule -----------------------------------------------------------------------------------------------


def test_exact_match_stands_beside_the_gestalt_one(tmp_path: Path) -> None:
    records = []
    for n, (gestalt, exact) in enumerate([(True, True), (True, False), (False, False), (True, False)], start=1):
        one = text_record(item(n), "one", (0,) if gestalt else (1,))
        records.append(msgspec.structs.replace(one, trials=(msgspec.structs.replace(one.trials[0], exact=exact),)))
    found = summary(tmp_path, records, settings=settings(how="paper"))
    assert found.score is not None
    assert found.exact is not None
    assert (found.score.accuracy, found.exact.accuracy, found.exact.n) == (0.75, 0.25, 4)
    assert found.exact.interval_95[0] < 0.25 < found.exact.interval_95[1]
    assert "By exact match: 25.0 %" in summary_text(found)


def test_softmax_survives_what_no_exponential_does() -> None:
    trial = Trial(order=(0, 1), logprobs=(-1e300, -1e300 * (1 + exp(-30))))
    assert letter_probabilities([trial]) == (1.0, 0.0)
