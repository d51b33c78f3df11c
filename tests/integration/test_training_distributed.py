"""Two processes learn what one with twice the batch learns, and only the first of them writes.

Processes talk by gloo, on any processor. Their sums are in another order than those of one process, so that losses
differ in the last digits of a float32: 1e-5 leaves room for that over the few steps here.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.forked_trainings import ROOT, Ended, Moment, Training, Trainings
from tests.tiny_checkpoints import tiny_checkpoint

COMMON: dict[str, Any] = {
    "base": "base",
    "seed": 1,
    "learning_rate": 0.005,
    "log_every": 1,
    "save_every": 3,
    "evaluate_every": 2,
    "validation_share": 0.2,
    "tensorboard": False,
}
RECIPES: dict[str, dict[str, Any]] = {
    "mpeft": {**COMMON, "data": ["conversations.jsonl"], "rank": 2, "max_length": 96},
    "mfpt": {
        **COMMON,
        "data": ["texts.jsonl"],
        "block_length": 32,
        "evaluation_task": "jsonl",
        "evaluation_data": "items.jsonl",
        "evaluation_language": "en",
        "max_steps": 6,  # whole batches; what is left of an epoch is filled up with rows that come again
    },
}
FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
}
"""What `accelerate launch` makes of trainer/accelerate/fsdp.yaml."""
WEIGHTS = {"mpeft": "adapter_model.safetensors", "mfpt": "model.safetensors"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of which whole batches are learned: 24 conversations, and texts of 24 blocks."""
    folder = tmp_path_factory.mktemp("inputs")
    tiny_checkpoint(folder / "base", tied=True, num_hidden_layers=1)
    facts = [(f"What is the {number}th fact?", f"It is fact {number}{'.' * (number % 7)}") for number in range(30)]
    exchanges = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}] for question, answer in facts
    ]
    write_lines(folder / "conversations.jsonl", [{"messages": messages} for messages in exchanges])
    write_lines(folder / "texts.jsonl", [{"text": f"{number:02}" + "abcdefg " * 4} for number in range(30)])
    items = [
        {"problem_id": number, "problem_text": f"Which is {number}?", "choices": ["one", "two", "three"], "answer": "b"}
        for number in range(5)
    ]
    write_lines(folder / "items.jsonl", items)
    for recipe, values in RECIPES.items():
        for name, batch in (("one", 4), ("two", 2)):
            content = {**values, "output": f"{recipe}-{name}", "batch_size": batch}
            (folder / f"{recipe}-{name}.yaml").write_text(json.dumps(content), "utf-8")
    return folder


