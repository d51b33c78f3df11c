"""How the models of this machine stand: a pure fold over its record. It is never stored, so that it cannot differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal

from app.core.models import events
from app.core.models.events import Event, Line, Rule

State = Literal["waiting", "approved", "to_reapprove", "removed"]
Cause = Literal["", "withdrawn", "manifest", "engine", "key", "policy"]
"""Why an approval is gone: taken back, or something changed that it was given for."""

DEMONSTRATION = ""
"""How the record names the demonstration model, which needs no approval."""


@dataclass(frozen=True)
class Policy:
    """`unsigned`: may a model without a trusted signature be approved? `named`: may a person answer with a file named
    on the command line, which nobody approved?"""

    unsigned: Rule = "refuse"
    named: Rule = "allow"


@dataclass(frozen=True)
class ModelStanding:
    """`reason` is what a person gave for the last approval, withdrawal or removal."""

    state: State
    name: str
    manifest_sha256: str = ""
    key_id: str = ""
    reason: str = ""
    cause: Cause = ""
    parts: str = ""


@dataclass(frozen=True)
class Standing:
    models: Mapping[str, ModelStanding] = field(default_factory=dict)
    """By SHA-256."""
    used: tuple[str, ...] = (DEMONSTRATION,)
    """The models that answered, the last one answering now; what was gone back from is left out."""
    policy: Policy = Policy()
    keys: Mapping[str, str] = field(default_factory=dict)
    """The trusted keys' names, by key id."""
    backend: str = ""
    """The engine that approvals were given for; empty before the first."""
    pin_set: bool = False

    def of(self, sha256: str, name: str) -> ModelStanding:
        """A model in the library that the record does not know, for one brought in before there was one, waits."""
        return self.models.get(sha256) or ModelStanding("waiting", name)


def fold(lines: Iterable[Line]) -> Standing:
    return reduce(after, (line.event for line in lines), Standing())


def after(standing: Standing, event: Event) -> Standing:
    """How things stand once `event` has happened."""
    match event:
        case events.Imported():
            return _with(standing, event.model, _imported(standing.models.get(event.model), event))
        case events.Approved(model=model):
            return replace(_with(standing, model, _approved(event)), backend=event.backend)
        case events.Withdrawn(model=model, name=name, reason=reason):
            known = standing.of(model, name)
            return _with(standing, model, replace(known, state="waiting", reason=reason, cause="withdrawn"))
        case events.Removed(model=model, name=name, reason=reason):
            return _with(standing, model, ModelStanding("removed", name, reason=reason))
        case events.Switched(model=model):
            return replace(standing, used=standing.used if standing.used[-1] == model else (*standing.used, model))
        case events.RolledBack(model=model):
            return replace(standing, used=_back_to(standing.used, model))
        case events.PolicyChanged(unsigned=unsigned, named=named):
            changed = replace(standing, policy=Policy(unsigned, named))
            return changed if unsigned == "allow" else _again(changed, "policy", lambda model: not model.key_id)
        case events.KeyTrusted(key_id=key_id, name=name):
            return replace(standing, keys={**standing.keys, key_id: name})
        case events.KeyDistrusted(key_id=key_id):
            changed = replace(standing, keys={key: name for key, name in standing.keys.items() if key != key_id})
            return _again(changed, "key", lambda model: model.key_id == key_id)
        case events.BackendChanged(backend=backend):
            return _again(replace(standing, backend=backend), "engine", lambda model: True)
        case events.PinSet() | events.BegunAnew(pin="given"):
            return replace(standing, pin_set=True)
        case events.Begun() | events.BegunAnew():
            return standing


def previous(standing: Standing, there: Collection[str]) -> str | None:
    """The model that was in use before and may be used again: the demonstration model, or an approved one that is
    among those in the library."""
    for model in reversed(standing.used[:-1]):
        if model == standing.used[-1]:
            continue
        known = standing.models.get(model)
        if model == DEMONSTRATION or (model in there and known is not None and known.state == "approved"):
            return model
    return None


def _approved(event: events.Approved) -> ModelStanding:
    return ModelStanding(
        "approved", event.name, event.manifest_sha256, event.key_id, reason=event.reason, parts=event.parts
    )


def _imported(known: ModelStanding | None, event: events.Imported) -> ModelStanding:
    brought = ModelStanding("waiting", event.name, event.manifest_sha256, event.key_id, parts=event.parts)
    if known is None or known.state in ("waiting", "removed"):
        return brought
    if (known.manifest_sha256, known.key_id, known.parts) == (event.manifest_sha256, event.key_id, event.parts):
        return known  # The same once more changes nothing.
    return replace(brought, state="to_reapprove", cause="manifest")


def _again(standing: Standing, cause: Cause, concerned: Callable[[ModelStanding], bool]) -> Standing:
    models = {
        sha256: replace(model, state="to_reapprove", cause=cause)
        if model.state == "approved" and concerned(model)
        else model
        for sha256, model in standing.models.items()
    }
    return replace(standing, models=models)


def _with(standing: Standing, sha256: str, model: ModelStanding) -> Standing:
    return replace(standing, models={**standing.models, sha256: model})


def _back_to(used: tuple[str, ...], model: str) -> tuple[str, ...]:
    earlier = used[:-1]
    while earlier and earlier[-1] != model:
        earlier = earlier[:-1]
    return earlier or (model,)
