"""Training against TRL's SFTTrainer, with the same model, records and settings, in interleaved pairs; and packing.

Called by bench.py, and by itself once for each run:

usage: train_bench.py ours|theirs FOLDER [--packing]

Both learn a LoRA adapter on all linear layers of a small Qwen2 model with a real vocabulary (151,936 rows), in float32
on a CPU and in bfloat16 on a GPU, once through all records. What is timed is the Trainer's `train`. Tokens are those of
the records, padding left out. Processor time does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.random_checkpoint import Shape, learned_merges, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT.parent / "shared" / "data" / "instruction" / "medquad_2000.jsonl"
SHAPE = Shape(layers=4, hidden=256, feed_forward=768, heads=4, kv_heads=2)
COUNT, BATCH, MAX_LENGTH, RANK = 16, 4, 512, 16
MANY = 96  # of which packing can choose
CLEAR_PEAK = "5"  # proc_pid_clear_refs(5)


def bench_train(work: Path, pairs: int) -> None:
    """Prints ratios; without trl only packing's."""
    lengths = prepare(work, COUNT)
    print(
        f"{len(lengths)} records of {statistics.median(lengths):.0f} tokens (longest {max(lengths)}) of "
        f"{RECORDS.name if RECORDS.is_file() else 'made-up lengths'}; Qwen2 of {SHAPE.layers} layers, width "
        f"{SHAPE.hidden}; batches of {BATCH}, cut at {MAX_LENGTH}; load {os.getloadavg()[0]:.1f}"
    )
    peer = importlib.util.find_spec("trl") is not None
    if not peer:
        print("  trl is not installed: nothing to compare with")
    both = [(who, packing) for packing in (False, True) for who in ("ours", "theirs")[: 1 + peer]]
    runs = _alternating(work, both, pairs)
    for (who, packing), found in runs.items():
        memory = max(run["growth"] for run in found) / 1e6
        speed = _spread([run["tokens_per_second"] for run in found], 0)
        print(f"  {who}, {_how(packing)}: tokens a second {speed}; memory {memory:.0f} MB above the model")
    for packing in (False, True) if peer else ():
        ours, theirs = runs["ours", packing], runs["theirs", packing]
        print(f"  {_how(packing)}, ours / SFTTrainer: speed {_ratios(ours, theirs)}   target >= 1.0")
        print(f"    by processor time {_ratios(ours, theirs, 'tokens_per_cpu_second')}")
        print(f"    memory {_ratios(ours, theirs, 'growth')}   target <= 1.0")
    lengths = prepare(work, MANY)
    runs = _alternating(work, [("ours", False), ("ours", True)], pairs)
    rows = {packing: runs["ours", packing][0]["sequences"] for packing in (False, True)}
    print(f"{len(lengths)} records packed into {rows[True]:.0f} sequences of {MAX_LENGTH} tokens")
    print(f"  packed / padded, ours: speed {_ratios(runs['ours', True], runs['ours', False])}")
    print(f"    by processor time {_ratios(runs['ours', True], runs['ours', False], 'tokens_per_cpu_second')}")


def _how(packing: bool) -> str:
    return "packed" if packing else "padded"


def _alternating(
    work: Path, kinds: Sequence[tuple[str, bool]], pairs: int
) -> dict[tuple[str, bool], list[dict[str, float]]]:
    found: dict[tuple[str, bool], list[dict[str, float]]] = {kind: [] for kind in kinds}
    for number in range(pairs):
        for kind in kinds if number % 2 else reversed(kinds):
            found[kind].append(_run(work, *kind))
    return found


def prepare(folder: Path, count: int, shape: Shape = SHAPE) -> list[int]:
    """Write a checkpoint and records; the records' lengths in tokens."""
    everything = _records()
    text = "\n".join(f"{record['instruction']}\n{record['output']}" for record in everything)
    write_checkpoint(folder / "checkpoint", shape, learned_merges(text, 4000))
    # One that is too long would be left out by the one and cut by the other.
    short = [record for record in everything if len(record["output"]) < 3 * MAX_LENGTH]
    records = random.Random(0).sample(short, count)
    turns = (
        [{"role": "user", "content": record["instruction"]}, {"role": "assistant", "content": record["output"]}]
        for record in records
    )
    lines = [json.dumps({"messages": messages}, ensure_ascii=False) for messages in turns]
    (folder / "records.jsonl").write_text("\n".join(lines), encoding="utf-8")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "checkpoint" / "tokenizer.json"))
    return [len(tokenizer.encode(f"{record['instruction']}\n{record['output']}").ids) for record in records]


