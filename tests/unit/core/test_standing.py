"""How models stand: what each event changes, by equality."""

from __future__ import annotations

import pytest

from app.core.models import events
from app.core.models.events import Event
from app.core.models.standing import ModelStanding, Policy, Standing, after, previous

A, B, C = "a" * 64, "b" * 64, "c" * 64
PAPERS, OTHER_PAPERS, KEY = "1" * 64, "2" * 64, "f" * 16


def stand(*happened: Event) -> Standing:
    standing = Standing()
    for event in happened:
        standing = after(standing, event)
    return standing


def imported(model: str = A, manifest: str = PAPERS, key: str = KEY) -> events.Imported:
    return events.Imported(model=model, name=f"model {model[0]}", manifest_sha256=manifest, key_id=key)


def approved(model: str = A, key: str = KEY) -> events.Approved:
    return events.Approved(
        model=model, name=f"model {model[0]}", manifest_sha256=PAPERS, key_id=key, backend="engine 1", reason="tried"
    )


def withdrawn(model: str = A) -> events.Withdrawn:
    return events.Withdrawn(model=model, name=f"model {model[0]}", reason="errs")


def removed(model: str = A) -> events.Removed:
    return events.Removed(model=model, name=f"model {model[0]}", reason="old")


def used(model: str) -> events.Switched:
    return events.Switched(model=model, name="x")


def back(model: str) -> events.RolledBack:
    return events.RolledBack(model=model, name="x")


WAITING = ModelStanding("waiting", "model a", PAPERS, KEY)
APPROVED = ModelStanding("approved", "model a", PAPERS, KEY, "tried")
REFUSING = events.PolicyChanged(unsigned="refuse", named="allow")
NEW_ENGINE = events.BackendChanged(backend="engine 2")


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        ([imported()], WAITING),
        ([imported(), approved()], APPROVED),
        ([imported(), approved(), imported()], APPROVED),
        (
            [imported(), approved(), imported(manifest=OTHER_PAPERS)],
            ModelStanding("to_reapprove", "model a", OTHER_PAPERS, KEY, "", "manifest"),
        ),
        ([imported(), imported(manifest=OTHER_PAPERS, key="")], ModelStanding("waiting", "model a", OTHER_PAPERS)),
        ([imported(), withdrawn()], ModelStanding("waiting", "model a", PAPERS, KEY, "errs", "withdrawn")),
        ([imported(), approved(), withdrawn()], ModelStanding("waiting", "model a", PAPERS, KEY, "errs", "withdrawn")),
        ([withdrawn()], ModelStanding("waiting", "model a", "", "", "errs", "withdrawn")),
        ([imported(), approved(), removed()], ModelStanding("removed", "model a", reason="old")),
        ([imported(), approved(), removed(), imported()], WAITING),
        (
            [imported(), approved(), NEW_ENGINE],
            ModelStanding("to_reapprove", "model a", PAPERS, KEY, "tried", "engine"),
        ),
        ([imported(), approved(), NEW_ENGINE, approved()], APPROVED),
        ([imported(), NEW_ENGINE], WAITING),
        (
            [imported(), approved(), events.KeyDistrusted(key_id=KEY, name="x")],
            ModelStanding("to_reapprove", "model a", PAPERS, KEY, "tried", "key"),
        ),
        ([imported(), approved(), events.KeyDistrusted(key_id="0" * 16, name="x")], APPROVED),
        ([imported(), approved(), REFUSING], APPROVED),
        (
            [imported(key=""), approved(key=""), REFUSING],
            ModelStanding("to_reapprove", "model a", PAPERS, "", "tried", "policy"),
        ),
    ],
)
def test_a_model_after_what_happened(happened: list[Event], expected: ModelStanding) -> None:
    assert stand(*happened).models == {A: expected}


def test_what_happens_to_one_model_is_nothing_to_another() -> None:
    standing = stand(imported(), approved(), imported(B), approved(B), withdrawn())
    assert {model: found.state for model, found in standing.models.items()} == {A: "waiting", B: "approved"}


def test_a_model_that_the_record_does_not_know_waits() -> None:
    assert Standing().of(A, "from before") == ModelStanding("waiting", "from before")


def test_policy_keys_engine_and_pin() -> None:
    trusted = events.KeyTrusted(key_id=KEY, name="Model team")
    allowing = events.PolicyChanged(unsigned="allow", named="refuse")
    assert stand(trusted, allowing, events.PinSet(before="none"), NEW_ENGINE) == Standing(
        policy=Policy("allow", "refuse"), keys={KEY: "Model team"}, pin_set=True, backend="engine 2"
    )
    assert stand(trusted, events.KeyDistrusted(key_id=KEY, name="Model team")) == Standing()
    assert Standing().policy == Policy("refuse", "allow")


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        ([], None),
        ([used(A)], ""),
        ([used(A), used(B)], A),
        ([used(A), used(B), used(B)], A),
        ([used(A), used(B), back(A)], ""),
        ([used(A), used(B), back(A), used(C)], A),
        ([used(A), used(B), used(A)], B),
        ([used(A), used(B), used(C), withdrawn(B)], A),
        ([used(A), used(B), withdrawn(A)], ""),
        ([used(A), used(""), used(B), removed(A)], ""),
        ([used(A), back("")], None),
        ([used(A), used(B), back(""), used(B)], ""),
    ],
)
def test_the_model_before(happened: list[Event], expected: str | None) -> None:
    start = [event for model in (A, B, C) for event in (imported(model), approved(model))]
    assert previous(stand(*start, *happened), {A, B, C}) == expected


def test_what_is_no_longer_in_the_library_is_passed_over() -> None:
    standing = stand(imported(), approved(), imported(B), approved(B), used(A), used(B))
    assert previous(standing, {B}) == ""
