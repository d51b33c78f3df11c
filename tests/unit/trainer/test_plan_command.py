"""`inro-train plan` and `record` from the outside: what is planned is what a real tiny run then does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_checkpoints import VOCABULARY, tiny_checkpoint
from trainer.cli import main
from trainer.planning import amounts, duration
from trainer.planning.hours import accelerator
from trainer.planning.trial import attempts
from trainer.records import read_record

TEXT = "心房細動では、脳梗塞を防ぐために抗凝固薬を用いる。 Anticoagulants prevent stroke in atrial fibrillation. "
COMMON: dict[str, Any] = {"learning_rate": 0.001, "batch_size": 3, "gradient_accumulation": 2, "epochs": 2}
FULL = {**COMMON, "data": ["text.jsonl"], "base": "base", "output": "full", "block_length": 48}
NEW = {
    **COMMON, "data": ["text.jsonl"], "output": "new", "vocabulary_size": 2000, "hidden_size": 32, "layers": 1,
    "heads": 2, "kv_heads": 1, "intermediate_size": 64, "context_length": 128, "block_length": 48,
}  # fmt: skip
ADAPTER = {**COMMON, "data": ["turns.jsonl"], "base": "base", "output": "adapter", "rank": 4, "max_length": 96}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny_checkpoint(Path("base"))
    lines = [json.dumps({"text": TEXT * number}) for number in range(1, 6)]
    Path("text.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    turns = [
        [{"role": "user", "content": TEXT[: 9 + number]}, {"role": "assistant", "content": TEXT[number : number + 9]}]
        for number in range(17)
    ]
    Path("turns.jsonl").write_text("".join(json.dumps({"messages": one}) + "\n" for one in turns), "utf-8")
    return tmp_path


def config_file(values: dict[str, Any]) -> str:
    Path("config.yaml").write_text(json.dumps(values), "utf-8")  # JSON is YAML
    return "config.yaml"


def planned(values: dict[str, Any], capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["plan", config_file(values), "--json", *options]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert isinstance(plan, dict)
    return plan


@pytest.mark.parametrize(
    "values",
    [
        FULL,
        {**FULL, "packing": True, "validation_share": 0.2},
        {**FULL, "max_steps": 2},
        NEW,
        ADAPTER,
        {**ADAPTER, "packing": True},
        {**ADAPTER, "weights": [2.5], "validation_share": 0.3, "dora": True},
    ],
)
def test_steps_tokens_and_parameters_are_those_of_the_run(
    values: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = "mpeft" if "rank" in values else "mfpt"
    plan = planned(values, capsys)
    assert (plan["recipe"], plan["data"]["how"]) == (recipe, "counted")
    assert main([recipe, config_file(values), "--json"]) == 0
    counts = read_record(Path(values["output"])).counts
    assert plan["steps"] == counts["steps"]
    assert plan["data"]["tokens"] == counts["tokens"]
    assert plan["parameters"]["trained"] == counts["parameters"]
    assert plan["data"]["held_back"] == counts["documents_held_back"]


@pytest.mark.parametrize("values", [ADAPTER, {**ADAPTER, "packing": True}, FULL])
@pytest.mark.parametrize("steps", [1, 4])
def test_a_run_of_few_steps_computes_the_batches_that_were_planned(
    values: dict[str, Any], steps: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {**values, "max_steps": steps}
    plan = planned(values, capsys)
    computed: list[int] = []

    def watch(module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, torch.nn.Embedding) and module.training:
            computed.append(inputs[0].numel())

    with torch.nn.modules.module.register_module_forward_pre_hook(watch):
        assert main([plan["recipe"], config_file(values), "--json"]) == 0
    work = plan["data"]["work"]
    assert (work["batches"], work["computed"]) == (len(computed), sum(computed))
    assert plan["tokens"] == work["tokens"] <= work["computed"]
    shapes = work["shapes"]
    average = sum(shape["share"] * shape["rows"] * shape["length"] for shape in shapes)
    assert average == pytest.approx(sum(computed) / len(computed), rel=0.05)


PEAK = """
import re, sys
from pathlib import Path
from trainer.cli import main
assert main(sys.argv[1:]) == 0
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024)
"""
"""A run that ends with the peak of its own memory. (`getrusage` also knows that of the process that started it.)"""


def measured_peak(recipe: str, values: dict[str, Any]) -> int:
    command = [sys.executable, "-c", PEAK, recipe, config_file(values), "--json"]
    # A process of its own: its peak is the run's alone.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=200)
    return int(done.stdout.splitlines()[-1])


measures_peaks = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc"
)


@measures_peaks
def test_memory_and_disk_are_near_what_is_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {**NEW, "hidden_size": 512, "layers": 8, "heads": 8, "intermediate_size": 2048, "max_steps": 2}
    plan = planned(values, capsys)
    libraries = plan["memory"]["terms"]["libraries"]
    own = measured_peak("mfpt", values) - libraries
    assert own > 400e6
    assert plan["memory"]["peak"] - libraries == pytest.approx(own, rel=0.15)
    weights = (Path("new") / "model.safetensors").stat().st_size
    assert plan["disk"]["result"] == pytest.approx(weights, rel=0.05)


@measures_peaks
def test_files_of_another_type_are_in_memory_while_they_are_loaded(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_checkpoint(Path("base"), dtype="bfloat16", hidden_size=1024, intermediate_size=4096, num_hidden_layers=8)
    values = {**ADAPTER, "activation_checkpointing": True, "max_steps": 1}
    memory = planned(values, capsys)["memory"]
    assert memory["moment"] == "loading"
    own = measured_peak("mpeft", values) - memory["terms"]["libraries"]
    assert memory["peak"] - memory["terms"]["libraries"] == pytest.approx(own, rel=0.15)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("rows", "more"),
    [
        (VOCABULARY, {"target_modules": ["q_proj", "lm_head"]}),
        (VOCABULARY, {"added_tokens": ["<finding>"]}),
        (327, {"added_tokens": ["<finding>", "抗凝固薬"]}),
        (327, {"added_tokens": ["<finding>", "抗凝固薬"], "train_embeddings": True}),
        (VOCABULARY, {"train_embeddings": True}),
    ],
    ids=["adapter of the output", "spare rows", "grown", "grown and trained", "trained"],
)
def test_the_disk_has_room_for_what_is_saved_of_the_base(
    rows: int, more: dict[str, Any], tied: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tiny base's tokenizer has 327 tokens."""
    tiny_checkpoint(Path("base"), tied=tied, vocab_size=rows)
    values = {**ADAPTER, "max_steps": 2, "save_every": 1, **more}
    plan = planned(values, capsys)
    assert main(["mpeft", config_file(values), "--json"]) == 0
    saved = (Path("adapter") / "adapter_model.safetensors").stat().st_size
    names = 6_000  # bytes that a file begins with
    assert plan["disk"]["result"] == pytest.approx(saved, abs=names)