def _records() -> list[dict[str, str]]:
    if RECORDS.is_file():
        return [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]
    chooser = random.Random(0)
    words = ("the", "anaemia", "patient", "treatment", "iron", "deficiency", "of", "causes", "heart", "a", "failure")

    def sentence(count: float) -> str:
        return " ".join(chooser.choices(words, k=max(2, int(count))))

    return [
        {"instruction": sentence(12), "output": sentence(min(500.0, chooser.lognormvariate(4.9, 0.8)))}
        for _ in range(1000)
    ]


def _run(work: Path, who: str, packing: bool) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.train_bench", who, str(work), *(["--packing"] if packing else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{who} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _ratios(
    ours: Sequence[dict[str, float]], theirs: Sequence[dict[str, float]], key: str = "tokens_per_second"
) -> str:
    return _spread([one[key] / other[key] for one, other in zip(ours, theirs, strict=True)], 2)


def _spread(values: Sequence[float], digits: int) -> str:
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"median {middle} (min {low}, max {high}, {len(values)} runs)"


# --- one run ----------------------------------------------------------------------------------------------------------


def train_ours(folder: Path, *, packing: bool) -> dict[str, int]:
    """With the recipe itself. Returns how many tokens the records have, and in how many sequences."""
    from trainer.config import MpeftConfig
    from trainer.recipes import mpeft

    record = mpeft.run(
        MpeftConfig(
            data=(str(folder / "records.jsonl"),),
            base=str(folder / "checkpoint"),
            output=str(folder / "ours"),
            learning_rate=1e-4,
            rank=RANK,
            alpha=2 * RANK,
            batch_size=BATCH,
            max_length=MAX_LENGTH,
            packing=packing,
            precision="bfloat16" if _on_gpu() else "float32",
            log_every=1,
            tensorboard=False,
        ),
        force=True,
    )
    return {name: record.counts[name] for name in ("tokens", "sequences")}


def train_theirs(folder: Path, *, packing: bool) -> dict[str, int]:
    import peft
    import torch
    import transformers

    trl: Any = importlib.import_module("trl")
    dataset: Any = importlib.import_module("datasets").Dataset
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "checkpoint")
    lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    conversations = [json.loads(line)["messages"] for line in lines]
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder / "checkpoint", dtype=torch.bfloat16 if _on_gpu() else torch.float32
    )
    settings = trl.SFTConfig(
        output_dir=str(folder / "theirs"),
        learning_rate=1e-4,
        lr_scheduler_type="cosine",
        warmup_steps=0.03,
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        max_length=MAX_LENGTH,
        packing=packing,
        activation_checkpointing=False,
        bf16=_on_gpu(),
        train_sampling_strategy="random" if packing else "group_by_length",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = trl.SFTTrainer(
        model=model,
        args=settings,
        train_dataset=dataset.from_list([{"prompt": one[:1], "completion": one[1:]} for one in conversations]),
        processing_class=tokenizer,
        peft_config=peft.LoraConfig(
            r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=0.0
        ),
    )
    trainer.train()
    rows = trainer.train_dataset["input_ids"]
    return {"tokens": sum(len(row) for row in rows), "sequences": len(rows)}


def _on_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def measured(train: Any) -> dict[str, float]:
    """Run `train`, which returns what it trained on and calls transformers' Trainer once."""
    import torch
    import transformers

    stock = transformers.Trainer.train
    found: dict[str, float] = {}

    def timed(self: Any, *arguments: Any, **options: Any) -> Any:
        begin_memory = _memory(reset=True)
        start, start_cpu = time.perf_counter(), time.process_time()
        result = stock(self, *arguments, **options)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found.update(seconds=time.perf_counter() - start, cpu_seconds=time.process_time() - start_cpu)
        found["growth"] = _memory() - begin_memory
        found["loss"] = next(entry["loss"] for entry in self.state.log_history if "loss" in entry)
        return result

    transformers.Trainer.train = timed
    counts = train()
    rates = {f"tokens_per_{clock}": counts["tokens"] / found[f"{clock}s"] for clock in ("second", "cpu_second")}
    return {**found, **rates, **counts}


def _memory(*, reset: bool = False) -> float:
    """With `reset` the bytes in use now; without, the most since then. On a GPU its own, else the resident set."""
    import torch

    if torch.cuda.is_available():
        if reset:
            torch.cuda.reset_peak_memory_stats()
        return float(torch.cuda.memory_allocated() if reset else torch.cuda.max_memory_allocated())
    if reset:
        Path("/proc/self/clear_refs").write_text(CLEAR_PEAK)
    name = "VmRSS:" if reset else "VmHWM:"
    status = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in status if line.startswith(name))) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("who", choices=("ours", "theirs"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--packing", action="store_true")
    options = parser.parse_args()
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")
    train = {"ours": train_ours, "theirs": train_theirs}[options.who]
    print(json.dumps(measured(lambda: train(options.folder, packing=options.packing))))


if __name__ == "__main__":
    main()
