"""The evaluation against what it replaces, on random weights of a real size: seconds a question, in interleaved rounds.

Called by ../bench.py. The peers: the published way (a greedy answer of 256 tokens to each question, through
transformers), lm-evaluation-harness (its HF backend with the same weights; its gguf backend with the same file behind
llama-cpp-python's server), and a plain loop on our own engine that evaluates the whole prompt anew for each option.
Loading a model is counted for none of them. A peer whose packages are missing is named and left out.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from app.core.engine.hardware import physical_cores
from app.core.engine.tool_client import ToolClient
from evaluation.runs.records import Record
from tests.bench.evaluating.figures import Comparison, printed
from tests.bench.evaluating.letters import PUBLISHED_TOKENS, Letters
from tests.bench.evaluating.ours import Ours, run_command
from tests.bench.evaluating.peers import peer
from tests.bench.evaluating.questions import Questions, questions
from tests.bench.evaluating.setting import SHOTS, Setting, take_turns, write_files, write_shallow_model

_DTYPES = ("float32", "bfloat16")
_LOOPED = {0: 3, SHOTS: 1}
"""Questions of a round of the plain loop, by number of shots."""
_REMEMBERED = (100, 1000)


def bench_eval(work: Path, rounds: int, json_file: Path | None = None) -> None:
    known = questions()
    print(f"evaluation: {known.source} questions, {rounds} rounds, {physical_cores()} threads, load {_load()}")
    found: dict[str, Any] = {"questions": known.source, "threads": physical_cores(), "load_before": _load()}
    files = write_files(work, known)
    with ToolClient() as engine:
        setting = Setting(work, files, known.items, Ours(engine, files.model, work), rounds)
        found |= _tokens(setting) | _formats(setting)
        letters = Letters(setting, found["reading"], found["writing"])
        letters.measure()
        comparisons = [*letters.comparisons(), _option(setting, 0), _option(setting, SHOTS)]
    print(f"\n{printed(comparisons)}\n")
    found |= {"comparisons": [one.figures() for one in comparisons]}
    found |= {"resident": _memory(work, known, files.questions), "load_after": _load()}
    print(f"  load {_load()} at the end")
    if json_file:
        json_file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _load() -> float:
    """Of the machine over the last minute: before the start, other programs'."""
    return round(os.getloadavg()[0], 1)


def _tokens(setting: Setting) -> dict[str, Any]:
    found = {}
    for shots in (0, SHOTS):
        tokens = setting.ours.tokens(setting.asking("letter", shots), setting.items)
        found[f"tokens_with_{shots}_shots"] = mean = round(sum(tokens) / len(tokens))
        print(f"  tokens of a question with {shots} shots: mean {mean}, most {max(tokens)}")
    return found


def _formats(setting: Setting) -> dict[str, str]:
    """The number format in which transformers is the fastest on this machine, to read a question and to answer one."""
    seconds = {dtype: _seconds(setting, dtype) for dtype in _DTYPES}
    found = {}
    for use, tokens in (("reading", 1), ("writing", PUBLISHED_TOKENS)):
        needed = {dtype: read + write * (tokens - 1) for dtype, (read, write) in seconds.items()}
        found[use] = min(needed, key=lambda dtype: needed[dtype])
        listed = ", ".join(f"{dtype} {needed[dtype]:.1f}" for dtype in _DTYPES)
        print(f"  transformers, {use} (about, for one question): {listed} s; {found[use]} is used")
    return found


def _seconds(setting: Setting, dtype: str) -> tuple[float, float]:
    """To read a question, and to write a token."""
    text = setting.asking("letter", 0).wording.prompt(setting.typical(-1)[0]).text
    with peer(setting.work, "generate", str(setting.files.checkpoint), dtype) as found:
        # The first warms up.
        _, one, many = (found.ask(prompts=[text], tokens=tokens)["seconds"][0] for tokens in (1, 1, 17))
    return one, max(many - one, 0.0) / 16


def _option(setting: Setting, shots: int) -> Comparison:
    asking = setting.asking("option", shots)
    ours: list[float] = []
    theirs: list[float] = []
    records: dict[str, Record] = {}
    looped: dict[str, list[float]] = {}

    def run(number: int) -> None:
        items = setting.asked(number) if number >= 0 else setting.typical(number)[:1]
        seconds, found = setting.ours.run(asking, items)
        ours.append(seconds / len(items))
        records.update(found)

    def loop(number: int) -> None:
        items = setting.typical(number)[: _LOOPED[shots] if number >= 0 else 1]
        seconds, found = setting.ours.plain_loop(asking, items)
        theirs.append(seconds / len(items))
        looped.update(found)

    take_turns(setting.rounds, [run, loop])
    pairs = [(records[name].trials[0].logprobs, values) for name, values in looped.items()]
    most = max(abs(a - b) for own, values in pairs for a, b in zip(own, values, strict=True))
    print(f"  options with {shots} shots differ from the plain loop's by at most {most:.3f} nats")
    # The first round warmed up.
    return Comparison(f"option, {shots} shots", "plain loop on the same engine", ours[1:], theirs[1:], 2.5)


def _memory(work: Path, known: Questions, asked: Path) -> dict[str, dict[str, int]]:
    """Peak resident bytes of the worker and of the command around it, for a few and for many questions."""
    model = write_shallow_model(work, known)
    found = {}
    for limit in _REMEMBERED:
        peak = run_command(model, asked, limit, work / f"remembered-{limit}")
        found[str(limit)] = {"worker": peak.worker, "command": peak.command}
        megabytes = f"worker {peak.worker / 1e6:.0f} MB, command {peak.command / 1e6:.0f} MB"
        print(f"peak resident, letter, {limit} questions, a model of two layers: {megabytes}")
    few, many = (found[str(limit)]["worker"] for limit in _REMEMBERED)
    print(f"  worker, many / few: {many / few:.3f}   target <= 1.05")
    return found
