"""The ways of scoring: what each asks about a question, and what it makes of the outcomes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from msgspec import structs

from evaluation import labels, paper
from evaluation.answers import extract
from evaluation.items import Item
from evaluation.readings import letter_choice, most_likely, option_choices, option_probabilities
from evaluation.runs.backend import Backend, Decoding, Question, Refused, Scored, Written
from evaluation.runs.records import Record, Settings, Trial, item_sha256
from evaluation.runs.wording import Wording, prompt_sha256

Order = tuple[int, ...]
"""`order[i]` is the position, in the question's own order, of the option that is shown as letter i."""


@dataclass(frozen=True)
class Asked:
    """A question, asked once for each order of its options."""

    item: Item
    orders: tuple[Order, ...]
    questions: tuple[Question, ...]
    """One for each order."""

    @property
    def prompt_sha256(self) -> str:
        return prompt_sha256([one.prompt for one in self.questions], [one.answers for one in self.questions])


class Way(Protocol):
    @property
    def decoding(self) -> Decoding | None:
        """How answers are written; None where given answers are scored."""
        ...

    def asked(self, item: Item) -> Asked: ...

    def records(self, backend: Backend, group: Sequence[Asked]) -> list[Record]:
        """One for each, in order."""
        ...


def way(settings: Settings, wording: Wording) -> Way:
    if settings.how in ("letter", "option"):
        return Scoring(settings, wording)
    return Writing(settings, wording)


def orders(item: Item, settings: Settings) -> tuple[Order, ...]:
    """The orders in which the options are shown: shuffled with the seed if wanted, then moved on by one place each.

    They depend on the question's id and the settings alone. No question is asked more often than it has options.
    """
    first = list(range(len(item.options)))
    if settings.shuffle:
        random.Random(f"{settings.seed} {item.id}").shuffle(first)
    count = min(settings.permutations, len(first))
    return tuple(tuple(first[start:] + first[:start]) for start in range(count))


def shown(item: Item, order: Order) -> Item:
    """The question with its options in this order."""
    return replace(
        item,
        options=tuple(item.options[position] for position in order),
        answers=tuple(sorted(order.index(position) for position in item.answers)),
        prohibited=tuple(sorted(order.index(position) for position in item.prohibited)),
    )


def _own(order: Order, positions: Sequence[int]) -> tuple[int, ...]:
    """Positions among the options as shown, as positions in the question's own order."""
    return tuple(sorted(order[position] for position in positions))


def _record(asked: Asked, outcomes: Sequence[Scored | Written | Refused]) -> Record:
    """A record with no answer yet; with the reason if any asking was refused."""
    refused = next((outcome for outcome in outcomes if isinstance(outcome, Refused)), None)
    tokens = [one.prompt_tokens for one in outcomes if not isinstance(one, Refused) and one.prompt_tokens is not None]
    return Record(
        item=asked.item,
        item_sha256=item_sha256(asked.item),
        prompt_sha256=asked.prompt_sha256,
        status=refused.status if refused else "answered",
        reason=refused.reason if refused else "",
        prompt_tokens=max(tokens, default=None),
    )


def _with(record: Record, trials: Sequence[Trial], chosen: tuple[int, ...] | None) -> Record:
    return structs.replace(
        record,
        status="answered" if chosen is not None else "unreadable",
        trials=tuple(trials),
        chosen=chosen,
        correct=chosen == record.item.answers,
    )


# --- letter, option ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scoring:
    """Probabilities of given answers: of the letters, or of the options' texts."""

    settings: Settings
    wording: Wording
    decoding: None = None

    def asked(self, item: Item) -> Asked:
        all_orders = orders(item, self.settings)
        views = [shown(item, order) for order in all_orders]
        questions = tuple(Question(self.wording.prompt(view), self.wording.candidates(view)) for view in views)
        return Asked(item, all_orders, questions)

    def records(self, backend: Backend, group: Sequence[Asked]) -> list[Record]:
        outcomes = iter(backend.score([question for asked in group for question in asked.questions]))
        return [self._judged(asked, [next(outcomes) for _ in asked.questions]) for asked in group]

    def _judged(self, asked: Asked, outcomes: Sequence[Scored | Refused]) -> Record:
        record = _record(asked, outcomes)
        scored = [outcome for outcome in outcomes if isinstance(outcome, Scored)]
        if len(scored) < len(outcomes):
            return record
        item = asked.item
        trials = [self._trial(item, order, one) for order, one in zip(asked.orders, scored, strict=True)]
        choose = option_choices if self.settings.how == "option" else letter_choice
        return _with(record, trials, choose(item, trials))

    def _trial(self, item: Item, order: Order, scored: Scored) -> Trial:
        # From the order shown to the question's own.
        places = [order.index(position) for position in range(len(order))]
        answers = [scored.answers[place] for place in places]
        trial = Trial(
            order=order,
            logprobs=tuple(answer.logprob for answer in answers),
            tokens=tuple(answer.tokens for answer in answers) if self.settings.how == "option" else (),
            greedy=tuple(answer.greedy for answer in answers),
        )
        return structs.replace(trial, chosen=self._chosen(item, trial))

    def _chosen(self, item: Item, trial: Trial) -> tuple[int, ...]:
        if self.settings.how == "option":
            return most_likely(option_probabilities(item, [trial], "character"), len(item.answers))
        return most_likely(trial.logprobs, len(item.answers))


