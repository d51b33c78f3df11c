"""The administrator at the window: signed in by the PIN, until some minutes have passed without anything to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from app.core.errors import UserFacingError
from app.services.deeds import Deeds, Failure

if TYPE_CHECKING:
    from app.core.models.administration import Administration
    from app.core.models.pin import Authority, PinGuard

MINUTES = 15
_TICK_MILLISECONDS = 5000


class LockedMeanwhile(UserFacingError):
    def __init__(self) -> None:
        super().__init__("It was locked in the meantime; nothing was done.")


class AdministratorService(QObject):
    """`changed` when somebody signed in, was locked out, or the minutes left are others.

    Args:
        guard, administration: made when they are first asked for.
        now: seconds since 1970. Not a clock that stops while a laptop sleeps: it may wake in other hands.
    """

    changed = Signal()

    def __init__(
        self,
        guard: Callable[[], PinGuard],
        administration: Callable[[], Administration],
        now: Callable[[], float] = time.time,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._guard, self._administration, self._now = guard, administration, now
        self._authority: Authority | None = None
        self._since = 0.0
        self._told_minutes = 0
        self._session = 0
        self.deeds = Deeds(self)
        self._timer = QTimer(self, interval=_TICK_MILLISECONDS)
        self._timer.timeout.connect(self.tick)

    @property
    def pin_is_set(self) -> bool:
        return self._guard().is_set

    @property
    def signed_in(self) -> bool:
        # A clock that was put back ends it too.
        return self._authority is not None and 0 <= self._now() - self._since < 60 * MINUTES

    @property
    def minutes_left(self) -> int:
        """Until it locks, rounded up; 0 when it is locked."""
        return int(-(-(self._since + 60 * MINUTES - self._now()) // 60)) if self.signed_in else 0

    def authority(self) -> Authority | None:
        """What the administrator's deeds ask for; each begins the minutes anew. None when nobody is signed in."""
        if not self.signed_in:
            return None
        self._since = self._now()
        self.tick()
        return self._authority

    def check(self, pin: str, on_done: Callable[[Authority], None], on_failure: Callable[[Failure], None]) -> None:
        """Check the PIN for one deed; nobody is signed in by it."""
        self.deeds.do(lambda: self._guard().check(pin), on_done, on_failure)

    def sign_in(self, pin: str, on_done: Callable[[], None], on_failure: Callable[[Failure], None]) -> None:
        self._begin(lambda: self._guard().check(pin), on_done, on_failure)

    def choose_pin(
        self, pin: str, until_now: str | None, on_done: Callable[[], None], on_failure: Callable[[Failure], None]
    ) -> None:
        """Set the first PIN, or another one in place of `until_now`; who did so is signed in."""

        def change() -> Authority:
            guard = self._guard()
            given = guard.check(until_now) if until_now is not None else None
            self._administration().set_pin(guard, given, pin)
            return guard.check(pin)

        self._begin(change, on_done, on_failure)

    def lock(self) -> None:
        self._session += 1
        self._authority = None
        self._timer.stop()
        self._tell()

    def tick(self) -> None:
        """Lock when it is time; tell when the minutes left are others."""
        if self._authority is not None and not self.signed_in:
            self.lock()
        elif self.minutes_left != self._told_minutes:
            self._tell()

    def close(self) -> None:
        self.lock()
        self.deeds.close()

    def _begin(
        self, check: Callable[[], Authority], on_done: Callable[[], None], on_failure: Callable[[Failure], None]
    ) -> None:
        session = self._session

        def checked(authority: Authority) -> None:
            if session != self._session:
                on_failure(LockedMeanwhile())
                return
            self._authority, self._since = authority, self._now()
            self._timer.start()
            self._tell()
            on_done()

        self.deeds.do(check, checked, on_failure)

    def _tell(self) -> None:
        self._told_minutes = self.minutes_left
        self.changed.emit()
