from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.statistics import wilson

counts = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        # R. G. Newcombe, Stat. Med. 17 (1998) 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(right: int, n: int, low: float, high: float) -> None:
    interval = wilson(right, n)
    assert interval is not None
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@given(counts)
def test_wilson_inverts_the_score_test(count: tuple[int, int]) -> None:
    right, n = count
    interval = wilson(right, n)
    assert interval is not None
    assert 0 <= interval.low <= right / n <= interval.high <= 1
    for end in (interval.low, interval.high):
        if 0 < end < 1:
            assert abs(right / n - end) == pytest.approx(1.959964 * sqrt(end * (1 - end) / n), rel=1e-5)


@given(counts)
def test_wilson_treats_right_and_wrong_alike(count: tuple[int, int]) -> None:
    right, n = count
    interval, mirrored = wilson(right, n), wilson(n - right, n)
    assert interval is not None
    assert mirrored is not None
    assert mirrored.low == pytest.approx(1 - interval.high, abs=1e-12)


def test_no_items_give_no_interval() -> None:
    assert wilson(0, 0) is None


@pytest.mark.parametrize(("right", "n"), [(-1, 3), (4, 3), (1, 0)])
def test_impossible_counts_are_a_mistake_of_the_caller(right: int, n: int) -> None:
    with pytest.raises(ValueError, match="right answers of"):
        wilson(right, n)
