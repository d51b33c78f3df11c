"""The PIN: right or wrong, slower with each wrong one, and nowhere in what is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from app.core.errors import CheckRefused, InputError
from app.core.models.pin import Authority, PinGuard, waiting

PIN, WRONG = "hinode-42", "hinode-43"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "administrator"


@pytest.fixture
def guard(folder: Path, clock: Clock) -> PinGuard:
    guard = PinGuard(folder, clock)
    guard.set(PIN)
    return guard


def test_the_right_pin_gives_authority_and_a_wrong_one_none(guard: PinGuard, folder: Path, clock: Clock) -> None:
    assert isinstance(guard.check(PIN), Authority)
    with pytest.raises(CheckRefused, match="The PIN is wrong"):
        guard.check(WRONG)
    assert isinstance(PinGuard(folder, clock).check(PIN), Authority)


def test_full_width_digits_are_the_same_pin(folder: Path, clock: Clock) -> None:
    guard = PinGuard(folder, clock)
    guard.set("１２３４５６")
    assert isinstance(guard.check("123456"), Authority)


def test_neither_the_pin_nor_its_plain_hash_is_written(guard: PinGuard, folder: Path) -> None:
    assert PIN not in "".join(path.read_text("utf-8") for path in folder.iterdir())
    first = json.loads((folder / "pin.json").read_text("utf-8"))
    guard.set(PIN)
    second = json.loads((folder / "pin.json").read_text("utf-8"))
    assert first["salt"] != second["salt"]
    assert first["hash"] != second["hash"]


@pytest.mark.parametrize("pin", ["", "12345", "x" * 129])
def test_a_pin_out_of_bounds_cannot_be_chosen(folder: Path, pin: str) -> None:
    with pytest.raises(InputError, match="6 to 128"):
        PinGuard(folder).set(pin)
    assert not folder.exists()


def test_without_a_pin_it_says_how_to_set_one(folder: Path) -> None:
    with pytest.raises(InputError, match="inro models pin set"):
        PinGuard(folder).check(PIN)


def test_wrong_pins_slow_down_across_processes_and_the_right_one_has_to_wait_too(
    guard: PinGuard, folder: Path, clock: Clock
) -> None:
    for _ in range(3):
        with pytest.raises(CheckRefused, match="is wrong"):
            guard.check(WRONG)
    again = PinGuard(folder, clock)
    with pytest.raises(CheckRefused, match="wait 5 seconds"):
        again.check(PIN)
    clock.now += 4.5
    with pytest.raises(CheckRefused, match="wait 1 seconds"):
        again.check(PIN)
    clock.now += 0.5
    with pytest.raises(CheckRefused, match="is wrong"):
        again.check(WRONG)
    with pytest.raises(CheckRefused, match="wait 10 seconds"):
        again.check(PIN)
    clock.now += 10
    assert isinstance(again.check(PIN), Authority)
    with pytest.raises(CheckRefused, match="is wrong"):
        again.check(WRONG)


def test_a_clock_that_was_put_back_locks_nobody_out(guard: PinGuard, clock: Clock) -> None:
    for _ in range(3):
        with pytest.raises(CheckRefused):
            guard.check(WRONG)
    clock.now -= 1_000_000
    with pytest.raises(CheckRefused, match="wait 5 seconds"):
        guard.check(PIN)
    clock.now += 5
    assert isinstance(guard.check(PIN), Authority)


def test_a_count_that_was_tampered_with_waits_longest(guard: PinGuard, folder: Path, clock: Clock) -> None:
    (folder / "attempts.json").write_bytes(b'{"wrong": -1, "last": 0}')
    with pytest.raises(CheckRefused, match="wait 900 seconds"):
        guard.check(PIN)
    clock.now += 900
    assert isinstance(guard.check(PIN), Authority)


@pytest.mark.parametrize(
    ("wrong", "elapsed", "seconds"),
    [(0, 0, 0), (2, 0, 0), (3, 0, 5), (3, 5, 0), (4, 1, 9), (5, 0, 20), (11, 0, 900), (1_000_000, 899, 1)],
)
def test_the_wait_doubles_up_to_a_quarter_of_an_hour(wrong: int, elapsed: float, seconds: float) -> None:
    assert waiting(wrong, elapsed) == seconds


@pytest.mark.parametrize(
    "change", [{"n": 2**30}, {"r": 10_000}, {"salt": "x"}, {"format": "other"}, {"more": 1}, {"n": 1}]
)
def test_a_hash_file_that_was_tampered_with_is_refused(
    guard: PinGuard, folder: Path, change: dict[str, object]
) -> None:
    path = folder / "pin.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}), encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        guard.check(PIN)


def test_a_hash_file_of_any_size_is_refused(guard: PinGuard, folder: Path) -> None:
    os.truncate(folder / "pin.json", 10_000_000_000)
    with pytest.raises(InputError, match="larger than"):
        guard.check(PIN)
