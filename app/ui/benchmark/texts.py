"""Runs, numbers and verdicts in the language of the interface."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from app.services.benchmark.views import (
    BenchmarkState,
    ComparisonView,
    ModelChoice,
    Paired,
    Progress,
    RunView,
)
from app.ui import quantities
from app.ui.benchmark import naming
from app.ui.failures import failure_sentence
from app.ui.panels import Tone

ALPHA = 0.05

translate = QCoreApplication.translate


def p_value(p: float) -> str:
    """Never rounded to 0, nor up to the 0.05 that it is below."""
    if p < 0.001:
        return "p < 0.001"
    if 0.0495 <= p < ALPHA:
        return "p = 0.049"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def difference(paired: Paired) -> str:
    """−0.6 [−1.9, +0.7], in points."""
    if paired.interval is None:
        return quantities.points(paired.difference)
    low, high = map(quantities.points, paired.interval)
    return f"{quantities.points(paired.difference)} [{low}, {high}]"


# --- sentences --------------------------------------------------------------------------------------------------------


def run_name(run: RunView) -> str:
    """For a list to choose from."""
    name = f"{run.model} · {naming.task(run.task)} · {naming.language(run.language)}"
    return f"{name} · {quantities.moment(run.created)}"


def run_state(run: RunView, state: BenchmarkState) -> tuple[str, Tone]:
    """`state` is what runs now."""
    if state.run is not None and state.run.id == run.id:
        return translate("Benchmark", "running"), "good"
    if run.damaged:
        return translate("Benchmark", "damaged"), "bad"
    if run.complete:
        return translate("Benchmark", "finished"), "good"
    if run.total is None:
        return translate("Benchmark", "not begun"), "check"
    text = translate("Benchmark", "paused at {done} of {total}")
    return text.format(done=quantities.number(run.done), total=quantities.number(run.total)), "check"


def verdict_mark(choice: ModelChoice | None) -> tuple[str, Tone] | None:
    """What a person should know of a model's release; None where all is well."""
    if choice is None:
        return translate("Benchmark", "not on this PC any more"), "check"
    if choice.demonstration:
        return translate("Benchmark", "demonstration model"), "check"
    if choice.verdict is None:
        return translate("Benchmark", "no verdict before its release"), "check"
    if not choice.verdict:
        return translate("Benchmark", "did not pass its scoring"), "bad"
    return None


def step(progress: Progress) -> str:
    match progress.step:
        case "preparing":
            return translate("Benchmark", "Reading the questions and checking the model…")
        case "reading":
            return translate("Benchmark", "Reading the file…")
        case "loading":
            return translate("Benchmark", "Loading the model…")
        case "checking":
            return translate("Benchmark", "Checking whether questions can be asked together…")
        case "measuring":
            return translate("Benchmark", "Measuring: {done} of {total}").format(
                done=progress.done, total=progress.total
            )
        case "asking":
            text = translate("Benchmark", "{done} of {total} questions")
            return text.format(done=quantities.number(progress.done), total=quantities.number(progress.total))


def pace(progress: Progress) -> list[str]:
    """Questions a second and the time left, as far as they are known."""
    facts = []
    if progress.per_second is not None:
        facts.append(
            translate("Benchmark", "{count} questions/s").format(
                count=f"{progress.per_second:.1f}" if progress.per_second >= 0.1 else f"{progress.per_second:.2f}"
            )
        )
    if progress.seconds_left is not None and progress.done < progress.total:
        facts.append(
            translate("Benchmark", "about {time} left").format(time=quantities.duration(progress.seconds_left))
        )
    return facts


