"""How many options to choose when nobody says how many are right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluation.reporting.thresholds import FOLDS, Likely, choose, cross_fitted, fit, fold


def likely(number: int, *probabilities: float, answers: tuple[int, ...] = (0,)) -> Likely:
    return Likely(f"q{number}", probabilities, answers)


def test_options_nearly_as_likely_as_the_most_likely_one_are_chosen() -> None:
    assert choose((0.1, 0.5, 0.4), 0.8) == (1, 2)
    assert choose((0.1, 0.5, 0.4), 0.81) == (1,)
    assert choose((0.25, 0.25, 0.5), 0.5) == (0, 1, 2)


def test_the_threshold_is_the_middle_of_those_that_are_best() -> None:
    # Right for t in (0.5, 1], (0.2, 0.8] and (0, 0.6]: all three in (0.5, 0.6].
    asked = [
        likely(1, 1.0, 0.5),
        likely(2, 1.0, 0.8, 0.2, answers=(0, 1)),
        likely(3, 1.0, 0.6, answers=(0, 1)),
    ]
    assert fit(asked) == pytest.approx(0.55)
    # Never right, whatever t: no opinion.
    assert fit([likely(1, 0.2, 1.0)]) == 0.5
    # Two stretches are equally good, (0, 0.2] and (0.6, 1]; the first is taken, as the lower middle one.
    assert fit([likely(1, 1.0, 0.2, answers=(0, 1)), likely(2, 1.0, 0.6)]) == pytest.approx(0.1)


def test_the_best_threshold_beats_every_other_one_on_its_questions() -> None:
    """Against all thresholds in small steps, on questions of every kind."""
    rows = [[((n * k * 7919) % 97 + 1) / 100 for k in range(1, 6)] for n in range(1, 60)]
    asked = [likely(n, *row, answers=(0, 1) if n % 3 else (n % 5,)) for n, row in enumerate(rows)]

    def right(threshold: float) -> int:
        return sum(choose(one.probabilities, threshold) == one.answers for one in asked)

    assert right(fit(asked)) == max(right(step / 1000) for step in range(1, 1001)) > 0


def test_no_question_has_a_part_in_its_own_threshold() -> None:
    """The right answers of one fold are turned round: its own threshold stays, and those of the others change."""
    asked = [likely(n, 1.0, 0.5 + n % 40 / 100, 0.1, answers=(0, 1) if n % 2 else (0,)) for n in range(100)]
    before = cross_fitted(asked)
    turned = [replace(one, answers=(0,) if fold(one.id) == 2 else one.answers) for one in asked]
    after = cross_fitted(turned)
    assert before is not None
    assert after is not None
    assert before.thresholds[2] == after.thresholds[2]
    assert before.thresholds != after.thresholds
    assert {one.id: before.chosen[one.id] for one in asked if fold(one.id) == 2} == {
        one.id: after.chosen[one.id] for one in asked if fold(one.id) == 2
    }


def test_the_order_of_the_questions_is_no_matter() -> None:
    asked = [likely(n, 1.0, n % 10 / 10, answers=(0, 1) if n % 2 else (0,)) for n in range(50)]
    assert cross_fitted(asked) == cross_fitted(asked[::-1])
    assert {fold(one.id) for one in asked} == set(range(FOLDS))


def test_where_nothing_can_be_fitted_there_is_no_threshold() -> None:
    assert cross_fitted([likely(n, 1.0, 0.5) for n in range(100)]) is None
    assert cross_fitted([likely(n, 1.0, 0.5, answers=(0, 1)) for n in range(19)]) is None
    assert cross_fitted([likely(n, 1.0, 0.5, answers=(0, 1)) for n in range(20)]) is not None