# --- generate, paper, paper-fixed -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writing:
    """Answers that the model writes, and what they choose."""

    settings: Settings
    wording: Wording

    @property
    def decoding(self) -> Decoding:
        settings = self.settings
        return Decoding(
            settings.max_tokens,
            temperature=settings.temperature,
            seed=settings.seed,
            samples=settings.samples,
            stop=("\n\n",) if self.wording.shots and not self.wording.chat else (),
        )

    def asked(self, item: Item) -> Asked:
        all_orders = orders(item, self.settings)
        views = [shown(item, order) for order in all_orders]
        return Asked(item, all_orders, tuple(Question(self.wording.prompt(view), ()) for view in views))

    def records(self, backend: Backend, group: Sequence[Asked]) -> list[Record]:
        outcomes: list[Written | Refused] = []
        for options, run in _runs([len(asked.item.options) for asked in group], self.settings.grammar):
            own = group[run.start : run.stop]
            decoding = self.decoding
            if self.settings.grammar:
                blank = bool(self.wording.lead(own[0].item))
                decoding = replace(decoding, grammar=labels.grammar(labels.letters(options), after_blank=blank))
            outcomes += backend.write([question.prompt for asked in own for question in asked.questions], decoding)
        found = iter(outcomes)
        return [self._judged(asked, [next(found) for _ in asked.questions]) for asked in group]

    def _judged(self, asked: Asked, outcomes: Sequence[Written | Refused]) -> Record:
        record = _record(asked, outcomes)
        written = [outcome for outcome in outcomes if isinstance(outcome, Written)]
        if len(written) < len(outcomes):
            return record
        readings = [
            (order, text, finish, self._read(shown(asked.item, order), text))
            for order, one in zip(asked.orders, written, strict=True)
            for text, finish in zip(one.texts, one.finishes, strict=True)
        ]
        trials = [
            Trial(
                order=order,
                text=text,
                finish=finish,
                chosen=None if read.chosen is None else _own(order, read.chosen),
                exact=read.exact,
            )
            for order, text, finish, read in readings
        ]
        judged = _with(record, trials, most_frequent([trial.chosen for trial in trials]))
        if self.settings.how == "paper":
            # The published rule compares texts, not positions; there is one answer to each question.
            return structs.replace(judged, correct=judged.status == "answered" and readings[0][3].right)
        return judged

    def _read(self, view: Item, text: str) -> _Read:
        if self.settings.how == "generate":
            return _Read(extract(text, view.options, view.language))
        if self.settings.how == "paper":
            score = paper.score(text, view.options, view.answers)
        else:
            score = paper.score_fixed(text, view.options, view.answers, view.language)
        return _Read(score.chosen, score.exact, score.gestalt)


@dataclass(frozen=True)
class _Read:
    """What a text chooses among the options as shown, and by the published rules whether it is right."""

    chosen: tuple[int, ...] | None
    exact: bool | None = None
    right: bool = False


def _runs(options: Sequence[int], apart: bool) -> list[tuple[int, range]]:
    """Neighbours with the same number of options, which one grammar serves; all together where there is none."""
    if not apart:
        return [(0, range(len(options)))] if options else []
    runs: list[tuple[int, range]] = []
    for place, count in enumerate(options):
        if runs and runs[-1][0] == count:
            runs[-1] = (count, range(runs[-1][1].start, place + 1))
        else:
            runs.append((count, range(place, place + 1)))
    return runs


def most_frequent(choices: Sequence[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    """The most frequent choice, of equally frequent ones the earliest; None where nothing was chosen.

    X. Wang et al., Self-Consistency Improves Chain of Thought Reasoning in Language Models, arXiv 2203.11171.
    """
    counts = Counter(choice for choice in choices if choice is not None)
    return max(counts, key=lambda choice: counts[choice]) if counts else None
