"""A run that was killed goes on to what it would have become: the same losses, the same weights, byte for byte."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.forked_trainings import Moment, Trainings
from tests.tiny_checkpoints import tiny_checkpoint
from trainer.records import RunRecord, read_record

COMMON: dict[str, Any] = {
    "output": "out",
    "seed": 5,
    "epochs": 2,
    "batch_size": 2,
    "gradient_accumulation": 2,
    "learning_rate": 0.005,
    "log_every": 2,
    "save_every": 3,
    "validation_share": 0.2,
    "tensorboard": False,
}
ADAPTER = {
    **COMMON,
    "data": ["conversations.jsonl"],
    "base": "base",
    "rank": 2,
    "alpha": 4,
    "dropout": 0.2,
    "max_length": 96,
    "neftune_alpha": 5,
}
FULL = {**COMMON, "data": ["texts.jsonl"], "base": "base", "block_length": 32, "weight_decay": 0.1}
RECIPES = {"mpeft": ADAPTER, "mfpt": FULL}
WEIGHTS = {"mpeft": "adapter_model.safetensors", "mfpt": "model.safetensors"}


def write(folder: Path, **changes: Any) -> None:
    """Configurations of both recipes as `RECIPE.yaml`; JSON is YAML."""
    for recipe, values in RECIPES.items():
        (folder / f"{recipe}.yaml").write_text(json.dumps({**values, **changes}), "utf-8")


def fill(folder: Path) -> Path:
    """A base and data for both recipes: 30 records, of which 6 are held back, so that an epoch has 6 steps."""
    tiny_checkpoint(folder / "base", tied=True, num_hidden_layers=1)
    facts = [(f"What is the {number}th fact?", f"It is fact {number}{'.' * (number % 7)}") for number in range(30)]
    with (folder / "conversations.jsonl").open("w", encoding="utf-8") as file:
        for question, answer in facts:
            messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            file.write(json.dumps({"messages": messages}) + "\n")
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        for question, answer in facts:
            file.write(json.dumps({"text": f"{question} {answer}"}) + "\n")
    write(folder)
    return folder


def what_it_became(folder: Path, recipe: str) -> tuple[bytes, list[dict[str, Any]], RunRecord]:
    """Weights, lines of the file of losses without their times, and the record."""
    out = folder / "out"
    lines = [json.loads(line) for line in (out / "training" / "losses.jsonl").read_text("utf-8").splitlines()]
    for line in lines:
        del line["seconds"]
    return (out / WEIGHTS[recipe]).read_bytes(), lines, read_record(out)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def workplace(inputs: Path, tmp_path: Path) -> Path:
    """A folder with the data and configurations, and no output."""
    for path in inputs.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.fixture(scope="module")
def uninterrupted(
    inputs: Path, trainings: Trainings, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[bytes, list[dict[str, Any]], RunRecord]]:
    """What each recipe becomes without an interruption."""
    found = {}
    for recipe in RECIPES:
        folder = tmp_path_factory.mktemp(recipe)
        for path in inputs.iterdir():
            (folder / path.name).symlink_to(path)
        ended = trainings.one(folder, recipe, f"{recipe}.yaml")
        assert ended.code == 0, ended.err
        assert names(folder / "out") >= {"run_record.json", "README.md", "training", WEIGHTS[recipe]}
        found[recipe] = what_it_became(folder, recipe)
    return found


KILLS = [
    # While losses are written: the line of step 4 of the first epoch; that of step 8, in the second.
    Moment("open", "losses.jsonl", 4, signal.SIGKILL),
    Moment("open", "losses.jsonl", 9, signal.SIGKILL),
    # While a checkpoint is written, gets its name, and the one before is removed.
    Moment("open", "staging/checkpoint-9", 1, signal.SIGKILL),
    Moment("os.rename", "checkpoints/step-00000009", 1, signal.SIGKILL),
    Moment("shutil.rmtree", "step-00000003.removed", 1, signal.SIGKILL),
    # While the result is put together, and gets its name.
    Moment("open", "result/training", 1, signal.SIGKILL),
    Moment("os.rename", "out.unfinished/result", 1, signal.SIGKILL),
]


@pytest.mark.parametrize(
    ("recipe", "moment"),
    [*(("mpeft", moment) for moment in KILLS), *(("mfpt", moment) for moment in KILLS[1::3])],
    ids=lambda value: value if isinstance(value, str) else f"{value.event} {value.path} {value.count}",
)
def test_a_killed_run_becomes_what_it_would_have_become(
    recipe: str, moment: Moment, workplace: Path, trainings: Trainings, uninterrupted: dict[str, Any]
) -> None:
    before = names(workplace)
    killed = trainings.one(workplace, recipe, f"{recipe}.yaml", moments=[moment])
    assert killed.code == -signal.SIGKILL, killed.err
    assert names(workplace) - before == {"out.unfinished"}
    resumed = trainings.one(workplace, recipe, f"{recipe}.yaml", "--resume")
    assert resumed.code == 0, resumed.err
    assert names(workplace) - before == {"out"}
    weights, lines, record = what_it_became(workplace, recipe)
    expected_weights, expected_lines, expected = uninterrupted[recipe]
    assert lines == expected_lines
    assert (record.losses, record.validation, record.best_step) == (
        expected.losses,
        expected.validation,
        expected.best_step,
    )
    assert weights == expected_weights