def problem(state: BenchmarkState) -> str:
    """Why the last run stopped."""
    if state.engine_failure is not None:
        return failure_sentence(state.engine_failure)
    match state.culprit:
        case "questions":
            lead = translate(
                "Benchmark",
                "The questions cannot be used. Choose the folder that holds the files of the benchmark, in the form in "
                "which they are published.",
            )
        case "model":
            lead = translate(
                "Benchmark",
                "The model cannot be asked: it was removed or changed, is not approved, or takes no questions. "
                "Its results are kept.",
            )
        case "results":
            lead = translate("Benchmark", "What is kept of this run cannot be continued. Begin a new run.")
        case "":
            return with_details(state.failure)
    return f"{lead}\n{_details(state.failure)}"


def with_details(sentence: str) -> str:
    """A sentence of the services, which speak English."""
    lead = translate("Benchmark", "This could not be done.")
    return f"{lead}\n{_details(sentence)}"


def _details(sentence: str) -> str:
    return translate("Benchmark", "Details: {message}").format(message=sentence)


def headline(found: ComparisonView) -> str:
    """The verdict in a few words."""
    main = found.main
    if not main.n:
        return translate("Benchmark", "There is nothing to compare: no question is in both runs.")
    if main.p >= ALPHA:
        return translate("Benchmark", "No difference shown between A and B")
    better = "A" if main.difference > 0 else "B"
    text = translate("Benchmark", "{better} is better: {points} points {interval}, {p}")
    low, high = main.interval or (main.difference, main.difference)
    if better == "B":
        low, high = -high, -low
    return text.format(
        better=better,
        points=f"{100 * abs(main.difference):.1f}",
        interval=f"[{quantities.points(low).lstrip('+')}, {quantities.points(high).lstrip('+')}]",
        p=p_value(main.p),
    )


def evidence(found: ComparisonView) -> str:
    """What the verdict rests on, and what it cannot say."""
    main = found.main
    if not main.n:
        return ""
    lines = [
        translate(
            "Benchmark", "{n} questions: A {a}, B {b}; difference {difference} points (95 % interval), McNemar {p}."
        ).format(
            n=quantities.number(main.n),
            a=quantities.percent(main.a.value),
            b=quantities.percent(main.b.value),
            difference=difference(main),
            p=p_value(main.p),
        )
    ]
    if main.name:
        lines.insert(
            0,
            translate("Benchmark", "Of “{part}” alone: the parts are never added up.").format(
                part=naming.group(main.name)
            ),
        )
    if main.p >= ALPHA:
        if found.detectable is None:
            text = translate(
                "Benchmark", "So few questions were answered differently that no difference could have shown."
            )
        else:
            text = translate("Benchmark", "A true difference under {points} points would probably not have been seen.")
        lines.append(text.format(points=f"{100 * (found.detectable or 0):.1f}"))
    if found.only_in_one:
        lines.append(
            translate("Benchmark", "{count} questions that are not in both runs are left out.").format(
                count=quantities.number(found.only_in_one)
            )
        )
    return "\n".join(lines)


def unlike(found: ComparisonView) -> str:
    """In what else than their answers the runs differ: a caution where that is more than one thing."""
    names = [_part(name) for name in found.unlike]
    joined = translate("Benchmark", ", ").join(names)
    if not names:
        return translate("Benchmark", "Nothing that is recorded of the runs differs.")
    if len(names) == 1:
        return translate("Benchmark", "Only this differs: {what}.").format(what=joined)
    return translate(
        "Benchmark", "Several things differ ({what}): which of them makes a difference cannot be said."
    ).format(what=joined)


def _part(name: str) -> str:
    """A recorded fact by evaluation's name of it."""
    match name:
        case "the model":
            return translate("Benchmark", "the model")
        case "the engine":
            return translate("Benchmark", "the engine")
        case "the language":
            return translate("Benchmark", "the language")
        case "the questions":
            return translate("Benchmark", "the questions")
        case "the way of scoring":
            return translate("Benchmark", "the way of scoring")
        case "the template":
            return translate("Benchmark", "the wording")
        case "evaluated together":
            return translate("Benchmark", "whether questions were asked together")
    return name
