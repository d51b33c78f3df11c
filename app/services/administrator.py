"""The administrator at the window: signed in by the PIN, until some minutes have passed without anything to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from app.services.deeds import Deeds

if TYPE_CHECKING:
    from app.core.models.administration import Administration
    from app.core.models.pin import Authority, PinGuard

MINUTES = 15
_TICK_MILLISECONDS = 5000


class AdministratorService(QObject):
    """`changed` when somebody signed in, was locked out, or the minutes left are others; `failed` tells why not.

    Args:
        guard, administration: made when they are first asked for.
        now: seconds since 1970. Not a clock that stops while a laptop sleeps: it may wake in other hands.
    """

    changed = Signal()
    failed = Signal(object)

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
        self._until = 0.0
        self.deeds = Deeds(self)
        self._timer = QTimer(self, interval=_TICK_MILLISECONDS)
        self._timer.timeout.connect(self.tick)

    @property
    def pin_is_set(self) -> bool:
        return self._guard().is_set

    @property
    def signed_in(self) -> bool:
        return self._authority is not None and self._now() < self._until

    @property
    def minutes_left(self) -> int:
        """Until it locks, rounded up; 0 when it is locked."""
        return int(-(-(self._until - self._now()) // 60)) if self.signed_in else 0

    def authority(self) -> Authority | None:
        """What the administrator's deeds ask for; each begins the minutes anew. None when nobody is signed in."""
        if not self.signed_in:
            return None
        self._until = self._now() + 60 * MINUTES
        self.changed.emit()
        return self._authority

    def sign_in(self, pin: str, then: Callable[[Authority], None] | None = None) -> None:
        """Check the PIN; `then` is called once it was right, `failed` tells otherwise."""

        def signed_in(authority: Authority) -> None:
            self._sign_in(authority)
            if then is not None:
                then(authority)

        self.deeds.do(lambda: self._guard().check(pin), signed_in, self.failed.emit)

    def choose_pin(self, pin: str, until_now: str | None = None) -> None:
        """Set the first PIN, or another one in place of `until_now`; who did so is signed in."""

        def change() -> Authority:
            guard = self._guard()
            given = guard.check(until_now) if until_now is not None else None
            self._administration().set_pin(guard, given, pin)
            return guard.check(pin)

        self.deeds.do(change, self._sign_in, self.failed.emit)

    def lock(self) -> None:
        self._authority = None
        self._timer.stop()
        self.changed.emit()

    def tick(self) -> None:
        if self._authority is not None and not self.signed_in:
            self.lock()
        else:
            self.changed.emit()

    def close(self) -> None:
        self.lock()
        self.deeds.close()

    def _sign_in(self, authority: Authority) -> None:
        self._authority, self._until = authority, self._now() + 60 * MINUTES
        self._timer.start()
        self.changed.emit()
