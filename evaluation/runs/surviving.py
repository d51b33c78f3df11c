"""Asking an engine that may die of a question: twice together, then twice each by itself, then without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from app.core.engine.client import EngineError
from app.core.engine.protocol import FailureCode
from evaluation.runs.backend import Refused

_DEATHS = 10
"""Failures in a row after which it is not the questions."""

_RETRIED: frozenset[FailureCode] = frozenset({"worker_died", "worker_hung", "model_crashed", "compute_failed"})

S = TypeVar("S")
T = TypeVar("T")


def may_be_the_question(error: EngineError) -> bool:
    """Whether this failure may be of what was asked, so that the engine can go on with something else."""
    return error.failure.code in _RETRIED


class Survivor:
    """Counts the failures in a row of one engine."""

    def __init__(self) -> None:
        self._failures = 0

    def outcomes(self, questions: Sequence[S], ask: Callable[[Sequence[S]], Sequence[T]]) -> list[T | Refused]:
        """One for each question; those that the engine dies of twice by themselves are refused.

        Raises EngineError for what has another reason, and where dying never ends.
        """
        if not questions:
            return []
        error = None
        for _ in range(2):
            try:
                found = ask(questions)
            except EngineError as failed:
                if not may_be_the_question(failed):
                    raise
                self._failures += 1
                if self._failures >= _DEATHS:
                    raise
                error = failed
            else:
                self._failures = 0
                return [*found]
        if len(questions) > 1:
            return [outcome for question in questions for outcome in self.outcomes([question], ask)]
        return [Refused("failed", str(error))]
