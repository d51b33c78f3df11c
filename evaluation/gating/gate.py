"""May this file ship? What was scored and measured, judged, and the verdict written into the file's manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from app.core.errors import CheckRefused, InputError
from app.core.files import sha256_file
from app.core.models.gguf_header import read_header
from app.core.models.manifest import (
    Manifest,
    ScoredRun,
    Verdict,
    check_file,
    find_manifest,
    manifest_path,
    write_manifest,
)
from evaluation import tally
from evaluation.comparison import compare
from evaluation.gating.conditions import Baseline, GatedRun, conditions
from evaluation.gating.thresholds import read_thresholds
from evaluation.output import Output
from evaluation.reporting.checks import check
from evaluation.reporting.differing import differences
from evaluation.reporting.pairs import outcomes
from evaluation.reporting.summary import marked
from evaluation.runs.store import ITEMS, Run, read_run
from evaluation.speed import SpeedReport, read_speed

_SEED = 0
"""Of the bootstrap: the same files give the same verdict."""

_MAY_DIFFER = ("the model", "the engine", "evaluated together")
"""Between a run and its baseline."""


@dataclass(frozen=True)
class Gated:
    verdict: Verdict
    model_sha256: str
    manifest: Path | None
    """Where the verdict was written; None without a model file."""


def gate(
    runs: Sequence[Path],
    baselines: Sequence[Path],
    thresholds: Path,
    speed: Path | None = None,
    model: Path | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> Gated:
    """Judge the file that the runs scored. With `model`, that file, the verdict goes into the manifest beside it.

    Raises:
        InputError: something cannot be read, or does not belong together.
        CheckRefused: `model` is not the file that was scored.
    """
    wanted = read_thresholds(thresholds)
    gated = _gated([_read(folder) for folder in _distinct(runs)], [_read(folder) for folder in _distinct(baselines)])
    sha256 = _scored_model([one.run for one in gated])
    measured = _measured(speed, sha256) if speed else None
    manifest = _described(model, sha256, on_bytes) if model else None
    if measured and manifest and measured.model.part_sha256s != tuple(part.sha256 for part in manifest.parts):
        raise InputError(f"{speed} was measured with other parts of the model than those beside {model}.")
    template = bool(read_header(model).chat_template) if model else None
    judged = conditions(wanted.thresholds, gated, measured, template)
    verdict = Verdict(
        passed=all(one.passed for one in judged),
        conditions=judged,
        runs=tuple(map(_scored_run, gated)),
        thresholds_sha256=wanted.sha256,
    )
    if model and manifest:
        write_manifest(manifest_path(model), msgspec.structs.replace(manifest, verdict=verdict))
    return Gated(verdict, sha256, manifest_path(model) if model else None)


# --- the runs ---------------------------------------------------------------------------------------------------------


def _distinct(folders: Sequence[Path]) -> Sequence[Path]:
    if len({folder.resolve() for folder in folders}) != len(folders):
        raise InputError("A run is given twice.")
    return folders


def _read(folder: Path) -> Run:
    run = read_run(folder)
    check(run)
    return run


def _gated(runs: Sequence[Run], baselines: Sequence[Run]) -> list[GatedRun]:
    paired = {_index(runs, baseline): baseline for baseline in baselines}
    if len(paired) != len(baselines):
        raise InputError("Two baselines are given for one run; give one for each.")
    kinds = Counter(map(_kind, runs))
    return [
        GatedRun(
            name=_kind(run) if kinds[_kind(run)] == 1 else f"{_kind(run)} ({run.name})",
            run=run,
            score=tally.score(run.identity.task, run.identity.language, marked(run.records)) if run.records else None,
            baseline=_compared(run, paired[number]) if number in paired else None,
        )
        for number, run in enumerate(runs)
    ]


def _kind(run: Run) -> str:
    return f"{run.identity.task} {run.identity.language} {run.identity.settings.how}"


def _index(runs: Sequence[Run], baseline: Run) -> int:
    """The run that differs from the baseline in its model and engine at most."""
    unlike: list[str] = []
    for number, run in enumerate(runs):
        if run.folder.resolve() == baseline.folder.resolve():
            raise InputError(f"{baseline.folder} is given as a run and as its own baseline.")
        found = [one for one in differences(run.identity, baseline.identity) if one.group not in _MAY_DIFFER]
        found = [one for one in found if one.what not in _MAY_DIFFER]
        if not found:
            return number
        if _kind(run) == _kind(baseline):
            unlike = [f"{one.what}: {one.a}, baseline {one.b}" for one in found]
    if unlike:
        raise InputError(f"{baseline.folder} cannot be the baseline, since it differs in {'; '.join(unlike)}.")
    raise InputError(f"{baseline.folder} is a run of {_kind(baseline)}, of which no run is given that it could judge.")


def _compared(run: Run, baseline: Run) -> Baseline:
    names = ("the file", "the baseline")
    return Baseline(baseline, compare(outcomes(run.records), outcomes(baseline.records), _SEED, names))


def _scored_model(runs: Sequence[Run]) -> str:
    first = runs[0]
    for run in runs:
        if not run.identity.model.sha256:
            raise InputError(f"{run.folder} was scored on a server: which file answered there is not known.")
        if run.identity.model.sha256 != first.identity.model.sha256:
            raise InputError(f"{run.folder} is a run of another model file than {first.folder}; gate one at a time.")
    return first.identity.model.sha256


def _scored_run(gated: GatedRun) -> ScoredRun:
    identity, score = gated.run.identity, gated.score
    baseline = gated.baseline.run if gated.baseline else None
    return ScoredRun(
        task=identity.task,
        language=identity.language,
        how=identity.settings.how,
        n=score.n if score else 0,
        correct=score.correct if score else 0,
        accuracy=score.accuracy if score else 0.0,
        interval_95=score.interval_95 if score else (0.0, 1.0),
        items_sha256=sha256_file(gated.run.folder / ITEMS),
        llama_cpp_commit=identity.engine.commit,
        baseline_model_sha256=baseline.identity.model.sha256 if baseline else "",
        baseline_items_sha256=sha256_file(baseline.folder / ITEMS) if baseline else "",
    )


# --- the file ---------------------------------------------------------------------------------------------------------


def _measured(path: Path, sha256: str) -> SpeedReport:
    report = read_speed(path)
    if report.model.sha256 != sha256:
        raise InputError(f"{path} was measured with another model file than the runs scored.")
    return report


def _described(model: Path, sha256: str, on_bytes: Callable[[int], None] | None) -> Manifest:
    """The manifest of the file, which is the one that was scored, byte for byte."""
    if not model.is_file():
        raise InputError(f"there is no model file at {model}.")
    manifest = find_manifest(model)
    if manifest is None:
        if sha256_file(model, on_bytes) != sha256:
            raise CheckRefused(_OTHER.format(model))
        raise InputError(
            f"{model} has no manifest beside it that the verdict could go into; write one with inro-convert manifest."
        )
    if manifest.sha256 != sha256:
        raise CheckRefused(_OTHER.format(model))
    check_file(manifest, model, on_bytes)
    return manifest


_OTHER = "{} is not the file that was scored: its SHA-256 is another one."


# --- for a person and a program ---------------------------------------------------------------------------------------


def output(gated: Gated) -> Output:
    verdict = gated.verdict
    json = {
        "format": "inro-gate/1",
        "model_sha256": gated.model_sha256,
        "manifest": str(gated.manifest) if gated.manifest else None,
        **msgspec.to_builtins(verdict),
    }
    lines = [f"Model file with SHA-256 {gated.model_sha256}", ""]
    for one in verdict.conditions:
        lines += [f"{'passed ' if one.passed else 'REFUSED'}  {one.name}", f"         {one.reason}"]
    failed = sum(not one.passed for one in verdict.conditions)
    refused = f"It may not ship: {failed} of {len(verdict.conditions)} conditions are not met."
    lines += ["", refused if failed else "It may ship."]
    if gated.manifest:
        lines.append(f"The verdict is in {gated.manifest}.")
    else:
        lines.append("The verdict was not written: give the file with --model.")
    return Output(json, "\n".join(lines))


def refusal(verdict: Verdict) -> str:
    """One sentence that names what was not met."""
    failed = [one.name for one in verdict.conditions if not one.passed]
    named = "; ".join(failed[:5]) + (f" and {len(failed) - 5} more" if len(failed) > 5 else "")
    return f"The file may not ship: {named}."
