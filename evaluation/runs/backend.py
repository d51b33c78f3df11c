"""What a model is to a run, whoever runs it: probabilities of given answers, and answers of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from app.core.engine.protocol import Turn
from evaluation.runs.records import RunEngine, RunModel


@dataclass(frozen=True)
class Prompt:
    """What comes before an answer: a conversation that ends with a question, or a text to go on from."""

    messages: tuple[Turn, ...] = ()
    """Rendered with the model's own chat template; empty where there is a `text`."""
    text: str | None = None


@dataclass(frozen=True)
class Question:
    """A prompt and the answers whose probabilities are asked for."""

    prompt: Prompt
    answers: tuple[str, ...]


@dataclass(frozen=True)
class AnswerScore:
    logprob: float
    """Nats: of the answer after its prompt, summed over its tokens, among all texts. Finite."""
    tokens: int
    """How many tokens the sum goes over: from where the first answer of the question departs from the prompt's own."""
    greedy: bool
    """Whether each of them was the most likely one."""


@dataclass(frozen=True)
class Scored:
    answers: tuple[AnswerScore, ...]
    """One for each answer of the question, in its order."""
    prompt_tokens: int | None = None


@dataclass(frozen=True)
class Decoding:
    """How answers are written. Temperature 0 is greedy."""

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    """An answer ends before the first of them."""
    grammar: str | None = None
    """GBNF."""
    samples: int = 1
    """Answers to each prompt; sample i is drawn with seed + i."""


@dataclass(frozen=True)
class Written:
    texts: tuple[str, ...]
    """One for each sample."""
    finishes: tuple[Literal["stop", "length"], ...]
    prompt_tokens: int | None = None


@dataclass(frozen=True)
class Refused:
    """A question that gave nothing; the others go on."""

    status: Literal["too_long", "failed"]
    reason: str
    """A sentence."""


class Backend(Protocol):
    """`score` and `write` return one outcome for each question, in order; what ends the run raises UserFacingError.

    The same call gives the same outcome, whatever was asked before.
    """

    @property
    def model(self) -> RunModel: ...

    @property
    def engine(self) -> RunEngine: ...

    def share(self, prompts: Sequence[Prompt]) -> None:
        """Evaluate what these prompts, a sample of those to come, begin with only once."""
        ...

    def groups(self, asked: Sequence[Sequence[Question]], decoding: Decoding | None) -> Sequence[range]:
        """Which neighbours are best asked together: places in `asked`, which holds the questions about each item.

        They are to be written, or scored where `decoding` is None. The same groups come from the same arguments.
        """
        ...

    def score(self, questions: Sequence[Question]) -> Sequence[Scored | Refused]: ...

    def write(self, prompts: Sequence[Prompt], decoding: Decoding) -> Sequence[Written | Refused]: ...
