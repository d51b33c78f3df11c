"""Moments of an import for the pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.core.models.administration import Administration
from app.core.models.importing import Copying, Probing
from app.core.paths import user_paths
from app.services.import_progress import ImportProgress
from tests.ui.stage import Stage


def held_import(stage: Stage, model: Path, stop: Callable[[ImportProgress], bool]) -> None:
    """An import as it looks at one moment."""
    progress, now = ImportProgress(model), 0.0
    for step in Administration(user_paths()).bring_in(model).steps():
        if isinstance(step, Copying):
            step = Copying(step.total_bytes * 3 // 5, step.total_bytes)
        progress, now = progress.after(step, now), now + 24
        if stop(progress):
            break
    stage.imports._set_progress(progress)


def copying(progress: ImportProgress) -> bool:
    return progress.copying is not None


def probing(progress: ImportProgress) -> bool:
    return isinstance(progress.probing, Probing) and progress.probing.done == 2
