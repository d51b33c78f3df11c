"""Each kind of adapter that the configuration names is trained for a few steps, merged by the converter, and is then
what the trained model computes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import peft
import pytest
import torch
from peft.optimizers import create_loraplus_optimizer

from app.core.errors import InputError, MachineError
from tests.tiny_checkpoints import tiny_checkpoint, tiny_model
from tests.unit.converter.peft_models import (
    EMBEDDING,
    HEAD,
    base_model,
    effective_weights,
    largest_difference,
    merged_weights,
)
from trainer.adapters import adapter_model
from trainer.base import check_context
from trainer.batches import Padded, packed_rows, rows_of
from trainer.bf16_adamw import rounded_at_random
from trainer.cli import main
from trainer.config import MfptConfig, MpeftConfig
from trainer.labels import IGNORED, Example
from trainer.optimizers import build_optimizer, parameter_groups

TOKENS = torch.arange(3, 60)[None]


@pytest.fixture(scope="module", autouse=True)
def _one_thread_for_torch() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        "untied": tiny_checkpoint(folder / "untied"),
        "tied": tiny_checkpoint(folder / "tied", tied=True),
        "bf16": tiny_checkpoint(folder / "bf16", dtype="bfloat16"),
    }


def config_for(checkpoint: Path, **settings: Any) -> MpeftConfig:
    keys: dict[str, Any] = {"learning_rate": 1e-2, "rank": 4, "alpha": 8, **settings}
    return MpeftConfig(data=("x",), base=str(checkpoint), output="x", **keys)


def examples() -> list[Example]:
    chooser = random.Random(0)
    found = []
    for length in (9, 14, 20, 5):
        tokens = [chooser.randrange(3, 380) for _ in range(length)]
        found.append(Example(tokens, [*[IGNORED] * 3, *tokens[3:]]))
    return found


def trained(config: MpeftConfig, steps: int = 4) -> tuple[Any, list[float]]:
    """The model, and its losses."""
    torch.manual_seed(config.seed)
    model = adapter_model(config).train()
    optimizer = build_optimizer(model, config)
    rows = packed_rows(examples(), 40) if config.packing else rows_of(examples())
    losses = []
    for _ in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
            loss = model(**Padded(0)(rows)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss))
    return model.eval(), losses


def saved(model: Any, folder: Path, config: MpeftConfig) -> Path:
    """With what the recipe's record says."""
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "run_record.json").write_text(json.dumps({"configuration": msgspec.to_builtins(config)}))
    return folder


