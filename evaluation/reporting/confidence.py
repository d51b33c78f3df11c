"""Whether the letters' probabilities mean what they say, over the questions with one right option."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from evaluation.calibration import (
    Bin,
    Forecast,
    RiskPoint,
    area_under_risk,
    brier,
    expected_calibration_error,
    reliability,
    risk_coverage,
)
from evaluation.readings import letter_probabilities
from evaluation.runs.records import Record

_POINTS_AT_MOST = 200


class Confidence(msgspec.Struct, frozen=True, kw_only=True):
    n: int
    """Questions with one right option that were answered with probabilities."""
    left_out: int
    """The other questions: several right options, or no answer."""
    accuracy: float
    confidence: float
    """Mean probability of the most likely option."""
    ece: float
    brier: float
    """Over all options: from 0 (sure and right) to 2."""
    aurc: float
    bins: tuple[Bin, ...]
    risk_coverage: tuple[RiskPoint, ...]
    """In order of coverage; of more than 200 points, 200 that are evenly spread, the last one included."""


def confidence(records: Sequence[Record]) -> Confidence | None:
    """None without such a question."""
    concerned = [record for record in records if has_probabilities(record) and len(record.item.answers) == 1]
    if not concerned:
        return None
    rows = [letter_probabilities(record.trials) for record in concerned]
    answers = [record.item.answers[0] for record in concerned]
    forecasts = [
        # A mean of softmaxes may exceed 1 by its last bit.
        Forecast(min(max(row), 1.0), row.index(max(row)) == answer)
        for row, answer in zip(rows, answers, strict=True)
    ]
    bins = reliability(forecasts)
    points = risk_coverage(forecasts)
    return Confidence(
        n=len(forecasts),
        left_out=len(records) - len(forecasts),
        accuracy=sum(one.correct for one in forecasts) / len(forecasts),
        confidence=sum(one.confidence for one in forecasts) / len(forecasts),
        ece=expected_calibration_error(bins) or 0.0,
        brier=brier(rows, answers) or 0.0,
        aurc=area_under_risk(points) or 0.0,
        bins=bins,
        risk_coverage=_thinned(points),
    )


def has_probabilities(record: Record) -> bool:
    return record.status == "answered" and bool(record.trials) and all(trial.logprobs for trial in record.trials)


def _thinned(points: Sequence[RiskPoint]) -> tuple[RiskPoint, ...]:
    if len(points) <= _POINTS_AT_MOST:
        return tuple(points)
    return tuple(points[(n * len(points)) // _POINTS_AT_MOST - 1] for n in range(1, _POINTS_AT_MOST + 1))
