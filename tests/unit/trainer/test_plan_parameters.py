"""Shapes and parameters of a plan, compared with transformers' and PEFT's own models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import InputError
from tests.tiny_checkpoints import tiny_checkpoint, tiny_model
from trainer.config import MpeftConfig, check_config
from trainer.planning.execution import trained_parameters
from trainer.planning.memory import nf4_bytes
from trainer.planning.shapes import read_shape, shape_from, stored_parameters


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", ["Llama", "Mistral", "Qwen2", "Qwen3", "Gemma2", "Gemma3"])
def test_parameters_are_those_of_the_model(family: str, tied: bool) -> None:
    model = tiny_model(family=family, tied=tied)
    shape = shape_from(model.config.to_dict(), "x")
    assert shape.parameters == sum(weight.numel() for weight in model.parameters())
    layer = dict(model.model.layers[0].named_modules())
    for matrix in shape.matrices():
        module = next(found for name, found in layer.items() if name.endswith(matrix.name))
        assert (matrix.inputs, matrix.outputs) == (module.in_features, module.out_features)


def test_headers_alone_tell_how_many_numbers_are_stored(base: Path) -> None:
    assert stored_parameters(base) == read_shape(base).parameters


@pytest.mark.parametrize(
    ("settings", "tied"),
    [
        ({"rank": 4}, False),
        ({"rank": 8, "target_modules": ["q_proj", "down_proj"]}, True),
        ({"rank": 4, "dora": True}, False),
        ({"rank": 2, "train_embeddings": True}, False),
        ({"rank": 2, "train_embeddings": True}, True),
        ({"rank": 4, "target_modules": ["v_proj", "lm_head"]}, False),
    ],
)
def test_trained_parameters_are_those_of_the_adapter(settings: dict[str, Any], tied: bool, tmp_path: Path) -> None:
    from trainer.adapters import adapter_model

    given = {"data": ["x"], "output": "y", "learning_rate": 1e-3, "base": str(tiny_checkpoint(tmp_path, tied=tied))}
    config = check_config({**given, **settings}, MpeftConfig, "x.yaml")
    model = adapter_model(config)
    learned = {id(weight): weight.numel() for weight in model.parameters() if weight.requires_grad}
    assert trained_parameters(config, read_shape(tmp_path)) == sum(learned.values())


def test_a_module_that_the_base_does_not_have_is_named(base: Path) -> None:
    given = {"data": ["x"], "output": "y", "learning_rate": 1e-3, "base": str(base), "target_modules": ["c_attn"]}
    with pytest.raises(InputError, match=r"no module c_attn; it has .*q_proj"):
        trained_parameters(check_config(given, MpeftConfig, "x.yaml"), read_shape(base))


@pytest.mark.parametrize("double", [False, True])
def test_four_bits_take_what_bitsandbytes_takes(double: bool) -> None:
    import torch

    functional = pytest.importorskip("bitsandbytes").functional
    weights = torch.randn(512, 1024)
    packed, state = functional.quantize_4bit(weights, blocksize=64, quant_type="nf4", compress_statistics=double)
    scales = [state.absmax, *([state.state2.absmax] if double else [])]
    held = packed.nbytes + sum(scale.nbytes for scale in scales)
    assert weights.numel() * nf4_bytes(double) == held


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        json.dumps({"model_type": "llama"}),
        json.dumps({"model_type": "llama", "hidden_size": -1}),
        json.dumps({"model_type": "llama", "hidden_size": 1e400}),
    ],
)
def test_a_broken_config_json_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content, "utf-8")
    with pytest.raises(InputError, match=r"config\.json"):
        read_shape(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8 + b"{}", b"\x02\0\0\0\0\0\0\0[]", b"\x09\0\0\0\0\0\0\0" + b'{"a": 1}x']
)
def test_a_broken_header_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="not a safetensors file"):
        stored_parameters(tmp_path)