@pytest.mark.parametrize(
    ("base", "settings"),
    [
        ("untied", {}),
        ("untied", {"rslora": True, "dropout": 0.1}),
        ("untied", {"dora": True, "packing": True}),
        ("untied", {"target_modules": ("q_proj", "down_proj"), "lora_plus_ratio": 16.0}),
        ("untied", {"train_embeddings": True, "optimizer": "adamw_8bit"}),
        ("tied", {"train_embeddings": True, "rslora": True, "dora": True}),
        ("bf16", {"precision": "bfloat16", "train_embeddings": True, "optimizer": "paged_adamw_8bit"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
def test_the_converter_merges_what_was_trained(
    tmp_path: Path, checkpoints: dict[str, Path], base: str, settings: dict[str, Any]
) -> None:
    config = config_for(checkpoints[base], **settings)
    model, losses = trained(config)
    adapter = saved(model, tmp_path / "adapter", config)

    assert losses[-1] < losses[0] - 0.2
    wanted = effective_weights(peft.PeftModel.from_pretrained(base_model(checkpoints[base]), str(adapter)).eval())
    found = merged_weights(checkpoints[base], adapter)
    assert largest_difference(found, wanted) < 1e-6
    assert np.array_equal(found[HEAD], found[EMBEDDING]) == (base == "tied")
    if config.precision == "float32":
        plain = base_model(checkpoints[base]).eval()
        with torch.no_grad():
            for name, value in found.items():
                weight = plain.state_dict()[name]
                weight.copy_(torch.from_numpy(value).reshape(weight.shape))
            assert torch.allclose(plain(TOKENS).logits, model(TOKENS).logits, atol=1e-4)


@pytest.mark.parametrize("settings", [{"precision": "bfloat16"}, {"dora": True, "double_quantization": False}])
def test_an_adapter_of_a_base_in_4_bits_is_merged_into_what_it_was_trained_on(
    tmp_path: Path, checkpoints: dict[str, Path], settings: dict[str, Any]
) -> None:
    config = config_for(checkpoints["bf16"], quantization="nf4", **settings)
    model, losses = trained(config)
    assert losses[-1] < losses[0] - 0.5
    adapter = saved(model, tmp_path / "adapter", config)

    def divergence(**how: Any) -> float:
        merged = base_model(checkpoints["bf16"]).eval()
        with torch.no_grad():
            for name, value in merged_weights(checkpoints["bf16"], adapter, **how).items():
                weight = merged.state_dict()[name]
                weight.copy_(torch.from_numpy(value).reshape(weight.shape))
            with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
                trained_on = model(TOKENS).logits.float().log_softmax(-1)
            other = merged(TOKENS).logits.log_softmax(-1)
        return float((trained_on.exp() * (trained_on - other)).sum(-1).mean())

    assert divergence() < 1e-3
    assert divergence(base_quant="none") > 5 * divergence()


@pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX512",
    reason="bitsandbytes computes this rightly on this machine",
)
def test_a_base_that_would_be_held_wrongly_in_4_bits_is_refused(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint(tmp_path, hidden_size=48, num_key_value_heads=4)
    with pytest.raises(MachineError, match=r"cannot hold .* in 4 bits on this processor, since its 48 inputs"):
        adapter_model(config_for(checkpoint, quantization="nf4"))


def test_a_module_that_the_base_does_not_have_is_named_with_those_it_has(checkpoints: dict[str, Path]) -> None:
    config = config_for(checkpoints["untied"], target_modules=("q_proj", "query_proj"))
    with pytest.raises(InputError, match=r"no layer query_proj; its layers are down_proj, .*, q_proj, up_proj, v_proj"):
        adapter_model(config)


def test_sequences_longer_than_the_base_reads_are_refused() -> None:
    rows = rows_of([Example([5] * 257, [5] * 257)])
    with pytest.raises(InputError, match="sequences of 257 tokens, and the base reads 256; lower max_length"):
        check_context(tiny_model(), rows)


def test_what_is_trained_is_in_float32_and_nothing_else_is_trained(checkpoints: dict[str, Path]) -> None:
    model = adapter_model(config_for(checkpoints["bf16"], precision="bfloat16", train_embeddings=True))
    for name, weight in model.named_parameters():
        learned = "lora_" in name or "modules_to_save" in name
        assert weight.requires_grad == learned, name
        assert (weight.dtype == torch.float32) == learned, name


def test_only_the_text_part_of_a_model_that_sees_gets_an_adapter(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint(tmp_path, family="Gemma3Vision", tied=True)
    model = adapter_model(config_for(checkpoint, packing=True))
    adapted = {name for name, _ in model.named_parameters() if "lora_A" in name}
    assert len(adapted) == 3 * 7
    assert all("language_model.layers" in name for name in adapted)


# --- optimizers -------------------------------------------------------------------------------------------------------


def test_lora_plus_gives_the_second_factors_the_higher_rate_as_peft_does(checkpoints: dict[str, Path]) -> None:
    config = config_for(checkpoints["untied"], lora_plus_ratio=8.0, weight_decay=0.1)
    model = adapter_model(config)
    theirs = create_loraplus_optimizer(
        model, torch.optim.AdamW, lr=1e-2, loraplus_lr_ratio=8.0, loraplus_weight_decay=0.1
    )

    def settings(groups: Any) -> dict[int, tuple[float, float]]:
        return {id(one): (group["lr"], group["weight_decay"]) for group in groups for one in group["params"]}

    ours = parameter_groups(model, config)
    assert settings(ours) == settings(theirs.param_groups)
    assert ours[0]["lr"] == 1e-2


def test_weight_decay_is_for_matrices_only() -> None:
    model = tiny_model()
    groups = parameter_groups(model, MfptConfig(data=("x",), output="x", learning_rate=1e-3, weight_decay=0.1))
    kinds = {weight.ndim: group["weight_decay"] for group in groups for weight in group["params"]}
    assert kinds == {1: 0.0, 2: 0.1}


def quadratic(optimizer: str, *, dtype: torch.dtype, seed: int = 0) -> torch.Tensor:
    """Weights after 400 steps of a small learning rate towards 1, from 0.5."""
    keys: dict[str, Any] = {"optimizer": optimizer, "learning_rate": 1e-4, "adam_beta2": 0.99, "seed": seed}
    layer: Any = torch.nn.Linear(64, 64, bias=False).to(dtype)
    torch.nn.init.constant_(layer.weight, 0.5)
    found = build_optimizer(layer, MfptConfig(data=("x",), output="x", **keys))
    for _ in range(400):
        ((layer.weight.float() - 1) ** 2).sum().backward()
        found.step()
        found.zero_grad()
    result: torch.Tensor = layer.weight.detach().float()
    return result


def test_steps_too_small_for_bfloat16_are_not_lost() -> None:
    wanted = float(quadratic("adamw", dtype=torch.float32).mean())
    assert float(quadratic("adamw_bf16", dtype=torch.bfloat16).mean()) == pytest.approx(wanted, abs=1e-3)
    # This is what rounding to the nearest number makes of it.
    assert float(quadratic("adamw", dtype=torch.bfloat16).mean()) == 0.5


def test_the_bf16_optimizer_repeats_itself_and_depends_on_the_seed() -> None:
    first = quadratic("adamw_bf16", dtype=torch.bfloat16)
    assert torch.equal(first, quadratic("adamw_bf16", dtype=torch.bfloat16))
    assert not torch.equal(first, quadratic("adamw_bf16", dtype=torch.bfloat16, seed=1))


def test_the_bf16_optimizer_goes_on_from_its_state_as_if_it_had_not_stopped() -> None:
    config = MfptConfig(data=("x",), output="x", learning_rate=1e-2, precision="bfloat16", optimizer="adamw_bf16")

    def run(steps: int, state: Any = None) -> tuple[Any, Any]:
        model = tiny_model(dtype="bfloat16")
        optimizer = build_optimizer(model, config)
        if state is not None:
            model.load_state_dict(state[0])
            optimizer.load_state_dict(state[1])
        for _ in range(steps):
            model(**Padded(0)(rows_of(examples()))).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        return model.state_dict(), optimizer.state_dict()

    whole, (parts, _) = run(4)[0], run(2, run(2))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_numbers_are_rounded_to_their_neighbours_in_proportion() -> None:
    below, above = 1.0, 1.0 + 2**-7
    values = torch.full((100_000,), below + 0.25 * 2**-7)
    rounded = rounded_at_random(values, torch.Generator().manual_seed(0)).float()
    assert set(rounded.tolist()) == {below, above}
    assert float((rounded == above).float().mean()) == pytest.approx(0.25, abs=0.01)
    exact = torch.tensor([0.0, -1.5, 3e38, float("inf")]).to(torch.bfloat16)
    assert torch.equal(rounded_at_random(exact.float(), torch.Generator().manual_seed(0)), exact)


# --- the commands -----------------------------------------------------------------------------------------------------


def command(folder: Path, recipe: str, record: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """Train on 24 records with the command, and give its run record."""
    lines = [json.dumps({key: vary(number) for key, vary in record.items()}) for number in range(24)]
    (folder / "data.jsonl").write_text("\n".join(lines), "utf-8")
    output = folder / recipe
    settings = {"data": [str(folder / "data.jsonl")], "output": str(output), "tensorboard": False, "batch_size": 2}
    (folder / "config.yaml").write_text(
        json.dumps({**settings, "learning_rate": 3e-3, "log_every": 1, **keys}), "utf-8"
    )
    assert main([recipe, str(folder / "config.yaml")]) == 0
    found: dict[str, Any] = json.loads((output / "run_record.json").read_text("utf-8"))
    assert found["losses"][-1]["loss"] < found["losses"][0]["loss"]
    return found


def test_all_settings_at_once_train_an_adapter_that_merges(tmp_path: Path, checkpoints: dict[str, Path]) -> None:
    record = command(
        tmp_path,
        "mpeft",
        {
            "messages": lambda number: [
                {"role": "user", "content": f"question {number}?"},
                {"role": "assistant", "content": f"answer {number % 3}"},
            ]
        },
        base=str(checkpoints["bf16"]),
        rank=4,
        dora=True,
        rslora=True,
        dropout=0.05,
        train_embeddings=True,
        lora_plus_ratio=4,
        neftune_alpha=5,
        quantization="nf4",
        precision="bfloat16",
        optimizer="paged_adamw_8bit",
        packing=True,
        activation_checkpointing=True,
        attention="eager",
        max_length=128,
    )
    assert record["counts"]["examples"] == 24 > record["counts"]["sequences"]
    assert record["counts"]["answers_left_out"] == 0
    assert merged_weights(checkpoints["bf16"], tmp_path / "mpeft")[HEAD].shape == (384, 64)


def test_packed_blocks_train_a_checkpoint_in_bfloat16(tmp_path: Path, checkpoints: dict[str, Path]) -> None:
    record = command(
        tmp_path,
        "mfpt",
        {"text": lambda number: "the treatment of anaemia " * (1 + number % 5)},
        base=str(checkpoints["untied"]),
        block_length=64,
        packing=True,
        precision="bfloat16",
        optimizer="adamw_bf16",
        epochs=2,
    )
    assert 0.8 < record["counts"]["tokens"] / (record["counts"]["blocks"] * 64) <= 1
