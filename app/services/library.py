"""The models of this machine as the window sees them, and what a person does with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import QObject, Signal

from app.core.errors import UserFacingError
from app.services.deeds import Deeds, Failure

if TYPE_CHECKING:
    from app.core.models.administration import Administration
    from app.core.models.events import Rule
    from app.core.models.local_results import LocalResults
    from app.core.models.overview import Entry, Overview
    from app.core.models.pin import Authority
    from app.core.models.signing import PublicKey

    _Read = tuple[Overview, Mapping[str, LocalResults], Mapping[str, float]]

DeedName = Literal["approve", "withdraw", "remove", "use", "roll_back", "policy", "trust", "distrust"]

_TELL_SECONDS = 0.1


@dataclass(frozen=True)
class Deed:
    """Something that is being done. `total_bytes` is 0 where it takes no time worth telling."""

    name: DeedName
    model: str = ""
    """SHA-256; empty for the demonstration model, or none."""
    done_bytes: int = 0
    total_bytes: int = 0
    seconds: float = 0.0
    """Since it began to read."""

    @property
    def seconds_left(self) -> float | None:
        if not self.done_bytes:
            return None
        return self.seconds * (self.total_bytes - self.done_bytes) / self.done_bytes


class DeedCancelled(UserFacingError):
    def __init__(self) -> None:
        super().__init__("It was cancelled; nothing was changed.")


class LibraryService(QObject):
    """`overview_changed` when the models were read anew, after everything that was done too; `unreadable` tells why
    they could not be. `deed_changed` tells what is being done, or None; `failed` the deed and the error of one whose
    caller does not ask for it; `switched` that another model is to answer.

    Args:
        administration: made when it is first asked for, in a thread.
        speeds: tokens a second that answers had here, by the model's SHA-256.
        results: what benchmarks measured here, by the same.
        now: seconds of a monotonic clock.
    """

    overview_changed = Signal(object)
    unreadable = Signal(object)
    deed_changed = Signal(object)
    failed = Signal(object, object)
    switched = Signal()

    def __init__(
        self,
        administration: Callable[[], Administration],
        speeds: Callable[[], Mapping[str, float]],
        results: Callable[[], Mapping[str, LocalResults]],
        now: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._administration, self._speeds, self._results, self._now = administration, speeds, results, now
        # What only reads does not wait for an approval that reads gigabytes.
        self._deeds, self._reads = Deeds(self), Deeds(self)
        self._deed: Deed | None = None
        self._overview: Overview | None = None
        self._speed_of: Mapping[str, float] = {}
        self._results_of: Mapping[str, LocalResults] = {}
        self._cancelled = threading.Event()

    @property
    def overview(self) -> Overview | None:
        """None until it was first read."""
        return self._overview

    @property
    def deed(self) -> Deed | None:
        """What is being done now."""
        return self._deed

    def speed(self, entry: Entry) -> float | None:
        """Tokens a second of this model's latest answers on this PC."""
        return self._speed_of.get(entry.file_sha256)

    def results(self, entry: Entry) -> LocalResults | None:
        """What benchmarks measured of this model on this PC."""
        return self._results_of.get(entry.file_sha256)

    # --- reading ------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read everything anew."""

        def read() -> _Read:
            overview, results = self._administration().overview(), self._results()
            try:
                return overview, results, self._speeds()
            except (UserFacingError, OSError):
                return overview, results, {}  # The history's trouble is the page of questions' to tell.

        self._reads.do(read, self._show, self.unreadable.emit)

    def record(self, on_done: Callable[[Any], None], on_failure: Callable[[Failure], None]) -> None:
        """Read the record; `on_done` is called with its `Contents`."""
        self._reads.do(lambda: self._administration().record.read(), on_done, on_failure)

    def export_record(self, file: Path, on_done: Callable[[], None], on_failure: Callable[[Failure], None]) -> None:
        """Write the record to a new file."""
        self._reads.do(lambda: self._administration().record.export_to(file), lambda _: on_done(), on_failure)

    # --- deeds --------------------------------------------------------------------------------------------------------

    def approve(
        self,
        authority: Authority,
        entry: Entry,
        reason: str,
        on_done: Callable[[], None],
        on_failure: Callable[[Failure], None],
    ) -> None:
        """With the manifest that `entry` was shown with. The file is read again; `cancel` ends that."""
        began, told = self._now(), 0.0
        deed = Deed("approve", entry.sha256, total_bytes=entry.file_bytes)

        def read(count: int) -> None:
            nonlocal deed, told
            if self._cancelled.is_set():
                raise DeedCancelled
            now = self._now()
            deed = replace(deed, done_bytes=deed.done_bytes + count, seconds=now - began)
            if now - told >= _TELL_SECONDS:
                told = now
                self._deeds.tell(partial(self._set_deed, deed))

        manifest = entry.examined.manifest_sha256 if entry.examined is not None else None
        self._cancelled.clear()
        self._do(deed, lambda each: each.approve(authority, entry.sha256, reason, read, manifest), on_done, on_failure)

    def withdraw(
        self,
        authority: Authority,
        entry: Entry,
        reason: str,
        on_done: Callable[[], None],
        on_failure: Callable[[Failure], None],
    ) -> None:
        deed = Deed("withdraw", entry.sha256)
        self._do(deed, lambda each: each.withdraw(authority, entry.sha256, reason), on_done, on_failure)

    def remove(
        self,
        authority: Authority,
        entry: Entry,
        reason: str,
        on_done: Callable[[], None],
        on_failure: Callable[[Failure], None],
    ) -> None:
        deed = Deed("remove", entry.sha256)
        self._do(deed, lambda each: each.remove(authority, entry.sha256, reason), on_done, on_failure)

    def cancel(self) -> None:
        """End an approval that is reading its file."""
        self._cancelled.set()

    def use(self, model: str) -> None:
        """Let a model answer; empty is the demonstration model."""
        from app.core.models.administration import DEMONSTRATION_NAME

        name = model or DEMONSTRATION_NAME
        self._do(Deed("use", model), lambda each: each.use(name), self.switched.emit)

    def roll_back(self) -> None:
        """Let the model answer that was in use before: the one that the overview names."""
        back = self._overview.back_to if self._overview is not None else None
        if back is not None:
            self._do(Deed("roll_back", back.sha256), lambda each: each.roll_back(back.sha256), self.switched.emit)

    def set_policy(
        self,
        authority: Authority,
        unsigned: Rule | None,
        named: Rule | None,
        on_failure: Callable[[Failure], None] | None = None,
    ) -> None:
        """None leaves a rule as it is."""
        self._do(Deed("policy"), lambda each: each.set_policy(authority, unsigned, named), on_failure=on_failure)

    def trust(self, authority: Authority, key: PublicKey, on_failure: Callable[[Failure], None] | None = None) -> None:
        self._do(Deed("trust"), lambda each: each.trust(authority, key), on_failure=on_failure)

    def distrust(
        self, authority: Authority, key: PublicKey, on_failure: Callable[[Failure], None] | None = None
    ) -> None:
        self._do(Deed("distrust"), lambda each: each.distrust(authority, key), on_failure=on_failure)

    def close(self) -> None:
        self._cancelled.set()
        self._deeds.close()
        self._reads.close()

    # --- in the window's thread ---------------------------------------------------------------------------------------

    def _do(
        self,
        deed: Deed,
        work: Callable[[Administration], Any],
        on_done: Callable[[], None] | None = None,
        on_failure: Callable[[Failure], None] | None = None,
    ) -> None:
        def run() -> None:
            self._deeds.tell(partial(self._set_deed, deed))
            work(self._administration())

        def done(_: None) -> None:
            self._set_deed(None)
            if on_done is not None:
                on_done()
            self.refresh()

        def failed(error: Failure) -> None:
            self._set_deed(None)
            if on_failure is not None:
                on_failure(error)
            else:
                self.failed.emit(deed, error)
            self.refresh()  # It may have failed because something is not as it was shown.

        self._deeds.do(run, done, failed)

    def _show(self, read: _Read) -> None:
        self._overview, self._results_of, self._speed_of = read
        self.overview_changed.emit(self._overview)

    def _set_deed(self, deed: Deed | None) -> None:
        self._deed = deed
        self.deed_changed.emit(deed)
