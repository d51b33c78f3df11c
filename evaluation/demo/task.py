"""What a benchmark is to the runner: items that are asked one by one, and the judgement of one answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.core.language import Language


@dataclass(frozen=True)
class Split:
    """A group of items that is reported by itself. Nothing is pooled over splits."""

    name: str
    description: str
    """What a right answer shows, and what it does not."""
    seen_in_training: bool
    """Whether a model trained on this task's own corpus has seen these very questions."""
    chance: float | None = None
    """The accuracy of guessing; None where guessing is hopeless."""


@dataclass(frozen=True)
class Exercise:
    id: str
    """Unique within its split; the same in every language."""
    split: str
    question: str
    """Sent as it is, as the only message of a conversation."""
    reference: str
    """The expected answer, for a person who reads the results."""


@dataclass(frozen=True)
class Verdict:
    right: bool
    """Wrong language included: an answer in the wrong language is not right, where the task demands a language."""
    wrong_language: bool


class Task(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def splits(self) -> tuple[Split, ...]: ...

    @property
    def max_tokens(self) -> int:
        """Where an answer is cut off."""
        ...

    def items(self, language: Language) -> tuple[Exercise, ...]:
        """Every item, in the order of asking."""
        ...

    def fingerprint(self, language: Language) -> str:
        """SHA-256 of the items and of what they are judged by: scores with different ones cannot be compared."""
        ...

    def evaluate(self, item: Exercise, answer: str, language: Language) -> Verdict:
        """Judge what the model answered to `item`. Pure: the same answer always gets the same verdict."""
        ...
