"""Runs, numbers and verdicts in the language of the interface."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import QCoreApplication, QLocale

from app.core.language import Language
from app.services.benchmark.views import (
    DEMONSTRATION_TASK,
    BenchmarkState,
    ComparisonView,
    ModelChoice,
    Paired,
    Progress,
    RunView,
    Share,
    TaskChoice,
)
from app.ui.failures import failure_sentence
from app.ui.panels import Tone

ALPHA = 0.05

translate = QCoreApplication.translate


def task(name: str) -> str:
    """A short name for lists; those of benchmarks are not translated."""
    if name == DEMONSTRATION_TASK:
        return translate("Benchmark", "Built-in questions")
    if name == "jsonl":
        return translate("Benchmark", "Own questions")
    known = {
        "igakuqa": "IgakuQA",
        "jmmlu": "JMMLU",
        "mmlu": "MMLU",
        "medqa": "MedQA",
        "medmcqa": "MedMCQA",
        "pubmedqa": "PubMedQA",
        "yakugakuqa": "YakugakuQA",
    }
    return known.get(name, name)


def task_title(choice: TaskChoice) -> str:
    """For choosing: what the questions are."""
    match choice.name:
        case "demo":
            return translate("Benchmark", "Built-in questions (demonstration, 392 short ones)")
        case "jsonl":
            return translate("Benchmark", "Own questions (JSON Lines)")
        case "igakuqa":
            return translate("Benchmark", "IgakuQA: Japanese medical licensing examination, 2018–2022")
        case "yakugakuqa":
            return translate("Benchmark", "YakugakuQA: Japanese pharmacists' examination, 2012–2024")
        case "jmmlu":
            return translate("Benchmark", "JMMLU: medical subjects")
        case "mmlu":
            return translate("Benchmark", "MMLU: medical subjects")
    return choice.title


def how(name: str) -> str:
    match name:
        case "letter":
            return translate("Benchmark", "Probability of the letters")
        case "option":
            return translate("Benchmark", "Probability of the options' texts")
        case "generate":
            return translate("Benchmark", "Written answers")
    return name


def language(name: Language) -> str:
    return translate("Benchmark", "Japanese") if name == "ja" else translate("Benchmark", "English")


def group(name: str) -> str:
    """A category as its data calls it, or a part of the demonstration task."""
    match name:
        case "trained":
            return translate("Benchmark", "Facts, words of the training")
        case "second_wordings":
            return translate("Benchmark", "Facts, in other words")
        case "choices_trained":
            return translate("Benchmark", "Choices of the training")
        case "choices_held_out":
            return translate("Benchmark", "Choices not in the training")
        case "" | "-":
            return translate("Benchmark", "Without a category")
    return name


# --- numbers ----------------------------------------------------------------------------------------------------------


def number(value: int) -> str:
    return QLocale().toString(value)


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def interval(share: Share) -> str:
    return f"[{100 * share.low:.1f}, {100 * share.high:.1f}]"


def accuracy(share: Share | None) -> str:
    """52.4 % [49.5, 55.3]."""
    return "–" if share is None else f"{percent(share.value)} {interval(share)}"


def points(value: float) -> str:
    text = f"{100 * value:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


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
        return points(paired.difference)
    return f"{points(paired.difference)} [{points(paired.interval[0])}, {points(paired.interval[1])}]"


def moment(iso: str) -> str:
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{when:%Y-%m-%d %H:%M}"


def rate(per_second: float) -> str:
    return f"{per_second:,.1f}"


def wait(seconds: float) -> str:
    """A short time, in seconds or milliseconds."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def duration(seconds: float) -> str:
    if seconds < 90:
        return translate("Benchmark", "{count} s").format(count=max(1, round(seconds)))
    minutes = round(seconds / 60)
    if minutes < 90:
        return translate("Benchmark", "{count} min").format(count=minutes)
    return translate("Benchmark", "{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)


# --- sentences --------------------------------------------------------------------------------------------------------


def run_name(run: RunView) -> str:
    """For a list to choose from."""
    name = f"{run.model} · {task(run.task)} · {language(run.language)}"
    return f"{name} · {moment(run.created)}"


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
    return text.format(done=number(run.done), total=number(run.total)), "check"


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
            return text.format(done=number(progress.done), total=number(progress.total))


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
        facts.append(translate("Benchmark", "about {time} left").format(time=duration(progress.seconds_left)))
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
        interval=f"[{points(low).lstrip('+')}, {points(high).lstrip('+')}]",
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
            n=number(main.n),
            a=percent(main.a.value),
            b=percent(main.b.value),
            difference=difference(main),
            p=p_value(main.p),
        )
    ]
    if main.name:
        lines.insert(
            0, translate("Benchmark", "Of “{part}” alone: the parts are never added up.").format(part=group(main.name))
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
                count=number(found.only_in_one)
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
