"""The model of the memory: activations against what autograd saves, and the terms against one another."""

from __future__ import annotations

import platform
import subprocess
import sys
import weakref
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.tiny_checkpoints import tiny_model
from trainer.config import MfptConfig, MpeftConfig, check_config
from trainer.planning.activations import Execution, kept_for_backward
from trainer.planning.execution import execution, trained
from trainer.planning.memory import Peak, peak
from trainer.planning.overhead import heap_bytes
from trainer.planning.shapes import Shape, shape_from

BATCH, LENGTH, RANK = 2, 72, 4
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
WIDTHS = {"num_hidden_layers": 6, "hidden_size": 64, "intermediate_size": 160}

QWEN2_7B = {
    "model_type": "qwen2",
    "vocab_size": 152064,
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
}
LLAMA2_7B = {
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
}


@dataclass(eq=False)
class Kept:
    tensor: Any


def saved_bytes(model: Any, *, autocast: bool, packed: bool) -> int:
    """Of the storages that the graph of a forward pass holds, without the weights and their copies."""
    import torch

    weights = {weight.untyped_storage().data_ptr() for weight in [*model.parameters(), *model.buffers()]}
    matrices = [weight for weight in model.parameters() if weight.ndim == 2]
    shapes = {tuple(shape) for weight in matrices for shape in (weight.shape, weight.mT.shape)}
    kept: list[weakref.ref[Kept]] = []

    def pack(tensor: Any) -> Kept:
        one = Kept(tensor)
        kept.append(weakref.ref(one))
        return one

    tokens = torch.zeros(BATCH, LENGTH, dtype=torch.long)
    half = torch.arange(LENGTH // 2).repeat(2)[None].expand(BATCH, -1)
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda one: one.tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast),
    ):
        hidden = causal.model(input_ids=tokens, use_cache=False, **({"position_ids": half} if packed else {}))[0]
    found = [one.tensor for reference in kept if (one := reference())]
    assert hidden.requires_grad
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for tensor in found
        if tensor.untyped_storage().data_ptr() not in weights and tuple(tensor.shape) not in shapes
    }
    return sum(storages.values())


FULL: dict[str, Any] = {"trains_all": True}
ADAPTER: dict[str, Any] = {"trains_all": False, "rank": RANK}
HALF: dict[str, Any] = {"weight_bytes": 2, "stream_bytes": 2, "compute_bytes": 2}


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("Qwen2", FULL),
        ("Qwen2", {**FULL, "compute_bytes": 2}),
        ("Qwen2", {**FULL, **HALF}),
        ("Qwen2", {**FULL, "checkpointing": True}),
        ("Qwen2", {**FULL, "masked": True}),
        ("Qwen2", {**FULL, "eager": True}),
        ("Qwen2", ADAPTER),
        ("Qwen2", {**ADAPTER, **HALF}),
        ("Qwen2", {**ADAPTER, **HALF, "checkpointing": True}),
        ("Qwen2", {**ADAPTER, "dropout": True}),
        ("Qwen2", {**ADAPTER, "dora": True}),
        ("Llama", {**FULL, "compute_bytes": 2}),
        ("Mistral", ADAPTER),
        ("Qwen3", {**FULL, **HALF}),
        ("Gemma2", {**FULL, "eager": True}),
        ("Gemma3", FULL),
    ],
)
def test_activations_are_what_autograd_saves(family: str, settings: dict[str, Any]) -> None:
    import torch

    extra = {"head_dim": 16} if family in ("Qwen3", "Gemma2", "Gemma3") else {}
    model = tiny_model(
        family=family,
        dtype="bfloat16" if settings.get("weight_bytes") == 2 else "float32",
        attn_implementation="eager" if settings.get("eager") else "sdpa",
        sliding_window=None if family == "Mistral" else 4096,
        **dict[str, Any](WIDTHS | extra),
    )
    shape = shape_from(model.config.to_dict(), "x")
    run = Execution(batch=BATCH, length=LENGTH, **settings)
    if not run.trains_all:
        from peft import LoraConfig, get_peft_model

        run = replace(run, adapted=shape.matrices())
        dropout = 0.1 if run.dropout else 0.0
        adapter = LoraConfig(r=RANK, target_modules=LINEAR, lora_dropout=dropout, use_dora=run.dora)
        model = get_peft_model(model, adapter)
    model.train()
    if run.checkpointing:
        model.activation_checkpointing_enable()
        model.enable_input_require_grads()
    torch.manual_seed(0)
    saved = saved_bytes(model, autocast=run.compute_bytes == 2, packed=run.masked)
    # The first block's input needs no gradient under an adapter, and positions have sines: a few percent of six blocks.
    assert kept_for_backward(shape, run) == pytest.approx(saved, rel=0.04)