@pytest.mark.parametrize("values", [FULL, ADAPTER, {**ADAPTER, "quantization": "nf4", "packing": True}])
def test_a_step_of_random_weights_is_tried_with_the_settings_of_the_run(
    values: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    time = planned(values, capsys)["time"]
    assert (time["source"], time["blocks_tried"]) == ("tried", 2)
    assert 0 < time["seconds_a_step"] < time["hours"] * 3600
    assert sorted(folder.rglob("*")) == sorted([*before, folder / "config.yaml"])


def test_where_batches_would_take_too_long_one_row_is_tried(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duration, "attempts", lambda work: attempts(work)[-1:])
    tried: list[tuple[int, ...]] = []

    def watch(module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, torch.nn.Embedding):
            tried.append(tuple(inputs[0].shape))

    with torch.nn.modules.module.register_module_forward_pre_hook(watch):
        plan = planned(FULL, capsys)
    assert plan["time"]["source"] == "tried"
    work = plan["data"]["work"]
    length = round(work["computed"] / (work["batches"] * work["shapes"][0]["rows"]))
    assert set(tried[2:]) == {(1, length)}  # the first two look at how logits are made


def test_a_processor_that_computes_bfloat16_slowly_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def notes(half: float) -> str:
        monkeypatch.setattr(duration, "measured_flops", lambda _device, is_half: half if is_half else 1e11)
        return " ".join(planned({**FULL, "precision": "bfloat16"}, capsys)["notes"])

    assert "bfloat16 about 50 times as slowly as float32; set precision to float32" in notes(2e9)
    assert "bfloat16" not in notes(1e11)


def test_what_is_written_takes_time_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    time = planned({**FULL, "save_every": 1}, capsys)["time"]
    assert 0 < time["writing_s"] < time["hours"] * 3600
    assert planned(FULL, capsys, "--gpu", "L4")["time"]["writing_s"] == 0


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write into")
def test_an_output_that_nothing_can_be_written_for_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", config_file({**FULL, "output": "/proc/adapter"})]) == 1  # nor is there any room
    assert "nothing can be written for /proc/adapter" in capsys.readouterr().out


def test_where_no_step_can_be_tried_the_plan_says_so_and_stands(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = json.loads(Path("base/config.json").read_bytes())
    Path("base/config.json").write_text(json.dumps({**settings, "hidden_act": "unheard-of"}))
    plan = planned(ADAPTER, capsys)
    assert plan["time"]["source"] == "matrix product"
    assert any("could not be tried" in note for note in plan["notes"])


@pytest.mark.parametrize(
    ("name", "memory"),
    [
        ("RTX 4090", 24), ("NVIDIA GeForce RTX 4090", 24), ("rtx4060 ti", 16), ("NVIDIA A100-SXM4-40GB", 40),
        ("A100", 80), ("L40", 48), ("L4", 24), ("RTX A4000", 16),
    ],
)  # fmt: skip
def test_a_gpu_is_told_by_its_words_and_a_size_that_is_named(name: str, memory: int) -> None:
    found = accelerator(name)
    assert found is not None
    assert found.gigabytes == memory


@pytest.mark.parametrize("name", ["RTX A1000", "A4000", "Tesla T4", "Radeon"])
def test_another_gpu_is_not_taken_for_one_that_is_known(name: str) -> None:
    assert accelerator(name) is None


def test_the_longest_record_decides_the_memory_wherever_it_stands(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = planned(ADAPTER, capsys)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(amounts, "MOST_CHARACTERS", 300)
        sampled = planned(ADAPTER, capsys)
    assert (whole["data"]["how"], sampled["data"]["how"]) == ("counted", "sampled")
    assert sampled["data"]["longest"] == whole["data"]["longest"]


def test_a_plan_can_be_changed_and_made_for_another_gpu(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = planned(ADAPTER, capsys)
    there = planned(ADAPTER, capsys, "--gpu", "rtx 4090", "--set", "rank=8", "--set", "activation_checkpointing=true")
    assert there["parameters"]["trained"] == 2 * here["parameters"]["trained"]
    assert (there["memory"]["device"], there["memory"]["kind"]) == ("RTX 4090 (24 GB)", "gpu")
    assert there["time"]["source"] == "data sheet"
    assert there["memory"]["terms"]["activations"] < here["memory"]["terms"]["activations"]
    assert not there["memory"]["measured_here"]
    assert main(["plan", config_file(ADAPTER), "--gpu", "Voodoo 2"]) == 2
    assert "known are RTX 4060 Ti, RTX 4080" in capsys.readouterr().err


def test_what_does_not_fit_is_an_error_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {**NEW, "vocabulary_size": 262144, "hidden_size": 16384, "layers": 200, "heads": 128, "kv_heads": 8}
    assert main(["plan", config_file(values)]) == 1
    assert "does not fit" in capsys.readouterr().out


def test_without_a_tokenizer_tokens_follow_from_bytes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in Path("base").glob("tokenizer*"):
        path.unlink()
    plan = planned(FULL, capsys)
    assert plan["data"]["how"] == "from bytes"
    assert plan["data"]["tokens"] > 0


def test_the_recipe_is_told_by_the_keys_or_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {key: value for key, value in FULL.items() if key != "block_length"}
    assert main(["plan", config_file(values)]) == 2
    assert "say which with --recipe" in capsys.readouterr().err
    assert planned(values, capsys, "--recipe", "mfpt", "--set", "block_length=48")["recipe"] == "mfpt"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"base": "nowhere"}, "nowhere is no checkpoint: it has no config.json"),
        ({"data": ["nothing.jsonl"]}, "nothing.jsonl"),
        ({"target_modules": ["c_attn"]}, "no module c_attn"),
    ],
)
def test_what_cannot_be_planned_is_told_in_a_sentence(
    change: dict[str, Any], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", config_file({**ADAPTER, **change})]) == 2
    assert sentence in capsys.readouterr().err


def test_a_record_is_shown_to_a_person_and_to_a_program(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mpeft", config_file({**ADAPTER, "validation_share": 0.2, "log_every": 1}), "--json"]) == 0
    capsys.readouterr()
    assert main(["record", "adapter"]) == 0
    shown = capsys.readouterr().out
    record = read_record(Path("adapter"))
    for expected in (
        f"mpeft, started {record.started}",
        f"{record.losses[-1].loss:.4f}",
        f"{record.validation[-1].loss:.4f}",
        record.data[0].sha256,
        "rank: 4",
    ):
        assert expected in shown
    assert main(["record", "adapter", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == record.counts
    assert main(["record", "base"]) == 2
