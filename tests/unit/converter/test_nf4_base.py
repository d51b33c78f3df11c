from __future__ import annotations

import importlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file

from app.core.errors import InputError
from converter.adapters.nf4 import RoundedToNf4, dynamic_code
from converter.inputs import Inputs
from converter.plan import plan
from converter.weights.links import Recent
from converter.weights.rows import Rows
from converter.weights.safetensors import read_tensors
from tests.tiny_checkpoints import LINEAR, tiny_checkpoint
from tests.unit.converter.peft_models import (
    base_model,
    effective_weights,
    largest_difference,
    loaded,
    merged_weights,
    trained_adapter,
)

bitsandbytes: Any = importlib.import_module("bitsandbytes")  # which has no types to check against
bnb = bitsandbytes.functional

TYPES = {"bfloat16": 2**-8, "float16": 2**-11, "float32": 2**-21}
"""With the largest relative difference of two results that are rounded to each once or twice."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As models are published: in bfloat16. The columns are no multiple of NF4's blocks of 64."""
    folder = tmp_path_factory.mktemp("checkpoint")
    return tiny_checkpoint(folder, dtype="bfloat16", hidden_size=48, num_key_value_heads=4)


@pytest.fixture
def adapter(tmp_path: Path, checkpoint: Path) -> Path:
    return trained_adapter(tmp_path / "adapter", checkpoint, target_modules=["q_proj"])


def stored(folder: Path, shape: tuple[int, int], dtype: str) -> tuple[torch.Tensor, Rows]:
    torch.manual_seed(0)
    weight = (torch.randn(shape) * 0.05).to(getattr(torch, dtype))
    weight[0] = 0
    save_file({"weight": weight}, folder / "weight.safetensors")
    return weight, read_tensors(folder / "weight.safetensors")["weight"]


def as_bitsandbytes_gives_it_back(weight: torch.Tensor, double: bool) -> Any:
    quantized, state = bnb.quantize_4bit(weight, compress_statistics=double, quant_type="nf4")
    return given_back(quantized, state).float().numpy()


def given_back(quantized: torch.Tensor, state: Any) -> torch.Tensor:
    """From bitsandbytes' own numbers, scales and code. Its kernel for AVX-512 is wrong where the columns are no
    multiple of 64 (0.50.2), so that `dequantize_4bit` would give something else on each kind of processor."""
    scales = state.absmax
    if state.nested:
        scales = bnb.dequantize_blockwise(state.absmax, state.state2) + state.offset
    numbers = quantized.view(-1)
    indices = torch.stack([numbers >> 4, numbers & 15], 1).view(-1)[: state.shape.numel()].long()
    values: torch.Tensor = state.code[indices] * scales.float().repeat_interleave(state.blocksize)[: len(indices)]
    return values.to(state.dtype).reshape(state.shape)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(64, 128), (300, 520), (7, 45)])
def test_the_round_trip_is_that_of_bitsandbytes(tmp_path: Path, shape: tuple[int, int], dtype: str) -> None:
    weight, rows = stored(tmp_path, shape, dtype)
    found = RoundedToNf4(rows, False, Recent()).read(0, shape[0])
    assert np.array_equal(found, as_bitsandbytes_gives_it_back(weight, double=False))
    assert not np.array_equal(found, weight.float().numpy())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(64, 128), (300, 520), (7, 45)])
def test_so_it_is_with_double_quantization(tmp_path: Path, shape: tuple[int, int], dtype: str) -> None:
    weight, rows = stored(tmp_path, shape, dtype)
    wanted = as_bitsandbytes_gives_it_back(weight, double=True)

    found = RoundedToNf4(rows, True, Recent()).read(0, shape[0])

    assert not np.array_equal(found, RoundedToNf4(rows, False, Recent()).read(0, shape[0]))
    # On a CPU, bitsandbytes takes the second nearest of 256 numbers for a few magnitudes in a thousand.
    same = np.abs(found - wanted) <= np.abs(wanted) * TYPES[dtype] * 1.01
    assert same.mean() > 0.99
    assert np.allclose(found, wanted, rtol=0, atol=2e-3)


def test_the_8_bit_numbers_are_those_of_bitsandbytes() -> None:
    assert np.allclose(dynamic_code(), bnb.create_dynamic_map().numpy(), rtol=0, atol=1e-7)


@pytest.mark.parametrize("double", [False, True])
def test_blocks_of_64_may_cross_rows_and_reads(tmp_path: Path, double: bool) -> None:
    _, rows = stored(tmp_path, (61, 45), "float32")
    link = RoundedToNf4(rows, double, Recent())
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda top: link.read(top, min(top + 4, 61)), range(0, 61, 4)))
    assert np.array_equal(np.concatenate(parts), RoundedToNf4(rows, double, Recent()).read(0, 61))


