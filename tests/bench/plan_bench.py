"""`inro-train plan` against the runs it plans: memory, time and disk of trainings of several kinds and shapes.

Called by bench.py. Each training is a process of its own with random weights; real record lengths where they are at
hand. What a plan says of time is measured seconds before the run, on a machine that other programs may slow down
between the two: how much of it they used meanwhile stands beside the ratios.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.bench.random_checkpoint import Shape
from tests.bench.train_bench import prepare

ROOT = Path(__file__).resolve().parents[2]
TARGET = 0.15

SMALL = Shape(layers=8, hidden=512, feed_forward=1536, heads=8, kv_heads=4, vocabulary=32_000, tied=True)
WIDE = Shape(layers=4, hidden=768, feed_forward=2304, heads=12, kv_heads=4)
HALF_BILLION = Shape(24, 896, 4864, 14, 2, tied=True)
RECORDS = 240

WATCHED = """
import json, re, sys
from pathlib import Path
from trainer.cli import main
code = main(sys.argv[1:])
status = Path("/proc/self/status").read_text()
print(json.dumps({"peak": int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) * 1024}))
sys.exit(code)
"""


@dataclass(frozen=True)
class Case:
    name: str
    recipe: str
    shape: Shape
    steps: int
    keys: dict[str, Any] = field(default_factory=dict)


LORA = {"rank": 16, "alpha": 32, "learning_rate": 1e-4, "max_length": 512, "batch_size": 2, "gradient_accumulation": 2}
FULL = {"learning_rate": 1e-5, "block_length": 256, "batch_size": 4}
CASES = (
    Case("full, float32", "mfpt", SMALL, 30, {**FULL, "save_every": 10}),
    Case("full, bfloat16 throughout, recomputing", "mfpt", SMALL, 8,
         {**FULL, "precision": "bfloat16", "optimizer": "adamw_bf16", "activation_checkpointing": True}),
    Case("full, float32, validated", "mfpt", WIDE, 12, {**FULL, "validation_share": 0.1, "evaluate_every": 4}),
    Case("LoRA, float32", "mpeft", WIDE, 24, {**LORA, "save_every": 10}),
    Case("LoRA, packed, recomputing", "mpeft", WIDE, 16, {**LORA, "packing": True, "activation_checkpointing": True}),
    Case("DoRA with dropout", "mpeft", WIDE, 16, {**LORA, "dora": True, "dropout": 0.05}),
    Case("QLoRA of 0.5 B", "mpeft", HALF_BILLION, 6,
         {**LORA, "quantization": "nf4", "activation_checkpointing": True, "optimizer": "paged_adamw_8bit"}),
    Case("LoRA of 0.5 B", "mpeft", HALF_BILLION, 6, {**LORA}),
)  # fmt: skip


def bench_plan(work: Path) -> None:
    """A line for each case: what was planned, what was measured, and their ratio. A quarter of an hour."""
    print("plan / measured; target 0.85 to 1.15")
    for case in CASES:
        folder = work / case.name.replace(" ", "-").replace(",", "")
        prepare(folder, RECORDS, case.shape)
        config = _config(folder, case)
        begin, others = time.perf_counter(), _others()
        planned = json.loads(_python("-m", "trainer", "plan", str(config), "--json", "--recipe", case.recipe))
        measured = _measured(folder, config, case)
        ratios = [
            _ratio("memory", planned["memory"]["peak"], measured["peak"], 1e9, "GB"),
            _ratio("time", planned["time"]["hours"] * 3600, measured["seconds"], 1, "s"),
            # Of checkpoints that validation decides on, the plan counts the most there can be.
            _ratio("disk", planned["disk"]["peak"], measured["disk"], 1e6, "MB"),
            f"steps {planned['steps']} / {measured['steps']}",
            f"trained {planned['parameters']['trained']:,} / {measured['parameters']:,}",
        ]
        used = (_others() - others) / (time.perf_counter() - begin)
        print(f"  {case.name}: {'; '.join(ratios)}; other programs used {used:.1f} processors", flush=True)


def _others() -> float:
    """Processor seconds since the machine started that were neither this program's nor of those that it started."""
    spent = psutil.cpu_times()
    own = psutil.Process().cpu_times()
    return float(
        sum(spent) - spent.idle - spent.iowait - own.user - own.system - own.children_user - own.children_system
    )


def _ratio(name: str, planned: float, measured: float, unit: float, of: str) -> str:
    ratio = planned / measured
    mark = "" if abs(ratio - 1) <= TARGET else " (!)"
    return f"{name} {planned / unit:.2f} / {measured / unit:.2f} {of} = {ratio:.2f}{mark}"


def _config(folder: Path, case: Case) -> Path:
    values = {
        "data": [str(folder / "records.jsonl")],
        "base": str(folder / "checkpoint"),
        "output": str(folder / "out"),
        "max_steps": case.steps,
        "log_every": 1,
        "tensorboard": False,
        **case.keys,
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def _measured(folder: Path, config: Path, case: Case) -> dict[str, float]:
    command = [sys.executable, "-c", WATCHED, case.recipe, str(config), "--json"]
    with subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        largest, ended = [0], threading.Event()
        watcher = threading.Thread(target=_watch_disk, args=(folder, ended, largest))
        watcher.start()
        out, _ = process.communicate()
        ended.set()
        watcher.join()
    if process.returncode:
        sys.exit(f"{case.name} ended with {process.returncode}")
    result, watched = map(json.loads, out.splitlines()[-2:])
    return {
        "peak": watched["peak"],
        "seconds": result["duration_s"],
        "disk": largest[0],
        "steps": result["steps"],
        "parameters": result["parameters"],
    }


def _watch_disk(folder: Path, ended: threading.Event, largest: list[int]) -> None:
    """The most that lay in the run's own folders at any time it was looked at."""
    while not ended.wait(0.01):
        used = 0
        for output in (folder / "out", folder / "out.unfinished"):
            for parent, _, names in os.walk(output):  # which passes over what is removed meanwhile
                for name in names:
                    with contextlib.suppress(OSError):
                        used += (Path(parent) / name).stat().st_size
        largest[0] = max(largest[0], used)


def _python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 1):
        sys.exit(f"{arguments} ended with {done.returncode}")
    return done.stdout.splitlines()[-1]


def _environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
