"""`inro models approve`, `withdraw`, `remove`, `rollback`, `policy` and `pin`: what the administrator decides."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from app.commands.terminal import Counter, read_new_secret, read_secret
from app.core.command import print_json
from app.core.errors import ExitCode, InputError
from app.core.models.administration import Administration
from app.core.models.events import Rule
from app.core.models.library import ModelLibrary
from app.core.models.pin import Authority, PinGuard, check_new
from app.core.paths import Paths, user_paths

_PROMPT = "Administrator's PIN"


def authority(paths: Paths) -> Authority:
    """Ask for the administrator's PIN. Raises InputError while none is set, CheckRefused for a wrong one."""
    guard = PinGuard(paths.administrator)
    if not guard.is_set:
        # Before anything is typed.
        raise InputError("this is the administrator's to do, and no PIN is set yet. Set one with: inro models pin set")
    return guard.check(read_secret(_PROMPT))


def approve(name: str, reason: str) -> int:
    paths = user_paths()
    file_bytes = ModelLibrary(paths.models).find(name).file_bytes
    model = Administration(paths).approve(authority(paths), name, reason, Counter("reading", file_bytes))
    print(f"{model.name} is approved. Use it with: inro models use {model.sha256[:12]}")
    return ExitCode.DONE


def withdraw(name: str, reason: str) -> int:
    paths = user_paths()
    model = Administration(paths).withdraw(authority(paths), name, reason)
    print(f"{model.name} is not approved. It cannot be chosen, and answers no more from the next start on.")
    return ExitCode.DONE


def remove(name: str, reason: str) -> int:
    paths = user_paths()
    model = Administration(paths).remove(authority(paths), name, reason)
    print(f"{model.name} is removed from this machine; what was recorded of it stays.")
    return ExitCode.DONE


def roll_back() -> int:
    print(f"{Administration(user_paths()).roll_back()}, which was in use before, answers from the next start on.")
    return ExitCode.DONE


def policy(unsigned: Rule | None, named: Rule | None, *, as_json: bool) -> int:
    paths = user_paths()
    administration = Administration(paths)
    if unsigned is not None or named is not None:
        administration.set_policy(authority(paths), unsigned, named)
    found = administration.standing().policy
    if as_json:
        print_json(asdict(found))
    else:
        print(f"models without a trusted signature may be approved:      {_may(found.unsigned)}")
        print(f"files that nobody approved may be used with --model:     {_may(found.named)}")
    return ExitCode.DONE


def set_pin() -> int:
    paths = user_paths()
    guard = PinGuard(paths.administrator)
    given = guard.check(read_secret(f"{_PROMPT} until now")) if guard.is_set else None
    pin = read_new_secret("New PIN")
    check_new(pin)
    Administration(paths).set_pin(guard, given, pin)
    print("The PIN is set. It is asked for when models are approved or removed, and for policy and keys.")
    return ExitCode.DONE


def _may(rule: Rule) -> Literal["yes", "no"]:
    return "yes" if rule == "allow" else "no"