def full(**settings: Any) -> MfptConfig:
    given = {"data": ["x"], "output": "y", "learning_rate": 1e-5, "base": "b", "block_length": 1024, "batch_size": 1}
    return check_config({**given, **settings}, MfptConfig, "x.yaml")


def adapter(**settings: Any) -> MpeftConfig:
    given = {"data": ["x"], "output": "y", "learning_rate": 1e-4, "base": "b", "batch_size": 1, "rank": 8}
    return check_config({**given, **settings}, MpeftConfig, "x.yaml")


QLORA = {"quantization": "nf4", "precision": "bfloat16", "activation_checkpointing": True}


def planned(config: MfptConfig | MpeftConfig, raw: dict[str, Any] = QWEN2_7B, length: int = 1024) -> Peak:
    shape: Shape = shape_from(raw, "x")
    run = execution(config, shape, length, cuda=True)
    return peak(shape, run, trained(config, shape), run.tokens)


def term(found: Peak, name: str) -> int:
    return next(one.bytes for one in found.terms if one.name == name)


@pytest.mark.parametrize(("length", "reported"), [(1024, 6e9), (2048, 7e9), (4096, 9e9)])
def test_a_reported_qlora_of_7b_is_near(length: int, reported: float) -> None:
    """LLaMA-Factory on an A100, in whole GB as nvidia-smi shows them; it makes logits for every position."""
    needed = planned(adapter(**QLORA), LLAMA2_7B, length).bytes * 1.05 + 0.6e9
    assert needed == pytest.approx(reported, rel=0.2)


def test_what_an_adapter_saves_is_where_it_is_known_to_be() -> None:
    whole, half = planned(full()), planned(adapter(precision="bfloat16"))
    assert whole.bytes > 7.6e9 * 16  # weights, gradients and two moments in float32
    assert 7.6e9 * 2 < half.bytes < 7.6e9 * 2 + 16e9
    four = planned(adapter(**QLORA))
    assert term(four, "weights") < 0.4 * term(half, "weights")


def test_each_setting_that_is_said_to_save_memory_does() -> None:
    before = planned(adapter(precision="bfloat16", batch_size=4))
    for change in (
        {"activation_checkpointing": True},
        {"quantization": "nf4"},
        {"batch_size": 2},
        {"rank": 4},
    ):
        settings = {"precision": "bfloat16", "batch_size": 4, **change}
        assert planned(adapter(**settings)).bytes < before.bytes, change
    state = [term(planned(full(optimizer=name)), "optimizer state") for name in ("adamw", "adamw_8bit")]
    assert state[1] < 0.4 * state[0]
    bf16 = planned(full(optimizer="adamw_bf16", precision="bfloat16"))
    assert term(bf16, "weights") + term(bf16, "gradients") + term(bf16, "optimizer state") == pytest.approx(
        8 * 7.6e9, rel=0.01
    )


def test_gradients_of_earlier_batches_are_there_when_they_accumulate() -> None:
    alone, more = planned(full()), planned(full(gradient_accumulation=2))
    assert more.bytes >= alone.bytes
    shape = shape_from(QWEN2_7B, "x")
    # Of the output matrix, a batch's own gradient stands beside the one that it is added to.
    assert term(more, "gradients") == 4 * (shape.parameters + shape.vocabulary * shape.hidden)


def test_large_tensors_leave_nothing_in_the_heap() -> None:
    shape = shape_from(QWEN2_7B, "x")
    run = execution(adapter(), shape, 4096, cuda=False)
    assert heap_bytes(shape, run) == 0
    assert heap_bytes(shape, replace(run, length=128)) > 0
    assert heap_bytes(shape, replace(run, length=128, checkpointing=True)) == 0


AFTER = """
import psutil
from trainer.config import MfptConfig
from trainer.running.freed_memory import give_back_large_tensors
size = 2 * 2**20
del (large := bytearray(b"x") * (15 * size))[:]  # glibc learns from it to keep what is as large
give_back_large_tensors(MfptConfig(data=(), output="", learning_rate=1.0, activation_checkpointing=True))
begin = psutil.Process().memory_info().rss
pieces = [bytearray(b"x") * size for _ in range(200)]
pinned = bytes(200_000)  # behind them, where it keeps the heap from shrinking
full = psutil.Process().memory_info().rss - begin
del pieces
print(full, psutil.Process().memory_info().rss - begin)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give memory back by themselves or not")
def test_freed_tensors_are_given_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", AFTER], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    full, after = map(int, done.stdout.split())
    assert full > 400e6
    assert after < 20e6
