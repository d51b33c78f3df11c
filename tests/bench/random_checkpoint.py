"""A Qwen2 checkpoint of real size with random bf16 weights, and a LoRA adapter on all its linear layers.

usage: random_checkpoint.py FOLDER SHAPE [--layers N] [--text FILE [--merges N]]

Writes FOLDER/checkpoint and FOLDER/adapter. What converting and computing cost does not depend on the values, so a
block of them is repeated. Without --text the tokenizer knows the bytes alone, three of them to a Japanese character.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.tiny_models import CHATML, byte_alphabet

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class Shape:
    layers: int
    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int
    vocabulary: int = 151936
    tied: bool = False


# Those of Qwen2-0.5B, Qwen1.5-1.8B and Qwen2-7B.
SHAPES = {
    "0.5b": Shape(24, 896, 4864, 14, 2, tied=True),
    "1.8b": Shape(24, 2048, 5504, 16, 16),
    "7b": Shape(28, 3584, 18944, 28, 4, vocabulary=152064),
}
RANK = 16
Tensor = tuple[str, tuple[int, ...]]
Merge = tuple[str, str]


def linear(shape: Shape) -> dict[str, tuple[int, int]]:
    keys = shape.hidden // shape.heads * shape.kv_heads
    return {
        "self_attn.q_proj": (shape.hidden, shape.hidden),
        "self_attn.k_proj": (keys, shape.hidden),
        "self_attn.v_proj": (keys, shape.hidden),
        "self_attn.o_proj": (shape.hidden, shape.hidden),
        "mlp.gate_proj": (shape.feed_forward, shape.hidden),
        "mlp.up_proj": (shape.feed_forward, shape.hidden),
        "mlp.down_proj": (shape.hidden, shape.feed_forward),
    }


def weights(shape: Shape) -> Iterator[Tensor]:
    yield "model.embed_tokens.weight", (shape.vocabulary, shape.hidden)
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}."
        for name, size in linear(shape).items():
            yield f"{prefix}{name}.weight", size
            if name[-6:] in ("q_proj", "k_proj", "v_proj"):
                yield f"{prefix}{name}.bias", size[:1]
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"{prefix}{norm}.weight", (shape.hidden,)
    yield "model.norm.weight", (shape.hidden,)
    if not shape.tied:
        yield "lm_head.weight", (shape.vocabulary, shape.hidden)


def factors(shape: Shape) -> Iterator[Tensor]:
    for layer in range(shape.layers):
        for name, (rows, columns) in linear(shape).items():
            module = f"base_model.model.model.layers.{layer}.{name}"
            yield f"{module}.lora_A.weight", (RANK, columns)
            yield f"{module}.lora_B.weight", (rows, RANK)


def write_safetensors(path: Path, tensors: list[Tensor], dtype: str, pattern: bytes) -> None:
    item = {"BF16": 2, "F32": 4}[dtype]
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, size in tensors:
        start, end = end, end + int(np.prod(size)) * item
        header[name] = {"dtype": dtype, "shape": list(size), "data_offsets": [start, end]}
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    ones = {"BF16": b"\x80\x3f", "F32": b"\x00\x00\x80\x3f"}[dtype]
    at = 0
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        for name, size in tensors:
            count = int(np.prod(size))
            if "norm" in name:
                file.write(ones * count)
                continue
            left = count * item
            while left:
                written = file.write(pattern[at : at + left])
                left, at = left - written, (at + written) % len(pattern)


def write_checkpoint(folder: Path, shape: Shape, merges: Sequence[Merge] = ()) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "vocab_size": shape.vocabulary,
        "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "tie_word_embeddings": shape.tied,
        "hidden_act": "silu", "dtype": "bfloat16", "torch_dtype": "bfloat16", "eos_token_id": 258,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    write_tokenizer(folder, merges)
    values = np.random.default_rng(0).standard_normal(8 * 1024 * 1024, np.float32) * np.float32(0.02)
    write_safetensors(
        folder / "model.safetensors",
        list(weights(shape)),
        "BF16",
        (values.view(np.uint32) >> 16).astype("<u2").tobytes(),
    )


def learned_merges(text: str, count: int) -> list[Merge]:
    """The merges of a byte-level BPE tokenizer that is trained on the lines of `text`."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + count, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    return [(one, other) for one, other in json.loads(tokenizer.to_str())["model"]["merges"]]


def write_tokenizer(folder: Path, merges: Sequence[Merge]) -> None:
    alphabet = byte_alphabet()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    added = [
        {"id": 256 + at, "content": text, "special": True, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False}
        for at, text in enumerate(special)
    ]  # fmt: skip
    vocabulary = {text: number for number, text in enumerate(alphabet)}
    for one, other in merges:
        vocabulary.setdefault(one + other, len(vocabulary) + len(special))
    model = {"type": "BPE", "vocab": vocabulary, "merges": merges}
    split = {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    tokenizer = {
        "version": "1.0", "added_tokens": added, "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]}, "post_processor": None,
        "decoder": byte_level, "model": model,
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    config = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": CHATML}))


def write_adapter(folder: Path, shape: Shape) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 32, "lora_dropout": 0.0,
        "bias": "none", "target_modules": sorted(name.rsplit(".", 1)[1] for name in linear(shape)),
        "base_model_name_or_path": None, "inference_mode": True,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    values = np.random.default_rng(1).standard_normal(1024 * 1024, np.float32) * np.float32(0.01)
    write_safetensors(folder / "adapter_model.safetensors", list(factors(shape)), "F32", values.tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--layers", type=int, help="instead of the shape's own number")
    parser.add_argument("--text", type=Path, help="learn the tokenizer from it")
    parser.add_argument("--merges", type=int, default=4000)
    options = parser.parse_args()
    shape = SHAPES[options.shape]
    if options.layers:
        shape = replace(shape, layers=options.layers)
    merges = learned_merges(options.text.read_text(encoding="utf-8"), options.merges) if options.text else ()
    write_checkpoint(options.folder / "checkpoint", shape, merges)
    write_adapter(options.folder / "adapter", shape)


if __name__ == "__main__":
    main()
