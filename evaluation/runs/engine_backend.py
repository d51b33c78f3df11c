"""A model file in the project's own engine, asked many questions at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from math import inf
from typing import Protocol, TypeVar

from app.core.engine.branches import Tree
from app.core.engine.client import EngineError
from app.core.engine.protocol import (
    Completion,
    Continuation,
    Conversation,
    Encoded,
    ModelInfo,
    Sampling,
    TokenSequence,
)
from evaluation.runs.backend import AnswerScore, Decoding, Prompt, Question, Refused, Scored, Written
from evaluation.runs.records import RunEngine, RunModel
from evaluation.runs.surviving import Survivor, may_be_the_question

GROUP_TOKENS = 512
"""Of a group's questions beyond the shared prefix: a full batch of the engine, after which more gains nothing."""

_GROUP_ITEMS = _GROUP_ANSWERS = 16
"""What a kill can cost at most, unless one item needs more by itself."""

_TEXT_AT_ONCE = 4 * 1024 * 1024
"""Bytes that one request has tokenized. Its answer, of at most eight bytes for each, is one line of the engine's
protocol, which may have 64 MiB."""

T = TypeVar("T")


class Asked(Protocol):
    """What is asked of an engine that has loaded the model: of a `ToolClient`, or of one that questions interrupt."""

    def encode(self, conversations: Sequence[Conversation]) -> tuple[Encoded, ...]: ...

    def score(
        self, sequences: Sequence[TokenSequence], prefix: Sequence[int] = (), *, together: bool = True
    ) -> tuple[Continuation | None, ...]: ...

    def complete(
        self,
        prompts: Sequence[Sequence[int]],
        prefix: Sequence[int] = (),
        *,
        sampling: Sampling = ...,
        samples: int = 1,
        max_tokens: int = 512,
        stop: Sequence[str] = (),
        grammar: str | None = None,
    ) -> tuple[Completion, ...]: ...