def write_lines(path: Path, records: list[Any]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")


@pytest.fixture
def workplace(inputs: Path, tmp_path: Path) -> Path:
    for path in inputs.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def two_processes(
    folder: Path,
    trainings: Trainings,
    recipe: str,
    *more: str,
    sharded: bool,
    moments: tuple[Moment, ...] = (),
    largest_part: int | None = None,
) -> list[Ended]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return trainings.run(
        folder,
        *(
            Training(
                [recipe, f"{recipe}-two.yaml", *more],
                moments if rank == 0 else (),
                {**common, **(FSDP if sharded else {}), "RANK": str(rank), "LOCAL_RANK": str(rank)},
                sharded=sharded,
                largest_part=largest_part,
            )
            for rank in range(2)
        ),
    )


def entries(output: Path) -> list[dict[str, Any]]:
    lines = (output / "training" / "losses.jsonl").read_text("utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def assert_close(one: list[dict[str, Any]], two: list[dict[str, Any]]) -> None:
    assert [(entry["kind"], entry["step"]) for entry in one] == [(entry["kind"], entry["step"]) for entry in two]
    for expected, found in zip(one, two, strict=True):
        for key in ("loss", "gradient_norm", "accuracy"):
            if key in expected:
                assert found[key] == pytest.approx(expected[key], rel=1e-5), (expected, found)


def names_and_shapes(path: Path) -> Mapping[str, Any]:
    from safetensors import safe_open

    with safe_open(str(path), "pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping


@pytest.mark.parametrize(
    ("recipe", "sharded"), [("mpeft", False), ("mpeft", True), ("mfpt", True)], ids=["DDP", "FSDP, LoRA", "FSDP, full"]
)
def test_two_processes_learn_what_one_with_twice_the_batch_learns(
    recipe: str, sharded: bool, workplace: Path, trainings: Trainings
) -> None:
    alone = trainings.one(workplace, recipe, f"{recipe}-one.yaml")
    assert alone.code == 0, alone.err
    first, second = two_processes(workplace, trainings, recipe, sharded=sharded)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "Written" in first.out
    assert second.out == "", "only the first process speaks"
    assert_close(entries(workplace / f"{recipe}-one"), entries(workplace / f"{recipe}-two"))
    one, two = (workplace / f"{recipe}-{name}" / WEIGHTS[recipe] for name in ("one", "two"))
    assert names_and_shapes(one) == names_and_shapes(two)
    record = json.loads((workplace / f"{recipe}-two" / "run_record.json").read_text("utf-8"))
    assert record["machine"]["processes"] == 2
    assert not list(workplace.glob("*.unfinished"))


@pytest.mark.parametrize("more", [[], ["--set", "quantization=nf4"]], ids=["LoRA", "QLoRA"])
def test_logits_in_parts_are_computed_equally_often_by_all(
    more: list[str], inputs: Path, workplace: Path, trainings: Trainings
) -> None:
    """An output matrix of its own is gathered for each part, and answers have other lengths in each process."""
    untied = tiny_checkpoint(workplace / "untied", num_hidden_layers=1)
    settings = ["--set", f"base={untied}", "--set", "packing=true", *more]
    alone = trainings.one(workplace, "mpeft", "mpeft-one.yaml", *settings)
    assert alone.code == 0, alone.err
    part = 7 * 384
    first, second = two_processes(workplace, trainings, "mpeft", *settings, sharded=True, largest_part=part)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    one, two = (entries(workplace / f"mpeft-{name}") for name in ("one", "two"))
    assert [entry["step"] for entry in one] == [entry["step"] for entry in two]


def test_weights_in_bfloat16_stay_so_when_they_are_spread(workplace: Path, trainings: Trainings) -> None:
    from safetensors import safe_open

    more = ["--set", "optimizer=adamw_bf16", "--set", "precision=bfloat16"]
    first, second = two_processes(workplace, trainings, "mfpt", *more, sharded=True)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    with safe_open(str(workplace / "mfpt-two" / WEIGHTS["mfpt"]), "pt") as file:
        types = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - no mapping
    assert types == {"BF16"}


@pytest.mark.parametrize(
    ("recipe", "change", "sentence"),
    [
        ("mfpt", "optimizer=adamw_8bit", "adamw_8bit cannot be spread over devices by FSDP"),
        ("mpeft", "train_embeddings=true", "train_embeddings cannot be spread over devices"),
    ],
)
def test_what_cannot_be_spread_is_told_in_a_sentence(
    recipe: str, change: str, sentence: str, workplace: Path, trainings: Trainings
) -> None:
    ended = two_processes(workplace, trainings, recipe, "--set", change, sharded=True)
    assert [one.code for one in ended] == [2, 2]
    assert sentence in ended[0].err
    assert "Traceback" not in ended[0].err


def test_a_stopped_run_of_two_processes_goes_on(workplace: Path, trainings: Trainings) -> None:
    """The signal reaches one of them only; both stop after the same step."""
    assert all(ended.code == 0 for ended in two_processes(workplace, trainings, "mfpt", sharded=True))
    expected = entries(workplace / "mfpt-two")
    asked = Moment("open", "losses.jsonl", 6, signal.SIGTERM)
    stopped = two_processes(workplace, trainings, "mfpt", "--force", sharded=True, moments=(asked,))
    assert [ended.code for ended in stopped] == [130, 130], stopped[0].err + stopped[1].err
    assert "same command with --resume" in stopped[0].err
    resumed = two_processes(workplace, trainings, "mfpt", "--resume", "--force", sharded=True)
    assert [ended.code for ended in resumed] == [0, 0], resumed[0].err + resumed[1].err
    assert entries(workplace / "mfpt-two") == expected


def test_the_launcher_starts_the_recipes_with_the_configuration_that_comes_along(workplace: Path) -> None:
    """Without a GPU the launched processes train together all the same, each with the whole model."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [str(Path(sys.executable).with_name("accelerate")), "launch"]
    command += ["--config_file", str(ROOT / "trainer/accelerate/fsdp.yaml"), "--main_process_port", "0"]
    command += ["-m", "trainer", "mpeft", "mpeft-two.yaml", "--json"]
    done = subprocess.run(command, cwd=workplace, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["steps"] == 6, "steps of four sequences, not of two"


def launch_environment(name: str) -> dict[str, str]:
    """What `accelerate launch` tells the processes of a configuration."""
    from accelerate.commands import launch  # type: ignore[import-untyped,unused-ignore]
    from accelerate.utils.launch import (  # type: ignore[import-untyped,unused-ignore]
        prepare_deepspeed_cmd_env,
        prepare_multi_gpu_env,
    )

    path = str(ROOT / "trainer/accelerate" / name)
    options = launch.launch_command_parser().parse_args(["--config_file", path, "-m", "trainer"])
    options, found, _ = launch._validate_launch_command(options)
    if found.deepspeed_config:
        options.deepspeed_fields_from_accelerate_config = ",".join(found.deepspeed_config)
        return dict(prepare_deepspeed_cmd_env(options)[1])
    return dict(prepare_multi_gpu_env(options))


def test_the_configuration_of_fsdp_is_what_is_tested_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("ACCELERATE_", "FSDP_")):
            monkeypatch.delenv(name)
    environment = launch_environment("fsdp.yaml")
    assert {key: environment[key] for key in FSDP} == FSDP
    assert environment["FSDP_RESHARD_AFTER_FORWARD"] == "true"
    assert environment["ACCELERATE_MIXED_PRECISION"] == "no", "the recipe decides"


def test_the_configuration_of_zero3_leaves_to_the_recipe_what_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as accelerate reads it without DeepSpeed."""
    from accelerate import DeepSpeedPlugin  # type: ignore[import-untyped,unused-ignore]

    for name, value in launch_environment("zero3.yaml").items():
        if name.startswith("ACCELERATE_"):
            monkeypatch.setenv(name, value)
    settings = DeepSpeedPlugin().deepspeed_config
    assert settings["zero_optimization"]["stage"] == 3
    assert settings["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"] is True
    own = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    assert {settings[key] for key in own} == {"auto"}


def test_without_deepspeed_the_launched_recipe_says_so(workplace: Path, trainings: Trainings) -> None:
    import importlib.util

    if importlib.util.find_spec("deepspeed"):
        pytest.skip("deepspeed is installed")
    training = Training(["mpeft", "mpeft-two.yaml"], environment={"ACCELERATE_USE_DEEPSPEED": "true"})
    [ended] = trainings.run(workplace, training)
    assert ended.code == 2
    assert "ZeRO-3 needs the package deepspeed" in ended.err
    assert not list(workplace.glob("*.unfinished"))
