"""Our side of the evaluation's figures: runs as `inro-eval run` makes them, a plain loop on the same engine, memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil

from app.core.engine.protocol import Conversation, TokenSequence
from app.core.engine.tool_client import ToolClient
from evaluation.items import Item
from evaluation.runs.engine_backend import EngineBackend
from evaluation.runs.records import How, Record, RunEngine, RunIdentity, RunModel, Settings
from evaluation.runs.runner import data_sha256, in_order, run
from evaluation.runs.store import start_run
from evaluation.runs.ways import way
from evaluation.runs.wording import Wording, templates

CONTEXT = 4096


@dataclass(frozen=True)
class Asking:
    settings: Settings
    wording: Wording


def asking(how: How, shots: Sequence[Item] = ()) -> Asking:
    """Japanese, with the shipped templates, and without a chat template: the peers know none."""
    chosen = templates(how, "ja", None, None, False)
    settings = Settings(
        how=how,
        template=chosen.name,
        template_sha256=chosen.sha256,
        chat=False,
        shots=tuple(shot.id for shot in shots),
    )
    return Asking(settings, Wording(chosen, how, chat=False, shots=tuple(shots)))


class Ours:
    """A loaded model; every run goes into a folder of its own below `work`."""

    def __init__(self, engine: ToolClient, model: Path, work: Path) -> None:
        hello = engine.start()
        info = engine.load(model, context_length=CONTEXT)
        self._engine, self._work, self._numbers = engine, work, count()
        build = RunEngine(commit=hello.llama_cpp_commit, version=hello.llama_cpp_python)
        self._backend = EngineBackend(engine, info, RunModel(file=model.name, sha256="", description=""), build)

    def run(self, asking: Asking, items: Sequence[Item]) -> tuple[float, dict[str, Record]]:
        """Seconds of a whole run, what the questions begin with evaluated anew, and its records by question."""
        asked = in_order(items)
        self._forget()
        start = time.perf_counter()
        identity = RunIdentity(
            model=self._backend.model,
            engine=self._backend.engine,
            task="jsonl",
            language="ja",
            items=len(asked),
            data_sha256=data_sha256(asked),
            settings=asking.settings,
        )
        with start_run(self._work / f"run-{next(self._numbers)}", identity, resume=False) as file:
            records = run(way(asking.settings, asking.wording), self._backend, asked, file, lambda _: None)
        seconds = time.perf_counter() - start
        if unanswered := [record for record in records if record.status != "answered"]:
            sys.exit(f"A question was not answered: {unanswered[0].reason}")
        return seconds, {record.item.id: record for record in records}

    def _forget(self) -> None:
        """The prefix that the engine holds from the run before."""
        self._engine.score([TokenSequence((1, 2), 1)])

    def plain_loop(self, asking: Asking, items: Sequence[Item]) -> tuple[float, dict[str, list[float]]]:
        """Seconds, and each option's log-probability: each option after its whole prompt, evaluated by itself."""
        start = time.perf_counter()
        found: dict[str, list[float]] = {}
        for item in items:
            prompt, answers = asking.wording.prompt(item), asking.wording.candidates(item)
            [encoded] = self._engine.encode([Conversation(prompt=prompt.text, answers=answers)])
            first = _first(encoded.prompt, encoded.answers)
            values = []
            for tokens in encoded.answers:
                [continuation] = self._engine.score([TokenSequence(tokens, first)], together=False)
                assert continuation
                values.append(sum(continuation.logprobs))
            found[item.id] = values
        return time.perf_counter() - start, found

    def tokens(self, asking: Asking, items: Sequence[Item]) -> list[int]:
        """Of each question's prompt."""
        prompts = [Conversation(prompt=asking.wording.prompt(item).text) for item in items]
        return [len(one.prompt) for one in self._engine.encode(prompts)]


def _first(prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> int:
    """Where the first answer departs from the prompt's own tokens."""

    def alike(answer: Sequence[int]) -> int:
        return next((at for at, (a, b) in enumerate(zip(prompt, answer, strict=False)) if a != b), len(prompt))

    return min(map(alike, answers))


# --- memory -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resident:
    """The most that was resident, in bytes."""

    worker: int
    command: int


def run_command(model: Path, questions: Path, limit: int, out: Path) -> Resident:
    """`inro-eval run` of so many questions, as a person starts it."""
    arguments = ["--model", str(model), "--task", "jsonl", "--data", str(questions), "--lang", "ja", "--how", "letter"]
    command = [sys.executable, "-m", "evaluation.cli", "run", *arguments, "--limit", str(limit), "-o", str(out)]
    worker = most = 0
    log = out.with_suffix(".log")
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        own = psutil.Process(process.pid)
        while process.poll() is None:
            most = max(most, _peak(own))
            worker = max([worker, *(_peak(child) for child in _workers(own))])
            time.sleep(0.05)
    if process.returncode:
        sys.exit(f"inro-eval run ended with {process.returncode}:\n{log.read_text(errors='replace')[-1000:]}")
    return Resident(worker, most)


def _workers(command: psutil.Process) -> list[psutil.Process]:
    try:
        return [child for child in command.children() if "app.core.engine.worker" in child.cmdline()]
    except psutil.Error:
        return []


def _peak(process: psutil.Process) -> int:
    """The system's own maximum where it keeps one."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