class EngineBackend:
    """Args: together: whether questions may share a batch."""

    def __init__(
        self, engine: Asked, info: ModelInfo, model: RunModel, build: RunEngine, *, together: bool = True
    ) -> None:
        self._engine, self.context_length = engine, info.context_length
        self.model, self.engine = model, build
        self.together = together
        self._prefix: tuple[int, ...] = ()
        self._encoded: dict[Question, Encoded | Refused] = {}
        self._survivor = Survivor()

    # --- what is asked together ---------------------------------------------------------------------------------------

    def share(self, prompts: Sequence[Prompt]) -> None:
        found = self._tokenized([Question(prompt, ()) for prompt in prompts])
        encoded = [one.prompt for one in found if isinstance(one, Encoded)]
        # What comes after may be tokenized otherwise where the prompts part.
        self._prefix = _common(encoded)[:-2] if len(encoded) > 1 and self.together else ()

    def groups(self, asked: Sequence[Sequence[Question]], decoding: Decoding | None) -> list[range]:
        self._encode([question for questions in asked for question in questions])
        sizes = [self._size(questions, decoding) for questions in asked]
        most = GROUP_TOKENS if decoding is None else _GROUP_ANSWERS
        groups: list[range] = []
        start, taken = 0, 0
        for place, size in enumerate(sizes):
            if place > start and (taken + size > most or place - start >= _GROUP_ITEMS):
                groups.append(range(start, place))
                start, taken = place, 0
            taken += size
        return [*groups, range(start, len(sizes))] if sizes else []

    def _size(self, questions: Sequence[Question], decoding: Decoding | None) -> int:
        if decoding is not None:
            return len(questions) * decoding.samples  # What is written takes the time.
        found = (self._encoded[question] for question in questions)
        paths = [tokens[:-1] for one in found if isinstance(one, Encoded) for tokens in one.answers]
        shared = len(self._prefix) if all(path[: len(self._prefix)] == self._prefix for path in paths) else 0
        return sum(1 for _ in Tree(paths, shared).nodes())

    # --- tokens -------------------------------------------------------------------------------------------------------

    def _tokens(self, questions: Sequence[Question]) -> list[Encoded | Refused]:
        if any(question not in self._encoded for question in questions):
            self._encode(questions)
        return [self._encoded[question] for question in questions]

    def _encode(self, questions: Sequence[Question]) -> None:
        """Have the tokens of these questions, and forget those of others."""
        missing = [question for question in dict.fromkeys(questions) if question not in self._encoded]
        known = {question: self._encoded[question] for question in questions if question in self._encoded}
        self._encoded = known | dict(zip(missing, self._tokenized(missing), strict=True))

    def _tokenized(self, questions: Sequence[Question]) -> list[Encoded | Refused]:
        found: list[Encoded | Refused] = []
        for portion in _portions(questions):
            size = _bytes(portion[0])
            if size > _TEXT_AT_ONCE:
                found.append(Refused("too_long", f"The question is {size:,} bytes long, once for each of its answers."))
            else:
                found += self._survivor.outcomes(portion, self._encoded_by_engine)
        return found

    def _encoded_by_engine(self, questions: Sequence[Question]) -> tuple[Encoded, ...]:
        return self._engine.encode([_conversation(question) for question in questions])

    # --- probabilities ------------------------------------------------------------------------------------------------

    def score(self, questions: Sequence[Question]) -> list[Scored | Refused]:
        return self._outcomes(questions, self._unscorable, self._score)

    def _score(self, asked: Sequence[Encoded]) -> list[Scored | Refused]:
        found = iter(self._continuations([sequence for one in asked for sequence in _sequences(one)]))
        return [_scored(one, [next(found) for _ in one.answers]) for one in asked]

    def _unscorable(self, encoded: Encoded) -> Refused | None:
        return self._too_long(encoded, 0) or _without_tokens(encoded)

    def largest_difference(self, questions: Sequence[Question]) -> float:
        """In nats, between the probabilities of these questions asked together and each answer evaluated by itself.

        0 where none of them can be asked, infinite where the engine fails at one that it can do by itself.
        """
        asked = [one for one in self._tokens(questions) if isinstance(one, Encoded) and not self._unscorable(one)]
        try:
            return self._difference(asked)
        except EngineError as error:
            _raise_unless_the_question(error)
        return max(map(self._own_difference, asked))

    def _own_difference(self, encoded: Encoded) -> float:
        try:
            return self._difference([encoded])
        except EngineError as error:
            _raise_unless_the_question(error)
        try:
            self._engine.score(_sequences(encoded), together=False)
        except EngineError as error:
            _raise_unless_the_question(error)
            return 0.0
        return inf

    def _difference(self, asked: Sequence[Encoded]) -> float:
        sequences = [sequence for one in asked for sequence in _sequences(one)]
        if not sequences:
            return 0.0
        together = self._continuations(sequences)
        alone = self._engine.score(sequences, together=False)
        pairs = [(one, other) for one, other in zip(together, alone, strict=True) if one and other]
        return max(
            (abs(a - b) for one, other in pairs for a, b in zip(one.logprobs, other.logprobs, strict=True)), default=0.0
        )

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
        return self._outcomes(
            [Question(prompt, ()) for prompt in prompts],
            lambda encoded: self._too_long(encoded, decoding.max_tokens),
            lambda asked: self._write(asked, decoding),
        )

    def _write(self, asked: Sequence[Encoded], decoding: Decoding) -> list[Written]:
        completions = iter(self._completions([one.prompt for one in asked], decoding))
        written: list[Written] = []
        for one in asked:
            own = [next(completions) for _ in range(decoding.samples)]
            texts, finishes = tuple(answer.text for answer in own), tuple(answer.reason for answer in own)
            written.append(Written(texts, finishes, len(one.prompt)))
        return written

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

    def _outcomes(
        self,
        questions: Sequence[Question],
        refused: Callable[[Encoded], Refused | None],
        ask: Callable[[Sequence[Encoded]], Sequence[T | Refused]],
    ) -> list[T | Refused]:
        """One for each question: what `ask` makes of it, unless it was or is refused."""
        checked = [one if isinstance(one, Refused) else refused(one) or one for one in self._tokens(questions)]
        found = iter(self._survivor.outcomes([one for one in checked if isinstance(one, Encoded)], ask))
        return [one if isinstance(one, Refused) else next(found) for one in checked]

    def _too_long(self, encoded: Encoded, answer: int) -> Refused | None:
        """Nothing is cut: a question that does not fit as a whole, with its answer, is not asked."""
        needed = max([len(encoded.prompt) + answer, *map(len, encoded.answers)])
        if needed <= self.context_length:
            return None
        reason = (
            f"The question is {needed:,} tokens long with its answer, and the context holds {self.context_length:,}."
        )
        return Refused("too_long", reason)


def _raise_unless_the_question(error: EngineError) -> None:
    if not may_be_the_question(error):
        raise error


def _portions(questions: Sequence[Question]) -> Iterator[list[Question]]:
    """Neighbours that can be tokenized by one request; one that is too much even alone is by itself."""
    portion: list[Question] = []
    taken = 0
    for question in questions:
        size = _bytes(question)
        if portion and taken + size > _TEXT_AT_ONCE:
            yield portion
            portion, taken = [], 0
        portion.append(question)
        taken += size
    if portion:
        yield portion


def _bytes(question: Question) -> int:
    """Of all texts to be tokenized: the prompt alone, and before each answer."""
    prompt = question.prompt
    texts = [turn.content for turn in prompt.messages] if prompt.text is None else [prompt.text]
    own = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return own * (1 + len(question.answers)) + sum(
        len(one.encode("utf-8", "surrogatepass")) for one in question.answers
    )


def _conversation(question: Question) -> Conversation:
    prompt = question.prompt
    return Conversation(messages=prompt.messages, prompt=prompt.text, answers=question.answers)


def _first(encoded: Encoded) -> int:
    """Where the first answer departs from the prompt's own tokens: a tokenizer may merge what is on either side."""
    return max(1, min(len(_common([encoded.prompt, answer])) for answer in encoded.answers))


def _sequences(encoded: Encoded) -> list[TokenSequence]:
    return [TokenSequence(tokens, _first(encoded)) for tokens in encoded.answers]


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
