"""What all figures of the evaluation have in common: the model in three forms, the questions, and our engine."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.items import Item
from evaluation.runs.records import How
from tests.bench.evaluating.ours import Asking, Ours, asking
from tests.bench.evaluating.questions import Questions, of_all_lengths, of_mean_length, write_questions

SHOTS = 3
QUANT = "Q4_K_M"
SHAPE = "0.5b"

_ASKED = 12
_TYPICAL = 3

_CHECKPOINT = Path(__file__).parents[1] / "random_checkpoint.py"


@dataclass(frozen=True)
class Files:
    checkpoint: Path
    """Of random weights, with a tokenizer that was trained on the questions."""
    model: Path
    """The same as GGUF."""
    questions: Path
    tasks: Path
    """Of lm-evaluation-harness."""


def write_files(work: Path, known: Questions) -> Files:
    checkpoint, model = _write_model(work, "model", known)
    return Files(checkpoint, model, write_questions(work / "questions.jsonl", known.items), work / "tasks")


def write_shallow_model(work: Path, known: Questions) -> Path:
    """The same with two layers: what a thousand questions leave in memory does not depend on their number."""
    return _write_model(work, "shallow", known, "--layers", "2")[1]


def _write_model(work: Path, name: str, known: Questions, *options: str) -> tuple[Path, Path]:
    folder, text = work / name, work / "text.txt"
    text.write_text(known.text, encoding="utf-8")
    learned = ["--text", str(text), "--merges", str(known.merges)]
    subprocess.run([sys.executable, str(_CHECKPOINT), str(folder), SHAPE, *learned, *options], check=True)
    checkpoint, model = folder / "checkpoint", work / f"{name}-{QUANT}.gguf"
    command = [sys.executable, "-m", "converter.cli", str(checkpoint), "--quant", QUANT]
    subprocess.run(
        [*command, "--no-verify", "--no-manifest", "-o", str(model)], check=True, capture_output=True, text=True
    )
    return checkpoint, model


@dataclass(frozen=True)
class Setting:
    work: Path
    files: Files
    items: tuple[Item, ...]
    """As in the file of questions: the harness is told their places."""
    ours: Ours
    rounds: int

    @property
    def shots(self) -> tuple[Item, ...]:
        return tuple(of_mean_length(self._single(), SHOTS))

    def _single(self) -> list[Item]:
        return [item for item in self.items if len(item.answers) == 1]

    def _others(self) -> list[Item]:
        shots = {shot.id for shot in self.shots}
        return [item for item in self._single() if item.id not in shots]

    def typical(self, number: int) -> list[Item]:
        """The questions of a round that slow peers are asked: of mean length, other ones in each round from -1 on."""
        start = _TYPICAL * (number + 1)
        return of_mean_length(self._others(), start + _TYPICAL)[start:]

    def asked(self, number: int) -> list[Item]:
        """The questions of a round of ours: the typical ones and some of all lengths.

        What they all begin with is evaluated once a round. In a real run it is once in all, so this flatters the peers.
        """
        typical = self.typical(number)
        others = [item for item in self._others() if item not in typical]
        return typical + of_all_lengths(others, _ASKED - len(typical), random.Random(number))

    def shortest(self, number: int) -> Item:
        return sorted(self._others(), key=lambda item: len(item.question))[number + 1]

    def asking(self, how: How, shots: int) -> Asking:
        return asking(how, self.shots[:shots])


Step = Callable[[int], None]
"""One side of a comparison in one round."""


def take_turns(rounds: int, steps: Sequence[Step]) -> None:
    """Each step once a round, in turn from the first and from the last. Round -1 comes first, to warm up."""
    for number in range(-1, rounds):
        for step in steps if number % 2 else reversed(steps):
            step(number)
