"""A model file in the project's own engine, asked many questions at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TypeVar

from app.core.engine.branches import Tree
from app.core.engine.client import EngineError
from app.core.engine.protocol import (
    Completion,
    Continuation,
    Conversation,
    Encoded,
    FailureCode,
    ModelInfo,
    Sampling,
    TokenSequence,
)
from app.core.engine.tool_client import ToolClient
from evaluation.runs.backend import AnswerScore, Decoding, Prompt, Question, Refused, Scored, Written
from evaluation.runs.records import RunEngine, RunModel

GROUP_TOKENS = 512
"""Of a group's questions beyond the shared prefix: a full batch of the engine, after which more gains nothing."""

_GROUP_ITEMS = 16
_DEATHS = 10
"""Failures in a row after which it is not the questions."""

_RETRIED: frozenset[FailureCode] = frozenset({"worker_died", "worker_hung", "model_crashed", "compute_failed"})

T = TypeVar("T")


class EngineBackend:
    """Args: engine: a client that has loaded the model. together: whether questions may share a batch."""

    def __init__(
        self, engine: ToolClient, info: ModelInfo, model: RunModel, build: RunEngine, *, together: bool = True
    ) -> None:
        self._engine, self._context_length = engine, info.context_length
        self.model, self.engine = model, build
        self.together = together
        self._prefix: tuple[int, ...] = ()
        self._encoded: dict[Question, Encoded] = {}
        self._failures = 0

    # --- what is asked together ---------------------------------------------------------------------------------------

    def share(self, prompts: Sequence[Prompt]) -> None:
        encoded = [one.prompt for one in self._engine.encode([_conversation(Question(p, ())) for p in prompts])]
        # What comes after may be tokenized otherwise where the prompts part.
        self._prefix = _common(encoded)[:-2] if len(encoded) > 1 and self.together else ()

    def groups(self, asked: Sequence[Sequence[Question]], decoding: Decoding | None) -> list[range]:
        self._encode([question for questions in asked for question in questions])
        sizes = [self._size(questions, decoding) for questions in asked]
        most = _GROUP_ITEMS if decoding is None else max(1, _GROUP_ITEMS // decoding.samples)
        groups: list[range] = []
        start, taken = 0, 0
        for place, size in enumerate(sizes):
            if place > start and (taken + size > GROUP_TOKENS or place - start >= most):
                groups.append(range(start, place))
                start, taken = place, 0
            taken += size
        return [*groups, range(start, len(sizes))] if sizes else []

    def _size(self, questions: Sequence[Question], decoding: Decoding | None) -> int:
        if decoding is not None:
            return 0  # What is written takes the time: the number of answers counts.
        paths = [tokens[:-1] for question in questions for tokens in self._encoded[question].answers]
        shared = len(self._prefix) if all(path[: len(self._prefix)] == self._prefix for path in paths) else 0
        return sum(1 for _ in Tree(paths, shared).nodes())

    def _encode(self, questions: Sequence[Question]) -> None:
        """Have the tokens of these questions, and forget those of others."""
        missing = [question for question in dict.fromkeys(questions) if question not in self._encoded]
        known = {question: self._encoded[question] for question in questions if question in self._encoded}
        tokens = self._engine.encode([_conversation(question) for question in missing]) if missing else ()
        self._encoded = known | dict(zip(missing, tokens, strict=True))

    def _tokens(self, questions: Sequence[Question]) -> list[Encoded]:
        if any(question not in self._encoded for question in questions):
            self._encode(questions)
        return [self._encoded[question] for question in questions]

    # --- probabilities ------------------------------------------------------------------------------------------------

    def score(self, questions: Sequence[Question]) -> list[Scored | Refused]:
        return self._surviving(list(zip(questions, self._tokens(questions), strict=True)), self._score)

    def largest_difference(self, questions: Sequence[Question]) -> float:
        """In nats, between the probabilities of these questions asked together and each answer evaluated by itself.

        0 where none of them can be asked.
        """
        encoded = [one for one in self._tokens(questions) if not self._too_long(one, 0)]
        asked = [TokenSequence(tokens, _first(one)) for one in encoded for tokens in one.answers]
        if not asked:
            return 0.0
        together = self._continuations(asked)
        alone = self._engine.score(asked, together=False)
        pairs = [(one, other) for one, other in zip(together, alone, strict=True) if one and other]
        return max(
            (abs(a - b) for one, other in pairs for a, b in zip(one.logprobs, other.logprobs, strict=True)), default=0.0
        )

    def _score(self, pairs: Sequence[tuple[Question, Encoded]]) -> list[Scored | Refused]:
        refusals = [self._too_long(encoded, 0) or _without_tokens(encoded) for _, encoded in pairs]
        asked = [encoded for (_, encoded), refused in zip(pairs, refusals, strict=True) if refused is None]
        found = iter(self._continuations([TokenSequence(t, _first(one)) for one in asked for t in one.answers]))
        return [
            refused or _scored(encoded, [next(found) for _ in encoded.answers])
            for (_, encoded), refused in zip(pairs, refusals, strict=True)
        ]

    def _continuations(self, sequences: Sequence[TokenSequence]) -> list[Continuation | None]:
        """Of all sequences; those that do not begin with the shared prefix are evaluated without it."""
        size = len(self._prefix)
        sharing = [one.tokens[:size] == self._prefix and one.first > size for one in sequences]
        found: dict[int, Continuation | None] = {}
        for shares in (True, False):
            places = [place for place, own in enumerate(sharing) if own == shares]
            if places:
                prefix = self._prefix if shares else ()
                own = self._engine.score([sequences[place] for place in places], prefix, together=self.together)
                found |= dict(zip(places, own, strict=True))
        return [found[place] for place in range(len(sequences))]

    # --- texts --------------------------------------------------------------------------------------------------------

    def write(self, prompts: Sequence[Prompt], decoding: Decoding) -> list[Written | Refused]:
        questions = [Question(prompt, ()) for prompt in prompts]
        pairs = list(zip(questions, self._tokens(questions), strict=True))
        return self._surviving(pairs, lambda some: self._write(some, decoding))

    def _write(self, pairs: Sequence[tuple[Question, Encoded]], decoding: Decoding) -> list[Written | Refused]:
        refusals = [self._too_long(encoded, decoding.max_tokens) for _, encoded in pairs]
        asked = [encoded.prompt for (_, encoded), refused in zip(pairs, refusals, strict=True) if refused is None]
        completions = iter(self._completions(asked, decoding))
        outcomes: list[Written | Refused] = []
        for (_, encoded), refused in zip(pairs, refusals, strict=True):
            if refused is not None:
                outcomes.append(refused)
                continue
            own = [next(completions) for _ in range(decoding.samples)]
            texts, finishes = tuple(one.text for one in own), tuple(one.reason for one in own)
            outcomes.append(Written(texts, finishes, len(encoded.prompt)))
        return outcomes

    def _completions(self, prompts: Sequence[tuple[int, ...]], decoding: Decoding) -> list[Completion]:
        if self.together:
            return self._complete(prompts, decoding)
        alone = replace(decoding, samples=1)
        return [
            completion
            for prompt in prompts
            for sample in range(decoding.samples)
            for completion in self._complete([prompt], replace(alone, seed=decoding.seed + sample))
        ]

    def _complete(self, prompts: Sequence[tuple[int, ...]], decoding: Decoding) -> list[Completion]:
        size = len(self._prefix)
        shares = all(prompt[:size] == self._prefix and len(prompt) > size for prompt in prompts)
        return list(
            self._engine.complete(
                prompts,
                self._prefix if shares else (),
                sampling=Sampling(temperature=decoding.temperature, seed=decoding.seed),
                samples=decoding.samples,
                max_tokens=decoding.max_tokens,
                stop=decoding.stop,
                grammar=decoding.grammar,
            )
        )

    # --- what goes wrong ----------------------------------------------------------------------------------------------

    def _too_long(self, encoded: Encoded, answer: int) -> Refused | None:
        """Nothing is cut: a question that does not fit as a whole, with its answer, is not asked."""
        needed = max([len(encoded.prompt) + answer, *map(len, encoded.answers)])
        if needed <= self._context_length:
            return None
        reason = (
            f"The question is {needed:,} tokens long with its answer, and the context holds {self._context_length:,}."
        )
        return Refused("too_long", reason)

    def _surviving(
        self,
        pairs: Sequence[tuple[Question, Encoded]],
        ask: Callable[[Sequence[tuple[Question, Encoded]]], list[T]],
    ) -> list[T | Refused]:
        """The outcomes of all; if the engine dies of them they are asked again, and if it does so again one by one.

        A question that the engine dies of twice by itself is refused. Raises EngineError where that never ends.
        """
        error = None
        for _ in range(2):
            try:
                outcomes = ask(pairs)
            except EngineError as failed:
                if failed.failure.code not in _RETRIED:
                    raise
                self._failures += 1
                if self._failures >= _DEATHS:
                    raise
                error = failed
            else:
                self._failures = 0
                return [*outcomes]
        if len(pairs) > 1:
            return [outcome for pair in pairs for outcome in self._surviving([pair], ask)]
        return [Refused("failed", str(error))]


def _conversation(question: Question) -> Conversation:
    prompt = question.prompt
    return Conversation(messages=prompt.messages, prompt=prompt.text, answers=question.answers)


def _first(encoded: Encoded) -> int:
    """Where the first answer departs from the prompt's own tokens: a tokenizer may merge what is on either side."""
    return max(1, min(len(_common([encoded.prompt, answer])) for answer in encoded.answers))


def _without_tokens(encoded: Encoded) -> Refused | None:
    if all(len(answer) > _first(encoded) for answer in encoded.answers):
        return None
    return Refused("failed", "An answer has no token of its own, so it has no probability.")


def _scored(encoded: Encoded, continuations: Sequence[Continuation | None]) -> Scored | Refused:
    found = [one for one in continuations if one is not None]
    if len(found) < len(continuations):
        return Refused("failed", "The model's logits are not numbers.")
    answers = (AnswerScore(sum(one.logprobs), len(one.logprobs), one.greedy) for one in found)
    return Scored(tuple(answers), len(encoded.prompt))


def _common(sequences: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """What all of them begin with."""
    columns = zip(*sequences, strict=False)
    return tuple(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))
