"""What is asked of a model file, each condition with its verdict and the reason in a sentence: pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

from app.core.models.manifest import Condition
from evaluation.comparison import ALPHA, Comparison, Paired, verdict
from evaluation.gating.thresholds import RunThresholds, SpeedThresholds, Thresholds
from evaluation.runs.store import Run
from evaluation.speed import SpeedAt, SpeedReport
from evaluation.statistics import wilson
from evaluation.tally import Score


@dataclass(frozen=True)
class Baseline:
    run: Run
    comparison: Comparison
    """The gated run as A, the baseline as B."""


@dataclass(frozen=True)
class GatedRun:
    name: str
    """Such as "igakuqa ja letter"."""
    run: Run
    score: Score | None
    """None without any record."""
    baseline: Baseline | None = None

    def meant_by(self, wanted: RunThresholds) -> bool:
        identity = self.run.identity
        same = (identity.task, identity.language) == (wanted.task, wanted.language)
        return same and wanted.how in (None, identity.settings.how)


def conditions(
    thresholds: Thresholds, runs: Sequence[GatedRun], speed: SpeedReport | None, template: bool | None
) -> tuple[Condition, ...]:
    """All of them, met or not. `template` is whether the file holds a chat template, None where no file was given."""
    found: list[Condition] = []
    for run in runs:
        found += _of_run(run)
    for wanted in thresholds.run:
        found += _wanted(wanted, runs)
    if thresholds.speed:
        found += _speed(thresholds.speed, speed)
    if thresholds.chat_template:
        found.append(_template(template))
    return tuple(found)


# --- whatever the thresholds say --------------------------------------------------------------------------------------


def _of_run(run: GatedRun) -> Iterator[Condition]:
    yield _complete(run.name, run.run)
    if run.baseline:
        yield _complete(f"{run.name}, baseline", run.baseline.run)
        yield _no_loss(run.name, run.baseline.comparison)


def _complete(name: str, run: Run) -> Condition:
    asked = f"{len(run.records):,} of {run.identity.items:,} questions are recorded"
    reason = f"All {run.identity.items:,} questions are recorded." if run.complete else f"Only {asked}: finish the run."
    return _condition(f"{name}: run complete", run.complete and bool(run.records), reason)


def _no_loss(name: str, comparison: Comparison) -> Condition:
    result = comparison.accuracy
    worse = not result.n or (result.p < ALPHA and result.difference < 0)
    return _condition(f"{name}: not significantly worse than the baseline", not worse, _sentence(verdict(comparison)))


# --- what the thresholds say of a run ---------------------------------------------------------------------------------


def _wanted(wanted: RunThresholds, runs: Sequence[GatedRun]) -> Iterator[Condition]:
    meant = [run for run in runs if run.meant_by(wanted)]
    if not meant:
        name = f"{wanted.task} {wanted.language}{f' {wanted.how}' if wanted.how else ''}"
        yield _condition(f"{name}: scored", False, "Not shown: no run of it was given.")
    for run in meant:
        if run.score is None:
            yield _condition(f"{run.name}: scored", False, "Not shown: the run has no answers.")
            continue
        yield from _accuracy(wanted, run.name, run.score)
        yield from _kinki(wanted, run.name, run.score)
        yield from _counts(wanted, run.name, run.score)
        yield from _against_baseline(wanted, run)


def _accuracy(wanted: RunThresholds, name: str, score: Score) -> Iterator[Condition]:
    low, high = score.interval_95
    shown = f"{score.correct:,} of {score.n:,} right, {_percent(score.accuracy)} [{_percent(low)}, {_percent(high)}]"
    if wanted.questions is not None:
        yield _condition(
            f"{name}: at least {wanted.questions:,} questions",
            score.n >= wanted.questions,
            f"The run has {score.n:,} questions.",
        )
    if wanted.accuracy is not None:
        yield _condition(
            f"{name}: accuracy at least {_percent(wanted.accuracy)}", score.accuracy >= wanted.accuracy, f"{shown}."
        )
    if wanted.interval_low is not None:
        yield _condition(
            f"{name}: lower end of the 95 % interval at least {_percent(wanted.interval_low)}",
            low >= wanted.interval_low,
            f"{shown}.",
        )


def _kinki(wanted: RunThresholds, name: str, score: Score) -> Iterator[Condition]:
    for what, most, upper in (
        ("rate of prohibited options", wanted.kinki_rate, False),
        ("upper end of the 95 % interval of the rate of prohibited options", wanted.kinki_interval_high, True),
    ):
        if most is None:
            continue
        label = f"{name}: {what} at most {_percent(most)}"
        interval = wilson(score.kinki.chosen, score.kinki.items)
        if interval is None:
            yield _condition(label, False, "Not shown: none of the questions has a prohibited option.")
            continue
        rate = score.kinki.chosen / score.kinki.items
        reason = (
            f"One was chosen in {score.kinki.chosen:,} of {score.kinki.items:,} questions that have one, "
            f"{_percent(rate)} [{_percent(interval.low)}, {_percent(interval.high)}]."
        )
        yield _condition(label, (interval.high if upper else rate) <= most, reason)


def _counts(wanted: RunThresholds, name: str, score: Score) -> Iterator[Condition]:
    for what, most, ids in (
        ("failed", wanted.failed, score.failed),
        ("too long", wanted.too_long, score.too_long),
        ("unreadable", wanted.unreadable, score.unreadable),
    ):
        if most is not None:
            named = f": {', '.join(ids[:5])}{' …' if len(ids) > 5 else ''}" if ids else ""
            reason = f"{len(ids):,} of {score.n:,} questions are{named}."
            yield _condition(f"{name}: at most {most:,} questions {what}", len(ids) <= most, reason)


def _against_baseline(wanted: RunThresholds, run: GatedRun) -> Iterator[Condition]:
    if run.baseline is None:
        if wanted.baseline or wanted.largest_loss is not None:
            yield _condition(f"{run.name}: compared with a baseline", False, "Not shown: no baseline of it was given.")
    elif wanted.largest_loss is not None:
        yield _bounded_loss(run.name, run.baseline.comparison, wanted.largest_loss)


def _bounded_loss(name: str, comparison: Comparison, most: float) -> Condition:
    """Non-inferiority: not having seen a loss is not enough where a loss could not have been seen."""
    result = comparison.accuracy
    upper = 100 * loss_at_most(result)
    reason = f"The loss is at most {upper:.1f} points (95 %), over {result.n:,} questions"
    if comparison.detectable is None or 100 * comparison.detectable > most:
        reason += f"; a test for difference could not have been relied on to see a loss of {most:g} points"
    return _condition(f"{name}: loss against the baseline below {most:g} points", upper < most, f"{reason}.")


def loss_at_most(result: Paired) -> float:
    """The upper end of the loss's 95 % interval, from 0 to 1: the larger one of the paired bootstrap's and Newcombe's.

    The bootstrap knows only the differences that it saw: without any, it would call five questions proof.
    """
    ends = [_newcombe(result)]
    if result.interval is not None:
        ends.append(-result.interval.low)
    return max(0.0, *ends)


def _newcombe(result: Paired) -> float:
    """Upper end of B's share minus A's; 1 without items.

    Method 10 in R. G. Newcombe, Stat. Med. 17 (1998) 2635-2650.
    """
    a, b = wilson(result.a, result.n), wilson(result.b, result.n)
    if a is None or b is None:
        return 1.0
    both, neither = result.a - result.only_a, result.n - result.b - result.only_a
    product = result.a * (result.n - result.a) * result.b * (result.n - result.b)
    covered: float = both * neither - result.only_a * result.only_b
    if covered > 0:
        covered = max(covered - result.n / 2, 0.0)  # his continuity correction
    phi = covered / sqrt(product) if product else 0.0
    share_a, share_b = result.a / result.n, result.b / result.n
    over, under = b.high - share_b, share_a - a.low
    return share_b - share_a + sqrt(max(over**2 - 2 * phi * over * under + under**2, 0.0))


# --- what the thresholds say of the file ------------------------------------------------------------------------------


def _speed(wanted: SpeedThresholds, report: SpeedReport | None) -> Iterator[Condition]:
    if report is None:
        yield _condition("speed", False, "Not shown: no report of inro-eval speed was given (--speed FILE).")
        return
    length = wanted.prompt_tokens
    measured = [at for at in report.contexts if length is None or at.prompt_tokens == length]
    if not measured:
        lengths = ", ".join(f"{at.prompt_tokens:,}" for at in report.contexts) or "nothing"
        yield _condition("speed", False, f"Not shown: {length or 'some'} prompt tokens wanted, {lengths} measured.")
    where = f"on {report.machine.processor} with {report.machine.threads} threads"
    for at in measured:
        yield from _speed_at(wanted, at, where)


def _speed_at(wanted: SpeedThresholds, at: SpeedAt, where: str) -> Iterator[Condition]:
    name = f"speed at {at.prompt_tokens:,} prompt tokens"
    for what, least, spread in (
        ("read", wanted.prompt_per_second, at.prompt_per_second),
        ("written", wanted.decode_per_second, at.decode_per_second),
    ):
        if least is not None:
            reason = f"{spread.median:,.1f} tokens a second ({spread.low:,.1f} to {spread.high:,.1f}) {where}."
            yield _condition(f"{name}: at least {least:g} tokens {what} a second", spread.median >= least, reason)
    if wanted.first_token_s is not None:
        first = at.first_token_s
        reason = f"{first.median:.2f} s ({first.low:.2f} to {first.high:.2f}) {where}."
        label = f"{name}: first token within {wanted.first_token_s:g} s"
        yield _condition(label, first.median <= wanted.first_token_s, reason)


def _template(present: bool | None) -> Condition:
    if present is None:
        return _condition("chat template", False, "Not shown: the model file was not given (--model FILE).")
    return _condition("chat template", present, "The file holds one." if present else "The file holds none.")


def _condition(name: str, passed: bool, reason: str) -> Condition:
    return Condition(name=name, passed=passed, reason=reason)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
