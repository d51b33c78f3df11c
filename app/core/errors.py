"""Errors that a person is told in one plain sentence, and the exit code each kind ends a command with.

Anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What every command of this project exits with."""

    DONE = 0
    REFUSED = 1  # a check said no
    USAGE = 2  # wrong use, or input that cannot be used
    MACHINE = 3  # space, memory, or a worker process that ended
    INTERRUPTED = 130


class UserFacingError(Exception):
    """A failure with a sentence for the person: what happened, and the way out where there is one."""

    exit_code = ExitCode.USAGE


class InputError(UserFacingError):
    """A file, option or value from outside cannot be used."""


class CheckRefused(UserFacingError):
    """A check (verification, gate, hash) looked at sound input and said no."""

    exit_code = ExitCode.REFUSED


class NotApproved(CheckRefused):
    """A model that an administrator has not approved, or not again since something changed."""


class MachineError(UserFacingError):
    """The machine cannot do it now: not enough memory or space, or the worker process ended."""

    exit_code = ExitCode.MACHINE


class NoSpace(MachineError):
    """The disk is full, or would be."""


def excerpt(text: object, most: int = 200) -> str:
    """What a file from outside says, or an error says of it, for a sentence: short, and nothing that moves a cursor."""
    whole = str(text)
    short = whole if len(whole) <= most else f"{whole[:most]}…"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in short)