def dequantized(checkpoint: Path, double: bool) -> Any:
    """The base as transformers loads it in 4 bits, with each quantized layer as bitsandbytes gives it back."""
    settings = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=double
    )
    quantized = transformers.AutoModelForCausalLM.from_pretrained(
        str(checkpoint), quantization_config=settings, dtype=torch.bfloat16
    )
    plain = base_model(checkpoint)
    with torch.no_grad():
        for name, module in quantized.named_modules():
            if isinstance(module, bitsandbytes.nn.Linear4bit):
                weight = given_back(module.weight.data, module.weight.quant_state)
                plain.get_submodule(name).weight.copy_(weight)
    return plain


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize(
    "settings", [{"target_modules": ["q_proj", "down_proj"]}, {"target_modules": LINEAR, "use_dora": True}]
)
def test_the_merge_is_what_was_trained_on_a_4_bit_base(
    tmp_path: Path, checkpoint: Path, settings: dict[str, Any], double: bool
) -> None:
    adapter = trained_adapter(tmp_path / "adapter", checkpoint, **settings)
    record = {"configuration": {"quantization": "nf4", "double_quantization": double}}
    (adapter / "run_record.json").write_text(json.dumps(record))
    wanted = effective_weights(loaded(dequantized(checkpoint, double), [adapter]))

    assert largest_difference(merged_weights(checkpoint, adapter), wanted) < 2e-6
    unquantized = merged_weights(checkpoint, adapter, base_quant="none")
    assert largest_difference(unquantized, wanted) > 1e-2
    plain = effective_weights(loaded(base_model(checkpoint), [adapter]))
    assert largest_difference(unquantized, plain) < 1e-6


UNTRAINED = "model.layers.0.self_attn.v_proj.weight"


def rounded(checkpoint: Path, adapter: Path, **settings: Any) -> str:
    """How the base was rounded: not, once, or with double quantization. Seen at a layer that was not trained."""
    found = merged_weights(checkpoint, adapter, **settings)[UNTRAINED]
    base = read_tensors(checkpoint / "model.safetensors")[UNTRAINED].read(0, len(found))
    weight = torch.from_numpy(base).to(torch.bfloat16)
    choices = {
        "not": base,
        "once": as_bitsandbytes_gives_it_back(weight, double=False),
        "double": as_bitsandbytes_gives_it_back(weight, double=True),
    }
    return min(choices, key=lambda how: float(np.abs(choices[how] - found).mean()))


def test_nothing_is_rounded_unless_something_says_so(checkpoint: Path, adapter: Path) -> None:
    assert rounded(checkpoint, adapter) == "not"
    assert rounded(checkpoint, adapter, base_quant="nf4") == "double"
    notes = plan(Inputs(checkpoint, (adapter,), base_quant="nf4")).notes
    assert notes[0] == "The base is rounded to NF4 before adapter is merged, as in training."
    assert "double quantization; it is assumed" in notes[1]


@pytest.mark.parametrize(
    ("record", "how"),
    [
        ({"quantization": "nf4", "double_quantization": True}, "double"),
        ({"quantization": "nf4"}, "once"),
        ({"quantization": None}, "not"),
        ({}, "double"),
    ],
)
def test_the_record_of_the_training_run_counts_before_the_name(
    checkpoint: Path, adapter: Path, record: dict[str, Any], how: str
) -> None:
    (adapter / "run_record.json").write_text(json.dumps({"configuration": record}))
    set_config(adapter, base_model_name_or_path="unsloth/tiny-bnb-4bit")
    assert rounded(checkpoint, adapter) == how


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "once"),
        ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}, "double"),
        ({"load_in_4bit": False}, "not"),
    ],
)
def test_a_quantization_config_is_read(checkpoint: Path, adapter: Path, settings: dict[str, Any], how: str) -> None:
    set_config(adapter, quantization_config={"quant_method": "bitsandbytes", **settings})
    assert rounded(checkpoint, adapter) == how


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"quantization_config": {"load_in_8bit": True}}, "8 bits"),
        ({"quantization_config": {"load_in_4bit": True}}, "fp4"),
        ({"quantization_config": {"quant_method": "gptq"}}, "gptq"),
        (
            {
                "quantization_config": {
                    "load_in_4bit": True,
                    "bnb_4bit_quant_type": "nf4",
                    "llm_int8_skip_modules": ["lm_head", "layers.0"],
                }
            },
            "layers.0",
        ),
        ({"base_model_name_or_path": "unsloth/tiny-unsloth-bnb-4bit"}, "which part is not known"),
        ({"record": "fp4"}, "quantized to fp4"),
        ({"record": "int8"}, "quantized to int8"),
    ],
)
def test_other_quantizations_of_the_base_are_refused_with_a_way_out(
    checkpoint: Path, adapter: Path, settings: dict[str, Any], reason: str
) -> None:
    if kind := settings.get("record"):
        (adapter / "run_record.json").write_text(json.dumps({"configuration": {"quantization": kind}}))
    else:
        set_config(adapter, **settings)
    with pytest.raises(InputError, match=rf"{reason}.*--base-quant none"):
        plan(Inputs(checkpoint, (adapter,)))
    assert rounded(checkpoint, adapter, base_quant="none") == "not"


def test_how_the_base_was_quantized_needs_an_adapter(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="no adapter is given"):
        plan(Inputs(checkpoint, base_quant="nf4"))


def test_each_adapter_has_its_own_base(tmp_path: Path, checkpoint: Path, adapter: Path) -> None:
    second = trained_adapter(tmp_path / "second", checkpoint, target_modules=["k_proj"])
    (second / "run_record.json").write_text(json.dumps({"configuration": {"quantization": "nf4"}}))
    notes = plan(Inputs(checkpoint, (adapter, second))).notes
    assert notes == ("The base is rounded to NF4 before second is merged, as in training.",)
    name = "model.layers.0.self_attn.q_proj.weight"
    first = merged_weights(checkpoint, adapter)
    both = merged_weights(checkpoint, adapter, second)
    merged_before = torch.from_numpy(first[name]).to(torch.bfloat16)
    assert np.array_equal(both[name], as_bitsandbytes_gives_it_back(merged_before, double=False))


def set_config(folder: Path, **settings: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
