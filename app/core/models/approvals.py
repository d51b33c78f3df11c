"""Which models may answer now: what the record says, and whether the engine is still the one they were approved for."""

from __future__ import annotations

from collections.abc import Callable

from app.core.engine.build import installed_build
from app.core.errors import NotApproved
from app.core.models import events
from app.core.models.record import Record
from app.core.models.standing import ModelStanding, Standing, after, fold


class Approvals:
    """Args: backend: the engine that the application runs; an approval is for one engine."""

    def __init__(self, record: Record, backend: Callable[[], str] = installed_build) -> None:
        self._record, self._backend = record, backend

    def standing(self) -> Standing:
        """How the models stand now; a change of the engine since the last approval is written down first.

        Raises CheckRefused when the record was changed.
        """
        found = fold(self._record.read().lines)
        if found.backend in ("", backend := self._backend()):
            return found
        changed = events.BackendChanged(backend=backend)
        try:
            with self._record.open() as chain:
                # Another process may have seen it too, in the meantime.
                if fold(chain.lines).backend != backend:
                    chain.append(changed)
                return fold(chain.lines)
        except OSError:
            return after(found, changed)  # A disk that cannot be written to keeps no approval alive.


def check_approved(model: ModelStanding) -> None:
    """Raises NotApproved, which says why not, unless it is approved."""
    if model.state == "approved":
        return
    what = {
        "": "it waits for an administrator's approval",
        "withdrawn": f"its approval was withdrawn ({model.reason})",
        "manifest": "it came with another manifest since it was approved, and must be approved again",
        "engine": "the engine was updated since it was approved, and it must be approved again",
        "key": "the key that its manifest is signed with is no longer trusted, and it must be approved again",
        "policy": "the policy now asks for a trusted signature",
    }[model.cause]
    if model.state == "removed":
        what = f"it was removed ({model.reason})"
    raise NotApproved(f"{model.name} cannot be used: {what}. inro models list shows what there is.")
