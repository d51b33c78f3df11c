"""Models without an engine, for tests of what asks them: numbers and texts are functions of what is asked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

from app.core.engine.client import EngineError
from app.core.engine.protocol import Failed, FailureCode
from evaluation.items import Item
from evaluation.labels import letters
from evaluation.runs.backend import AnswerScore, Decoding, Prompt, Question, Refused, Scored, Written
from evaluation.runs.records import RunEngine, RunModel

_SHOWN = re.compile(r"^([a-z])\. (.*)$", re.MULTILINE)


def text_of(prompt: Prompt) -> str:
    """All that is said before the answer."""
    return prompt.text if prompt.text is not None else "\n".join(turn.content for turn in prompt.messages)


def fraction(text: str) -> float:
    """From 0 to 1, another one for each text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


class MemoryBackend:
    """Groups of three. Numbers depend a little on who else is asked in the group, as rounding does in an engine.

    What was asked is in `shared`, `windows` (sizes), `scored` and `written`.
    """

    model = RunModel(file="memory", sha256="0" * 64)
    engine = RunEngine()

    def __init__(self) -> None:
        self.shared: list[int] = []
        self.windows: list[int] = []
        self.scored: list[tuple[Question, ...]] = []
        self.written: list[tuple[tuple[Prompt, ...], Decoding]] = []

    def share(self, prompts: Sequence[Prompt]) -> None:
        self.shared.append(len(prompts))

    def groups(self, asked: Sequence[Sequence[Question]], decoding: Decoding | None) -> Sequence[range]:
        self.windows.append(len(asked))
        return [range(start, min(start + 3, len(asked))) for start in range(0, len(asked), 3)]

    def score(self, questions: Sequence[Question]) -> list[Scored | Refused]:
        self.scored.append(tuple(questions))
        group = "|".join(text_of(question.prompt) for question in questions)
        return [self._scored(question, group) for question in questions]

    def _scored(self, question: Question, group: str) -> Scored | Refused:
        answers = [AnswerScore(self.logprob(question, answer), len(answer), False) for answer in question.answers]
        rounding = 1e-9 * fraction(group)
        return Scored(tuple(AnswerScore(one.logprob - rounding, one.tokens, one.greedy) for one in answers), 7)

    def logprob(self, question: Question, answer: str) -> float:
        return -9 * fraction(text_of(question.prompt) + answer)

    def write(self, prompts: Sequence[Prompt], decoding: Decoding) -> list[Written | Refused]:
        self.written.append((tuple(prompts), decoding))
        return [self._written(prompt, decoding) for prompt in prompts]

    def _written(self, prompt: Prompt, decoding: Decoding) -> Written | Refused:
        texts = tuple(self.text(prompt, decoding.seed + sample) for sample in range(decoding.samples))
        return Written(texts, tuple("stop" for _ in texts))

    def text(self, prompt: Prompt, seed: int) -> str:
        return "abcd"[int(4 * fraction(f"{seed} {text_of(prompt)}"))]


class Knowing(MemoryBackend):
    """A model that knows the right options' texts, and finds them wherever they are shown."""

    def __init__(self, items: Sequence[Item]) -> None:
        super().__init__()
        self._right = {text for item in items for position, text in enumerate(item.options) if position in item.answers}

    def logprob(self, question: Question, answer: str) -> float:
        shown = dict(_SHOWN.findall(text_of(question.prompt)))
        known = shown.get(answer.strip(), answer.strip()) in self._right
        return -0.1 if known else -5 - fraction(answer)

    def text(self, prompt: Prompt, seed: int) -> str:
        shown = _SHOWN.findall(text_of(prompt))
        if shown:
            return ",".join(letter for letter, text in shown if text in self._right)
        *_, line = (line for line in text_of(prompt).splitlines() if "," in line)
        return ",".join(text for text in line.split(",") if text in self._right)


class Fond(MemoryBackend):
    """A model that always answers with the first letter, whatever is behind it."""

    def logprob(self, question: Question, answer: str) -> float:
        return -float(letters(26).index(answer.strip()))


class Refusing(MemoryBackend):
    """Refuses the questions that `refuses` names."""

    def __init__(self, refuses: Callable[[str], bool]) -> None:
        super().__init__()
        self._refuses = refuses

    def _scored(self, question: Question, group: str) -> Scored | Refused:
        if self._refuses(text_of(question.prompt)):
            return Refused("too_long", "It is too long.")
        return super()._scored(question, group)

    def _written(self, prompt: Prompt, decoding: Decoding) -> Written | Refused:
        if self._refuses(text_of(prompt)):
            return Refused("failed", "The engine died.")
        return super()._written(prompt, decoding)


class Mortal(MemoryBackend):
    """Fails for good at the `calls`-th group, as an engine whose machine has no more memory."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._left = calls

    def score(self, questions: Sequence[Question]) -> list[Scored | Refused]:
        self._spend()
        return super().score(questions)

    def write(self, prompts: Sequence[Prompt], decoding: Decoding) -> list[Written | Refused]:
        self._spend()
        return super().write(prompts, decoding)

    def _spend(self) -> None:
        if not self._left:
            raise engine_error("not_enough_memory")
        self._left -= 1


def engine_error(code: FailureCode) -> EngineError:
    return EngineError(Failed(code=code, message=f"The engine says {code}."))
