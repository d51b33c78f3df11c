"""From what a person asks for to the questions, examples, settings and words of a run."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.core.errors import InputError
from app.core.language import Language
from evaluation import paper
from evaluation.items import Item
from evaluation.runs.records import How, Settings
from evaluation.runs.runner import in_order
from evaluation.runs.wording import STEPS, Templates, Wording, templates
from evaluation.tasks.loading import Loaded, Selection
from evaluation.tasks.registry import benchmark

MOST_SHOTS, MOST_SAMPLES, MOST_TOKENS = 32, 64, 8192
LARGEST_SEED = 2**31 - 1
"""One of them, 2**32 - 1, is llama.cpp's sign for a seed that it draws itself."""

_TOKENS: dict[How, int] = {
    "letter": 0,
    "option": 0,
    "generate": 128,
    "paper": paper.MAX_TOKENS,
    "paper-fixed": paper.MAX_TOKENS,
}
_TOKENS_WITH_STEPS = 512
_SAMPLING_TEMPERATURE = 0.7


@dataclass(frozen=True)
class Request:
    """What `inro-eval run` is told. None stands for the default of the way of scoring."""

    task: str
    data: Path
    language: Language
    how: How
    template: str | None = None
    templates: Path | None = None
    plain: bool = False
    """Without the model's own chat template."""
    steps: bool = False
    shots: int = 0
    shuffle: bool = False
    permutations: int = 1
    seed: int = 0
    limit: int | None = None
    samples: int = 1
    temperature: float | None = None
    max_tokens: int | None = None
    grammar: bool = False
    selection: Selection = field(default_factory=Selection)


@dataclass(frozen=True)
class Prepared:
    items: tuple[Item, ...]
    """In the order of asking."""
    settings: Settings
    wording: Wording
    data: Loaded
    left_out: dict[str, int]
    """Questions that are sound and not asked, by reason."""


def prepare(request: Request) -> Prepared:
    """Raises InputError for what does not go together, unusable data, and where nothing is left to ask."""
    if request.templates is None and request.template in STEPS.values():
        request = replace(request, steps=True)
    _check(request)
    known = benchmark(request.task)
    loaded = known.load(request.data, request.language, request.selection)
    items, left_out = _asked_by(request.how, loaded.items)
    shots = _shots(items, request)
    if shots:
        left_out["it is shown as an example"] = len(shots)
    shown = {shot.id for shot in shots}
    asked = _limited([item for item in items if item.id not in shown], request)
    if not asked:
        raise InputError(f"No question of {request.task} is left to ask.")
    return _prepared(request, in_order(asked), shots, loaded, left_out)


def _prepared(
    request: Request, items: tuple[Item, ...], shots: tuple[Item, ...], loaded: Loaded, left_out: dict[str, int]
) -> Prepared:
    chosen = templates(request.how, request.language, request.template, request.templates, request.steps)
    _check_letters(request.how, chosen, items)
    chat = not request.plain and not request.how.startswith("paper")
    sampled = request.samples > 1
    temperature = request.temperature
    if temperature is None:
        temperature = _SAMPLING_TEMPERATURE if sampled else 0.0
    settings = Settings(
        how=request.how,
        template=chosen.name,
        template_sha256=chosen.sha256,
        chat=chat,
        shots=tuple(shot.id for shot in shots),
        shuffle=request.shuffle,
        permutations=request.permutations,
        seed=request.seed,
        max_tokens=_max_tokens(request),
        grammar=request.grammar,
        samples=request.samples,
        temperature=temperature,
    )
    wording = Wording(chosen, request.how, chat, request.steps, shots)
    return Prepared(items, settings, wording, loaded, left_out)


def _check_letters(how: How, chosen: Templates, items: Sequence[Item]) -> None:
    """The probability of a letter says nothing where no option has one."""
    used = (chosen.choose(count) for count in {len(item.options) for item in items})
    if how == "letter" and any(template.layout != "letters" for template in used):
        raise InputError(
            f"--how letter needs a template that shows each option with its letter, and {chosen.name} does not."
        )


def _max_tokens(request: Request) -> int:
    if request.max_tokens is not None:
        return request.max_tokens
    return _TOKENS_WITH_STEPS if request.steps and request.how == "generate" else _TOKENS[request.how]


def _check(request: Request) -> None:
    writes = request.how == "generate"
    published = request.how.startswith("paper")
    wrong = {
        "--samples, --temperature and --grammar go with --how generate": not writes
        and (request.samples > 1 or request.temperature is not None or request.grammar),
        "--steps, and templates that ask for steps, go with --how generate, paper or paper-fixed": request.steps
        and not (writes or published),
        "--steps and --grammar exclude each other: a grammar lets the model write letters only": request.steps
        and request.grammar,
        "--max-tokens goes with --how generate": request.max_tokens is not None and not writes,
        "--how paper and paper-fixed ask each question once; leave out --permutations": published
        and request.permutations > 1,
        "--how paper and paper-fixed are asked without examples; leave out --shots": published and request.shots > 0,
        "several --samples at a --temperature of 0 would all be the same": request.samples > 1
        and request.temperature == 0.0,
    }
    for sentence, is_so in wrong.items():
        if is_so:
            raise InputError(f"{sentence[0].upper()}{sentence[1:]}.")
    bounds = {
        "--shots": (request.shots, 0, MOST_SHOTS),
        "--samples": (request.samples, 1, MOST_SAMPLES),
        "--permutations": (request.permutations, 1, 26),
        "--max-tokens": (request.max_tokens or 1, 1, MOST_TOKENS),
        "--seed": (request.seed, 0, LARGEST_SEED),
    }
    for name, (value, least, most) in bounds.items():
        if not least <= value <= most:
            raise InputError(f"{name} is {value}; it can be {least} to {most}.")


def _asked_by(how: How, items: Sequence[Item]) -> tuple[list[Item], dict[str, int]]:
    """The questions that a way of scoring asks, and the others by reason: `paper` leaves out what the harness did."""
    if how != "paper":
        return list(items), {}
    reasons = {item.id: paper.left_out(item) for item in items}
    counted = Counter(f"it {reason}" for reason in reasons.values() if reason)
    return [item for item in items if reasons[item.id] is None], dict(counted.most_common())


def _shots(items: Sequence[Item], request: Request) -> tuple[Item, ...]:
    """Examples drawn from the questions, which are then not asked: of those with the most usual number of options.

    The same ids in both languages, where both have them.
    """
    if not request.shots:
        return ()
    usual, _ = Counter(len(item.options) for item in items).most_common(1)[0]
    pool = [item for item in items if len(item.options) == usual]
    if request.how == "option":
        pool = [item for item in pool if len(item.answers) == 1]
    if len(pool) <= request.shots:
        raise InputError(f"{request.task} has too few questions for {request.shots} examples.")
    return tuple(_drawn(pool, request.shots, f"shots {request.seed}"))


def _drawn(items: Sequence[Item], count: int, seed: str) -> list[Item]:
    """So many of them, each by a draw of its own, so that whether another one is there makes little difference."""
    return sorted(items, key=lambda item: random.Random(f"{seed} {item.id}").random())[:count]


def _limited(items: Sequence[Item], request: Request) -> list[Item]:
    """So many of them, drawn with the seed and in their order; the same ids in both languages where both have them."""
    if request.limit is None or request.limit >= len(items):
        return list(items)
    drawn = {item.id for item in _drawn(items, request.limit, f"limit {request.seed}")}
    return [item for item in items if item.id in drawn]
