"""How far an import has come: a value that each of its steps makes anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.core.errors import UserFacingError

if TYPE_CHECKING:
    from app.core.models.gguf_header import GgufHeader
    from app.core.models.importing import Copying, MemoryCompared, PapersChecked, Probing, SpaceFound, Step
    from app.core.models.library import InstalledModel

Stage = Literal["header", "memory", "copy", "papers", "probe", "place"]
STAGES: tuple[Stage, ...] = ("header", "memory", "copy", "papers", "probe", "place")
"""In the order in which they are passed; the disk's space is looked at with the memory."""

_LEAST_FRACTION = 0.01


@dataclass(frozen=True)
class ImportProgress:
    """`stage` is the one that is under way, or that the import ended in; times are seconds of a monotonic clock."""

    file: Path
    stage: Stage = "header"
    began: float = 0.0
    """When the stage did."""
    seconds_left: float | None = None
    """Of the stage, where that can be told."""
    header: GgufHeader | None = None
    memory: MemoryCompared | None = None
    space: SpaceFound | None = None
    copying: Copying | None = None
    papers: PapersChecked | None = None
    probing: Probing | None = None
    model: InstalledModel | None = None
    cancelling: bool = False
    error: UserFacingError | OSError | None = None

    @property
    def running(self) -> bool:
        return self.model is None and self.error is None

    @property
    def fraction(self) -> float:
        """Of the stage that is under way."""
        if self.stage == "copy" and self.copying is not None:
            return self.copying.done_bytes / max(1, self.copying.total_bytes)
        if self.stage == "probe" and self.probing is not None:
            return self.probing.done / self.probing.steps
        return 0.0

    def passed(self, stage: Stage) -> bool:
        return STAGES.index(stage) < STAGES.index(self.stage) or self.model is not None

    @property
    def failed_at(self) -> Stage | None:
        """Where the import failed. Papers are looked at first of all, so that nothing is copied in vain."""
        if self.error is None:
            return None
        from app.core.models.examination import Objected
        from app.core.models.manifest import BadManifest

        return "papers" if isinstance(self.error, Objected | BadManifest) else self.stage

    def after(self, step: Step, now: float) -> ImportProgress:
        """How far it is once `step` was made."""
        from app.core.models import importing

        match step:
            case importing.HeaderRead(header=header):
                return replace(self._at("memory", now), header=header)
            case importing.MemoryCompared():
                return replace(self, memory=step)
            case importing.SpaceFound():
                return replace(self._at("copy", now), space=step)
            case importing.Copying(done_bytes=done, total_bytes=total):
                copied = replace(self, copying=step)
                return copied._at("papers", now) if done >= total else copied._timed(now)
            case importing.PapersChecked():
                return replace(self._at("probe", now), papers=step)
            case importing.Probing():
                return replace(self, probing=step)._timed(now)
            case importing.Placing():
                return self._at("place", now)
            case importing.Placed(model=model):
                return replace(self, model=model)

    def _at(self, stage: Stage, now: float) -> ImportProgress:
        return self if self.stage == stage else replace(self, stage=stage, began=now, seconds_left=None)

    def _timed(self, now: float) -> ImportProgress:
        if self.fraction < _LEAST_FRACTION:
            return self
        return replace(self, seconds_left=(now - self.began) * (1 - self.fraction) / self.fraction)
