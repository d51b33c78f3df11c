"""The models of this machine as the window sees them, and what a person does with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import QObject, Signal

from app.core.errors import UserFacingError
from app.services.deeds import Deeds
from app.services.import_progress import ImportProgress

if TYPE_CHECKING:
    from app.core.models.administration import Administration
    from app.core.models.events import Rule
    from app.core.models.importing import Import, Step
    from app.core.models.overview import Entry, Overview
    from app.core.models.pin import Authority
    from app.core.models.signing import PublicKey

DeedName = Literal["show", "approve", "withdraw", "remove", "use", "roll_back", "policy", "trust", "distrust", "export"]

_GOODBYE_SECONDS = 5.0
_TELL_SECONDS = 0.1


@dataclass(frozen=True)
class Deed:
    """Something that is being done. `total_bytes` is 0 where it takes no time worth telling."""

    name: DeedName
    model: str = ""
    """SHA-256; empty for the demonstration model, or none."""
    done_bytes: int = 0
    total_bytes: int = 0


class LibraryService(QObject):
    """`overview_changed` after everything that was done; `failed` tells the deed and the error; `switched` when another
    model is to answer.

    Args:
        administration: made when it is first asked for, in a thread.
        speeds: tokens a second that answers had here, by the model's SHA-256.
    """

    overview_changed = Signal(object)
    import_changed = Signal(object)
    deed_changed = Signal(object)
    done = Signal(object)
    failed = Signal(object, object)
    switched = Signal()

    _step = Signal(int, object)

    def __init__(
        self,
        administration: Callable[[], Administration],
        speeds: Callable[[], Mapping[str, float]],
        now: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._administration, self._speeds, self._now = administration, speeds, now
        self._deeds = Deeds(self)
        self._deed: Deed | None = None
        self._overview: Overview | None = None
        self._speed_of: Mapping[str, float] = {}
        self._progress: ImportProgress | None = None
        self._import: Import | None = None
        self._import_thread: threading.Thread | None = None
        self._import_number = 0
        self._step.connect(self._on_step)

    @property
    def overview(self) -> Overview | None:
        """None until it was first read."""
        return self._overview

    def speed(self, entry: Entry) -> float | None:
        """Tokens a second of this model's latest answers on this PC."""
        return self._speed_of.get(entry.manifest.sha256 if entry.manifest else entry.sha256)

    @property
    def deed(self) -> Deed | None:
        """What is being done now."""
        return self._deed

    @property
    def progress(self) -> ImportProgress | None:
        """Of the import that runs or ran last; None once its end was taken note of."""
        return self._progress

    # --- showing ------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read everything anew."""
        self._do(Deed("show"), lambda _: None)

    def record(self, on_done: Callable[[Any], None]) -> None:
        """Read the record; `on_done` is called with its `Contents`."""
        self._do(Deed("show"), lambda administration: administration.record.read(), on_done)

    def export_record(self, file: Path) -> None:
        self._do(Deed("export"), lambda administration: administration.record.export_to(file))

    # --- deeds --------------------------------------------------------------------------------------------------------

    def approve(self, authority: Authority, model: str, reason: str, file_bytes: int) -> None:
        """`file_bytes` are read again."""
        deed = Deed("approve", model, total_bytes=file_bytes)

        def read(count: int) -> None:
            nonlocal deed
            deed = replace(deed, done_bytes=deed.done_bytes + count)
            told = deed
            self._deeds.tell(lambda: self._set_deed(told))

        self._do(deed, lambda administration: administration.approve(authority, model, reason, read))

    def withdraw(self, authority: Authority, model: str, reason: str) -> None:
        self._do(Deed("withdraw", model), lambda administration: administration.withdraw(authority, model, reason))

    def remove(self, authority: Authority, model: str, reason: str) -> None:
        self._do(Deed("remove", model), lambda administration: administration.remove(authority, model, reason))

    def use(self, model: str) -> None:
        """Let a model answer; empty is the demonstration model."""
        from app.core.models.administration import DEMONSTRATION_NAME

        name = model or DEMONSTRATION_NAME
        self._do(Deed("use", model), lambda administration: administration.use(name), self._on_switch)

    def roll_back(self) -> None:
        """Let the model answer that was in use before: the one that the overview names."""
        back = self._overview.back_to if self._overview is not None else None
        if back is not None:
            self._do(Deed("roll_back", back.sha256), lambda each: each.roll_back(back.sha256), self._on_switch)

    def set_policy(self, authority: Authority, unsigned: Rule | None, named: Rule | None) -> None:
        self._do(Deed("policy"), lambda administration: administration.set_policy(authority, unsigned, named))

    def trust(self, authority: Authority, key: PublicKey) -> None:
        self._do(Deed("trust"), lambda administration: administration.trust(authority, key))

    def distrust(self, authority: Authority, key: PublicKey) -> None:
        self._do(Deed("distrust"), lambda administration: administration.distrust(authority, key))

    # --- importing ----------------------------------------------------------------------------------------------------

    def bring_in(self, file: Path, manifest: Path | None = None) -> None:
        """Import a file. Ignored while another import runs."""
        if self._import_thread is not None:
            return
        self._import_number += 1
        self._set_progress(ImportProgress(file, began=self._now()))
        arguments = (self._import_number, file, manifest)
        self._import_thread = threading.Thread(target=self._bring_in, args=arguments, daemon=True)
        self._import_thread.start()

    def cancel_import(self) -> None:
        if self._progress is not None and self._progress.running:
            self._set_progress(replace(self._progress, cancelling=True))
            if self._import is not None:
                self._import.cancel()

    def dismiss_import(self) -> None:
        """The end of the import was taken note of."""
        if self._progress is not None and not self._progress.running:
            self._set_progress(None)

    def close(self) -> None:
        """Cancel an import, which leaves nothing, and wait for it."""
        self._import_number += 1
        if self._import is not None:
            self._import.cancel()
        if self._import_thread is not None:
            self._import_thread.join(_GOODBYE_SECONDS)
        self._deeds.close()

    # --- in threads ---------------------------------------------------------------------------------------------------

    def _bring_in(self, number: int, file: Path, manifest: Path | None) -> None:
        try:
            self._import = importing = self._administration().bring_in(file, manifest)
            if self._unwanted(number):
                importing.cancel()  # Asked for before there was anything to cancel.
            told = 0.0
            for step in importing.steps():
                if _worth_telling(step) or self._now() - told >= _TELL_SECONDS:
                    told = self._now()
                    self._step.emit(number, step)
        except (UserFacingError, OSError) as error:
            self._step.emit(number, error)
        except BaseException as error:
            sentence = f"Inro has a fault ({type(error).__name__}); nothing of the file is kept."
            self._step.emit(number, UserFacingError(sentence))
            raise
        finally:
            self._import = None

    def _unwanted(self, number: int) -> bool:
        return number != self._import_number or (self._progress is not None and self._progress.cancelling)

    # --- in the window's thread ---------------------------------------------------------------------------------------

    def _do(
        self, deed: Deed, work: Callable[[Administration], Any], on_done: Callable[[Any], None] | None = None
    ) -> None:
        """Do something, then look how everything stands."""

        def run() -> tuple[Any, Overview, Mapping[str, float]]:
            if deed.name != "show":
                self._deeds.tell(lambda: self._set_deed(deed))
            administration = self._administration()
            result = work(administration)
            return result, administration.overview(), self._speeds()

        def ended(result: tuple[Any, Overview, Mapping[str, float]]) -> None:
            self._set_deed(None)
            _, self._overview, self._speed_of = result
            self.overview_changed.emit(self._overview)
            if on_done is not None:
                on_done(result[0])
            self.done.emit(deed)

        def failed(error: UserFacingError | OSError) -> None:
            self._set_deed(None)
            self.failed.emit(deed, error)
            if deed.name != "show":
                self.refresh()  # It may have failed because something is not as it was shown.

        self._deeds.do(run, ended, failed)

    def _on_step(self, number: int, step: Step | UserFacingError | OSError) -> None:
        if number != self._import_number or self._progress is None:
            return
        if isinstance(step, UserFacingError | OSError):
            progress = replace(self._progress, error=step, cancelling=False)
        else:
            progress = self._progress.after(step, self._now())
        if not progress.running:
            self._import_thread = None
            self.refresh()
        self._set_progress(progress)

    def _on_switch(self, _name: object) -> None:
        self.switched.emit()

    def _set_deed(self, deed: Deed | None) -> None:
        self._deed = deed
        self.deed_changed.emit(deed)

    def _set_progress(self, progress: ImportProgress | None) -> None:
        self._progress = progress
        self.import_changed.emit(progress)


def _worth_telling(step: Step) -> bool:
    """A copy has hundreds of steps a second; a person reads a few, and the end of it."""
    from app.core.models.importing import Copying

    return not isinstance(step, Copying) or step.done_bytes >= step.total_bytes
