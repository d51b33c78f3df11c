"""Which models can be measured, and finding one again when a run goes on."""

from __future__ import annotations

from pathlib import Path

from app.core.errors import CheckRefused, InputError
from app.core.models.approvals import Approvals
from app.core.models.library import ModelLibrary
from app.core.models.manifest import Manifest, find_manifest
from app.core.models.record import Record
from app.core.models.selection import SelectedModel, select
from app.core.paths import Paths, demonstration_model
from app.core.settings import Settings
from app.services.benchmark.orders import Order
from app.services.benchmark.views import ModelChoice


def choices(paths: Paths, in_use: SelectedModel | None) -> tuple[ModelChoice, ...]:
    """The model in use, the approved ones of the library, and the demonstration model.

    No weights are read. Raises CheckRefused when the record of approvals was changed.
    """
    found = [_choice(in_use.name, in_use.path, in_use.sha256, in_use.manifest, used=True)] if in_use else []
    standing = Approvals(Record(paths.record)).standing()
    for model in ModelLibrary(paths.models).models():
        if standing.of(model.sha256, model.name).state == "approved":
            found.append(_choice(model.name, model.path, model.sha256, model.manifest))
    path = demonstration_model()
    if path.is_file() and (manifest := find_manifest(path)):
        found.append(_choice(manifest.name, path, manifest.sha256, manifest))
    return tuple({choice.sha256: choice for choice in reversed(found)}.values())[::-1]


def find(order: Order, paths: Paths) -> SelectedModel:
    """The model of an order that is not in use, checked as one that is to answer. Raises UserFacingError."""
    shipped = find_manifest(demonstration_model())
    if shipped is not None and shipped.sha256 == order.model_sha256:
        return select(None, Settings(), paths)
    if ModelLibrary(paths.models).installed(order.model_sha256) is not None:
        return select(None, Settings(model=order.model_sha256), paths)
    path = Path(order.model_path)
    if not path.is_file():
        raise InputError(f"{order.model} is not on this machine any more. Its results are kept.")
    named = select(path, Settings(), paths)
    if named.sha256 != order.model_sha256:
        raise CheckRefused(f"{path.name} is not the file that this run began with: it was changed.")
    return named


def _choice(name: str, path: Path, sha256: str, manifest: Manifest | None, *, used: bool = False) -> ModelChoice:
    return ModelChoice(
        name=name,
        path=str(path),
        sha256=sha256,
        in_use=used,
        demonstration=manifest is not None and manifest.demonstration,
        verdict=manifest.verdict.passed if manifest and manifest.verdict else None,
    )
