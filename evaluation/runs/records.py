"""What a run writes down: what it was, and for every question what was asked, what came back, and what that chose.

A record holds its question, so that a run's folder says all there is to say without the benchmark's files.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from app.core.language import Language
from evaluation.items import Item

How = Literal["letter", "option", "generate", "paper", "paper-fixed"]

Status = Literal["answered", "unreadable", "too_long", "failed"]
"""Of a question; only `answered` can be right, and all of them count.

`unreadable`: a text that names no option clearly. `too_long`: the question does not fit into the model's context, so it
was not asked. `failed`: the engine died of it twice, or its logits are no numbers.
"""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the questions were asked. Two runs with the same settings, model and data give the same records."""

    how: How
    template: str
    """Its name, for a person."""
    template_sha256: str
    chat: bool
    """Whether the model's own chat template was put around the question."""
    shots: tuple[str, ...] = ()
    """Ids of the questions that were shown, answered, before each question, in this order. They are not asked."""
    shuffle: bool = False
    """Whether the options were put in another order, drawn with `seed`, before the first asking."""
    permutations: int = 1
    """Askings of each question, each with the options moved on by one place."""
    seed: int = 0
    max_tokens: int = 0
    """New tokens of an answer at most; 0 where none is written."""
    grammar: bool = False
    """Whether a grammar let the model write letters only."""
    samples: int = 1
    """Answers to each question, of which the most frequent counts (self-consistency, arXiv 2203.11171)."""
    temperature: float = 0.0
    batched: bool = True
    """Whether questions were evaluated together; False where the check before the run found that it changes them."""
    context_length: int = 0
    """Tokens that a question may have with its answer; 0 for a server, which does not say."""


class RunModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    file: str
    """The file's name, without its folder; for a server the name of its model."""
    sha256: str
    """Of the whole file, chat template included; empty for a server, whose file is not known."""
    description: str = ""
    """llama.cpp's own line: architecture, size class, quantization; for a server its address."""


class RunEngine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Literal["llama.cpp", "openai"] = "llama.cpp"
    commit: str = ""
    version: str = ""


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line of a run. Records are taken over into a resumed run only if all of it is the same."""

    format: Literal["inro-eval-run/1"] = "inro-eval-run/1"
    inro: str = ""
    """The version of this program: another one may read answers otherwise."""
    model: RunModel
    engine: RunEngine
    task: str
    language: Language
    items: int
    """How many questions the run has."""
    data_sha256: str
    """Of all its questions, in the order of asking."""
    settings: Settings


class Trial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One asking of a question.

    Every tuple of positions or numbers is in the order of the question's own options, whatever order they were shown
    in, except `order` itself.
    """

    order: tuple[int, ...]
    """`order[i]` is the position, in the question's own order, of the option that was shown as letter i."""
    logprobs: tuple[float, ...] = ()
    """letter, option: log-probability (nats, summed over tokens) of each option's letter or text."""
    tokens: tuple[int, ...] = ()
    """option: over how many tokens each sum goes."""
    greedy: tuple[bool, ...] = ()
    """letter, option: whether each of those tokens was the most likely one."""
    text: str | None = None
    """generate, paper: what the model wrote."""
    finish: Literal["stop", "length"] | None = None
    chosen: tuple[int, ...] | None = None
    """What this asking alone chose, ascending; None where it chose nothing."""
    exact: bool | None = None
    """paper, paper-fixed: whether the text is the right options' text exactly; `chosen` is by Gestalt matching."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question of a run."""

    item: Item
    item_sha256: str
    prompt_sha256: str
    """Of the conversation, the answers it was scored with, and the settings, before the model's template."""
    status: Status
    chosen: tuple[int, ...] | None = None
    """Over all askings: positions in the question's own order, ascending. With `letter` and `option` as many as there
    are right options; None unless `answered`."""
    correct: bool = False
    trials: tuple[Trial, ...] = ()
    reason: str = ""
    """Why it is `too_long` or `failed`, in a sentence."""
    prompt_tokens: int | None = None


def item_sha256(item: Item) -> str:
    """Of everything that an item says: text, options, answers, points and the rest."""
    return hashlib.sha256(msgspec.json.encode(item, order="deterministic")).hexdigest()
