"""QLoRA of a 7B-shaped model with random weights on a GPU: what it takes, and what `plan` had said of it.

Skipped where torch sees no GPU. It needs 16 GB of disk for the base and takes some minutes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench.random_checkpoint import SHAPES, learned_merges, write_checkpoint
from trainer.cli import main
from trainer.records import read_record

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.cuda,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU, which QLoRA of 7 B is measured on"),
]

MEMORY = 16e9
WORDS = ("anaemia", "iron", "the", "patient", "of", "treatment", "heart", "failure", "貧血", "治療", "は", "心房細動")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of 15 GB, and conversations of up to 1,022 tokens."""
    folder = tmp_path_factory.mktemp("gpu")
    chooser = random.Random(0)
    texts = [" ".join(chooser.choices(WORDS, k=1200)) for _ in range(64)]
    write_checkpoint(folder / "base", SHAPES["7b"], learned_merges("\n".join(texts), 1000))
    turns = (
        [{"role": "user", "content": text[:600]}, {"role": "assistant", "content": text[600:5200]}] for text in texts
    )
    lines = "".join(json.dumps({"messages": one}, ensure_ascii=False) + "\n" for one in turns)
    (folder / "data.jsonl").write_text(lines, "utf-8")
    return folder


@pytest.mark.parametrize("packing", [False, True], ids=["padded", "packed"])
def test_qlora_of_7b_fits_16_gb_as_planned(
    packing: bool,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    values = {
        "preset": "qwen2-7b-16gb",
        "base": str(folder / "base"),
        "data": [str(folder / "data.jsonl")],
        "output": str(folder / f"out-{packing}"),
        "packing": packing,
        "max_steps": 4,
        "validation_share": 0,
        "save_every": 0,
        "log_every": 1,
        "tensorboard": False,
    }
    config = folder / "config.yaml"
    config.write_text(json.dumps(values), "utf-8")
    assert main(["plan", str(config), "--json"]) == 0
    plan: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    assert main(["mpeft", str(config), "--json"]) == 0
    record = read_record(folder / f"out-{packing}")
    reserved = int(record.machine["peak_gpu_memory_reserved"])
    tokens = plan["tokens"] / record.duration_s
    for name, value in (
        ("gpu", record.machine["gpu"]),
        ("peak_gpu_memory_reserved", reserved),
        ("planned", plan["memory"]["peak"]),
        ("tokens_per_second", round(tokens)),
        ("seconds_a_step", record.duration_s / 4),
        ("planned_seconds_a_step", plan["time"]["seconds_a_step"]),
    ):
        record_property(name, value)
        print(f"{name}: {value}")  # noqa: T201 - with -s, for the person who measures
    assert 1000 < plan["data"]["longest"] <= 1024
    assert record.losses[-1].loss < 20
    assert reserved < MEMORY
    assert plan["memory"]["peak"] - plan["memory"]["terms"]["CUDA"] == pytest.approx(reserved, rel=0.15)
