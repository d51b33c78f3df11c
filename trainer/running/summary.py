"""The summary of a run for the people who made it: what was trained on what, how it went, what it took. Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from trainer.records import Evaluation, RunRecord, Validation
from trainer.running.measuring import perplexity

PLOT_NAME, SUMMARY_NAME = "losses.svg", "summary.md"


def summarise(record: RunRecord) -> str:
    parts = [f"# {record.recipe.upper()}: {cell(Path(str(record.configuration['output'])).name)}", "", _how(record), ""]
    parts += [f"![Losses over steps]({PLOT_NAME})", ""]
    parts += table(("", ""), _results(record))
    if record.validation:
        parts += ["", "## Validation", "", *validation_table(record.validation, record.best_step)]
    if record.evaluation:
        parts += ["", "## Evaluation during the training", "", *evaluation_table(record.evaluation)]
    parts += ["", "## Data", "", *table(("file", "bytes", "SHA-256"), _files(record))]
    parts += ["", "## Configuration", "", *table(("key", "value"), _settings(record))]
    return "\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of Markdown; what is in the cells is text, not markup."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return [*lines, *("| " + " | ".join(cell(value) for value in row) + " |" for row in rows)]


def cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = " ".join(str(value).split())
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return text


def validation_table(validation: Sequence[Validation], best: int | None) -> list[str]:
    rows = (
        (entry.step, f"{entry.loss:.4f}", f"{perplexity(entry.loss):.3f}", "best" if entry.step == best else "")
        for entry in validation
    )
    return table(("step", "loss (nats per token)", "perplexity", ""), rows)


def evaluation_table(evaluation: Sequence[Evaluation]) -> list[str]:
    rows = (
        (
            entry.step,
            f"{entry.task} ({entry.language})",
            f"{entry.correct} of {entry.n}",
            f"{entry.accuracy:.1%}",
            f"{entry.interval_95[0]:.1%} to {entry.interval_95[1]:.1%}",
        )
        for entry in evaluation
    )
    return table(("step", "task", "right", "accuracy", "95 % interval (Wilson)"), rows)


def _how(record: RunRecord) -> str:
    said = [f"Started {record.started}, {duration(record.duration_s)} of computing."]
    if record.resumed:
        steps = ", ".join(str(one.step) for one in record.resumed)
        said.append(f"The run was ended and went on from step {steps}.")
    if record.stopped_early:
        said.append("It ended early, since the validation loss no longer fell.")
    if record.best_step is not None:
        said.append(f"The weights are those of step {record.best_step}, with the lowest validation loss.")
    if record.git and record.git.dirty:
        said.append("The program's checkout had changes that are in no commit.")
    return " ".join(said)


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _results(record: RunRecord) -> Iterable[tuple[str, object]]:
    for name, value in record.counts.items():
        yield name.replace("_", " "), value
    if record.losses:
        yield "loss at first, at the end", f"{record.losses[0].loss:.4f}, {record.losses[-1].loss:.4f}"
    yield "seed", record.seed
    for name, thing in record.machine.items():
        yield name.replace("_", " "), thing
    for energy in record.energy:
        yield f"energy, {energy.of}", f"{energy.watt_hours:.1f} Wh"
    if record.git:
        yield "commit", record.git.commit
    for name, version in record.versions.items():
        yield name, version


def _files(record: RunRecord) -> Iterable[tuple[object, ...]]:
    return ((file.name, file.bytes, file.sha256) for file in (*record.data, *record.held_out, *record.base))


def _settings(record: RunRecord) -> Iterable[tuple[str, object]]:
    for key, value in record.configuration.items():
        if value is not None and value != [] and value != ():
            yield key, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
