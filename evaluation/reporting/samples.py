"""A run's records as samples of lm-evaluation-harness, for tools that read those.

Format: `samples_TASK_TIME.jsonl` as EleutherAI/lm-evaluation-harness 0.4.9 writes it with --log_samples: the fields of
`evaluate` in lm_eval/evaluator.py, made text by `EvaluationTracker.save_results_samples` in
lm_eval/loggers/evaluation_tracker.py (numbers inside `resps` and `filtered_resps`, and `target`, are strings there).

What a run does not know is left out, not made up:

- `arguments.gen_args_N.arg_0` (the rendered prompt) and `prompt_hash` (its SHA-256). A record has the SHA-256 of the
  conversation before the model's template, which is something else: it is `inro.prompt_sha256`.
- `until` among the arguments of generation.

What is not quite the same: `acc` asks for all right options and no other, also where several are right. With several
askings of a question (permutations, samples) `resps` has all of them, as repeats have there; `filtered_resps` of
`letter` and `option` then has the logarithm of the mean probability, and the filter is called `mean`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from math import log
from typing import Any

import msgspec

from evaluation.items import Item
from evaluation.labels import letters, written
from evaluation.paper import JOIN
from evaluation.readings import Reading, letter_probabilities, option_choices, option_probabilities
from evaluation.reporting.confidence import has_probabilities
from evaluation.runs.records import How, Record, Settings
from evaluation.runs.store import Run

_LIKELIHOOD: tuple[How, ...] = ("letter", "option")
_NOTHING = "[invalid]"
"""What that harness's filters write where they find no answer."""


def samples(run: Run) -> Iterator[dict[str, Any]]:
    """One for each record, in order; of a run whose records make sense (reporting.checks)."""
    for number, record in enumerate(run.records):
        yield _sample(number, record, run.identity.settings)


def _sample(number: int, record: Record, settings: Settings) -> dict[str, Any]:
    item = record.item
    doc = msgspec.to_builtins(item)
    target = _target(item, settings.how)
    parts = _likelihood(record, settings.how) if settings.how in _LIKELIHOOD else _text(record, settings)
    metrics = _metrics(record, settings.how)
    return {
        "doc_id": number,
        "doc": doc,
        "target": target,
        **parts,
        "metrics": list(metrics),
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "target_hash": _hash(target),
        **metrics,
        "inro": {
            "status": record.status,
            "reason": record.reason,
            "chosen": record.chosen,
            "orders": [trial.order for trial in record.trials],
            "item_sha256": record.item_sha256,
            "prompt_sha256": record.prompt_sha256,
        },
    }


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _target(item: Item, how: How) -> str:
    if how in _LIKELIHOOD:
        return str(item.answers[0] if len(item.answers) == 1 else list(item.answers))
    if how == "generate":
        return written(item.answers, len(item.options))
    return JOIN.join(item.options[position] for position in item.answers)


def _metrics(record: Record, how: How) -> dict[str, float]:
    found = {"acc": float(record.correct)}
    if how == "option":  # There, acc is by the sum, and acc_norm by characters.
        found = {"acc": _right(record, "sum"), "acc_norm": float(record.correct)}
    if how in ("paper", "paper-fixed"):
        found["exact_match"] = float(bool(record.trials) and record.trials[0].exact is True)
    return found


def _right(record: Record, reading: Reading) -> float:
    if not has_probabilities(record):
        return 0.0
    return float(option_choices(record.item, record.trials, reading) == record.item.answers)


def _likelihood(record: Record, how: How) -> dict[str, Any]:
    """One request for each option, in the question's own order."""
    item, trials = record.item, record.trials
    order = trials[0].order if trials else tuple(range(len(item.options)))
    names = letters(len(item.options))
    ends = [names[order.index(place)] for place in range(len(order))] if how == "letter" else list(item.options)
    resps = [
        [[str(trial.logprobs[place]), _greedy(trial.greedy, place)] for trial in trials if trial.logprobs]
        for place in range(len(item.options))
    ]
    return {
        "arguments": {f"gen_args_{place}": {"arg_1": end} for place, end in enumerate(ends)},
        "resps": resps,
        "filtered_resps": _mean(record, how) if len(trials) > 1 else [one[0] for one in resps if one],
        "filter": "mean" if len(trials) > 1 else "none",
    }


def _greedy(greedy: Sequence[bool], place: int) -> str:
    """None where a server does not say."""
    return str(greedy[place] if greedy else None)


def _mean(record: Record, how: How) -> list[list[str]]:
    if not has_probabilities(record):
        return []
    if how == "letter":
        row = letter_probabilities(record.trials)
    else:
        row = option_probabilities(record.item, record.trials, "sum")
    return [[str(log(probability) if probability else float("-inf")), str(None)] for probability in row]


def _text(record: Record, settings: Settings) -> dict[str, Any]:
    """One request, with an answer for each asking."""
    generation = {
        "max_gen_toks": settings.max_tokens,
        "temperature": settings.temperature,
        "do_sample": settings.temperature > 0,
    }
    chosen = written(record.chosen, len(record.item.options)) if record.chosen else _NOTHING
    return {
        "arguments": {"gen_args_0": {"arg_1": generation}},
        "resps": [[trial.text for trial in record.trials if trial.text is not None]],
        "filtered_resps": [chosen],
        "filter": "extract" if settings.how == "generate" else "gestalt",
    }
