"""A sample of a benchmark, asked of the model in training as `inro-eval run --how letter` asks it.

Questions, wording, and how probabilities choose are the evaluation's; only the forward pass is done here, with the
weights as they are in memory. After conversion the same questions give nearly the same numbers: the engine computes in
other precisions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, cast

from app.core.errors import InputError
from evaluation.runs.backend import AnswerScore, Backend, Question, Refused, Scored
from evaluation.runs.request import Prepared, Request, prepare
from evaluation.runs.ways import Asked, way
from evaluation.statistics import wilson
from trainer.config import TrainingConfig
from trainer.records import Evaluation
from trainer.rendering import Renderer
from trainer.running.measuring import Processes

Tokens = tuple[int, ...]
Gather = Callable[[list[Any]], list[Any]]
"""What all processes hold, in a list that is the same for all."""


@dataclass(frozen=True)
class Sample:
    prepared: Prepared
    asked: tuple[Asked, ...]
    tokens: dict[Question, tuple[Tokens, tuple[Tokens, ...]]]
    """Of each prompt alone and before each of its answers."""


def read_sample(config: TrainingConfig) -> Prepared | None:
    """The questions that `config` wants asked; None if it wants none. Raises InputError."""
    if config.evaluation_task is None:
        return None
    if config.evaluation_data is None:
        raise InputError("evaluation_task needs evaluation_data, the folder or file of its questions.")
    if not os.path.lexists(config.evaluation_data):
        raise InputError(f"there is no {config.evaluation_data} (evaluation_data).")
    return prepare(
        Request(
            task=config.evaluation_task,
            data=Path(config.evaluation_data),
            language=config.evaluation_language,
            how="letter",
            limit=config.evaluation_items,
            seed=config.seed,
        )
    )


def sample(prepared: Prepared, tokenizer: Any) -> Sample:
    """Raises InputError if the base's chat template cannot put the questions."""
    renderer = Renderer(tokenizer)
    scoring = way(prepared.settings, prepared.wording)
    asked = tuple(scoring.asked(item) for item in prepared.items)
    questions = dict.fromkeys(question for one in asked for question in one.questions)
    return Sample(prepared, asked, {question: _encoded(question, tokenizer, renderer) for question in questions})


def ask(
    sample: Sample, model: Any, *, step: int, batch_size: int, longest: int, processes: Processes, gather: Gather
) -> Evaluation:
    """Accuracy now. `model` is in evaluation mode; questions longer than `longest` tokens count as wrong."""
    scoring = way(sample.prepared.settings, sample.prepared.wording)
    backend = _InMemory(sample, model, batch_size, longest, processes, gather)
    records = scoring.records(cast(Backend, backend), sample.asked)
    correct = sum(record.correct for record in records)
    interval = wilson(correct, len(records))
    assert interval is not None  # `prepare` refuses an empty sample
    item = records[0].item
    return Evaluation(
        step=step,
        task=item.task,
        language=item.language,
        n=len(records),
        correct=correct,
        accuracy=correct / len(records),
        interval_95=(interval.low, interval.high),
    )


def _encoded(question: Question, tokenizer: Any, renderer: Renderer) -> tuple[Tokens, tuple[Tokens, ...]]:
    text = renderer([renderer.turn(turn.role, turn.content) for turn in question.prompt.messages], answered=False)

    def tokens(text: str) -> Tokens:
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

    return tokens(text), tuple(tokens(text + answer) for answer in question.answers)


Place = tuple[Tokens, int, int]
"""A token, the last of the three, at an index behind what precedes it in a sequence."""


@dataclass(frozen=True)
class _InMemory:
    """As much of `evaluation.runs.backend.Backend` as scoring needs."""

    sample: Sample
    model: Any
    batch_size: int
    longest: int
    processes: Processes
    gather: Gather

    def score(self, questions: Sequence[Question]) -> list[Scored | Refused]:
        encoded = [self.sample.tokens[question] for question in questions]
        fitting = [answers for _, answers in encoded if max(map(len, answers)) <= self.longest]
        # The last token of an answer is predicted and never read, so that letters of one token share a sequence.
        sequences = sorted({answer[:-1] for answers in fitting for answer in answers}, key=lambda one: (-len(one), one))
        wanted: dict[Tokens, set[Place]] = {sequence: set() for sequence in sequences}
        for prompt, answers in encoded:
            if max(map(len, answers)) <= self.longest:
                for answer in answers:
                    wanted[answer[:-1]].update(_places(prompt, answers, answer))
        found = self._found(sequences, wanted)
        return [self._scored(prompt, answers, found) for prompt, answers in encoded]

    def _scored(
        self, prompt: Tokens, answers: tuple[Tokens, ...], found: dict[Place, tuple[float, bool]]
    ) -> Scored | Refused:
        if max(map(len, answers)) > self.longest:
            return Refused("too_long", f"The question is longer than {self.longest:,} tokens.")
        scores = []
        for answer in answers:
            parts = [found[place] for place in _places(prompt, answers, answer)]
            if not parts or not all(isfinite(logprob) for logprob, _ in parts):
                return Refused("failed", "An answer has no probability.")
            scores.append(AnswerScore(sum(part[0] for part in parts), len(parts), all(part[1] for part in parts)))
        return Scored(tuple(scores), len(prompt))

    def _found(self, sequences: list[Tokens], wanted: dict[Tokens, set[Place]]) -> dict[Place, tuple[float, bool]]:
        """Log-probabilities (nats), and whether no other token was more likely."""
        size = self.batch_size
        batches = [sequences[start : start + size] for start in range(0, len(sequences), size)]
        own: list[tuple[Place, tuple[float, bool]]] = []
        for batch, counts in self.processes.share(batches):
            found = self._forward(batch, [place for sequence in batch for place in wanted[sequence]])
            if counts:
                own += found.items()
        return dict(self.gather(own))

    def _forward(self, batch: Sequence[Tokens], places: Sequence[Place]) -> dict[Place, tuple[float, bool]]:
        import torch

        width = max(map(len, batch))
        # Padding stands behind the text, where causal attention never looks back from.
        tokens = torch.tensor([[*sequence, *[0] * (width - len(sequence))] for sequence in batch])
        positions = sorted({at - 1 for _, at, _ in places})
        device = next(self.model.parameters()).device
        output = self.model(
            input_ids=tokens.to(device), logits_to_keep=torch.tensor(positions, device=device), use_cache=False
        )
        logprobs = output.logits.float().log_softmax(-1)
        most = logprobs.argmax(-1).tolist()
        found: dict[Place, tuple[float, bool]] = {}
        for sequence, at, token in places:
            row, column = batch.index(sequence), positions.index(at - 1)
            found[sequence, at, token] = float(logprobs[row, column, token]), most[row][column] == token
        return found


def _places(prompt: Tokens, answers: Sequence[Tokens], answer: Tokens) -> list[Place]:
    """What is predicted of `answer`: from where the first of the answers departs from the prompt's own tokens, since a
    tokenizer may merge what is on either side."""
    first = max(1, min(_common(prompt, one) for one in answers))
    return [(answer[:-1], at, answer[at]) for at in range(first, len(answer))]


def _common(one: Tokens, other: Tokens) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
