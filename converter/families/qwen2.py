"""Qwen2 and Qwen2.5, the text models: grouped-query attention with biases on queries, keys and values, SwiGLU, RMSNorm.

Technical report: arXiv 2407.10671. llama.cpp's name for the architecture is `qwen2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from converter.families.family import Family, Key, Layout, TensorRule, read_settings, refuse


class _Settings(msgspec.Struct, frozen=True):
    """config.json; what is left out has transformers' default."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    max_position_embeddings: int = 32768
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = False
    hidden_act: str = "silu"
    head_dim: int | None = None
    use_sliding_window: bool = False
    rope_theta: float | None = None
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None


def _layout(config: Mapping[str, Any]) -> Layout:
    settings = read_settings(config, _Settings)
    _check(settings)
    rule = TensorRule
    width, vocabulary = settings.hidden_size, settings.vocab_size
    tensors = [rule("model.embed_tokens.weight", "token_embd.weight", (vocabulary, width))]
    for layer in range(settings.num_hidden_layers):
        tensors += _layer(settings, f"model.layers.{layer}.", f"blk.{layer}.")
    tensors.append(rule("model.norm.weight", "output_norm.weight", (width,)))
    if not settings.tie_word_embeddings:
        tensors.append(rule("lm_head.weight", "output.weight", (vocabulary, width)))
    return Layout(
        architecture="qwen2",
        keys=_keys(settings),
        tensors=tuple(tensors),
        vocabulary=vocabulary,
        context_length=settings.max_position_embeddings,
        tied=("lm_head.weight", "model.embed_tokens.weight") if settings.tie_word_embeddings else None,
        ignored=(".rotary_emb.inv_freq",),
    )


FAMILY = Family("Qwen2ForCausalLM", _layout)


def _layer(settings: _Settings, source: str, target: str) -> list[TensorRule]:
    width, wide = settings.hidden_size, settings.intermediate_size
    queries = width
    keys = width // settings.num_attention_heads * settings.num_key_value_heads
    table: tuple[tuple[str, str, tuple[int, ...]], ...] = (
        ("input_layernorm.weight", "attn_norm.weight", (width,)),
        ("self_attn.q_proj.weight", "attn_q.weight", (queries, width)),
        ("self_attn.q_proj.bias", "attn_q.bias", (queries,)),
        ("self_attn.k_proj.weight", "attn_k.weight", (keys, width)),
        ("self_attn.k_proj.bias", "attn_k.bias", (keys,)),
        ("self_attn.v_proj.weight", "attn_v.weight", (keys, width)),
        ("self_attn.v_proj.bias", "attn_v.bias", (keys,)),
        ("self_attn.o_proj.weight", "attn_output.weight", (width, queries)),
        ("post_attention_layernorm.weight", "ffn_norm.weight", (width,)),
        ("mlp.gate_proj.weight", "ffn_gate.weight", (wide, width)),
        ("mlp.up_proj.weight", "ffn_up.weight", (wide, width)),
        ("mlp.down_proj.weight", "ffn_down.weight", (width, wide)),
    )
    return [TensorRule(source + ours, target + theirs, shape) for ours, theirs, shape in table]


def _keys(settings: _Settings) -> tuple[Key, ...]:
    return (
        Key("block_count", settings.num_hidden_layers),
        Key("context_length", settings.max_position_embeddings),
        Key("embedding_length", settings.hidden_size),
        Key("feed_forward_length", settings.intermediate_size),
        Key("attention.head_count", settings.num_attention_heads),
        Key("attention.head_count_kv", settings.num_key_value_heads),
        Key("rope.freq_base", _rope_theta(settings)),
        Key("attention.layer_norm_rms_epsilon", float(settings.rms_norm_eps)),
    )


def _rope_theta(settings: _Settings) -> float:
    # transformers 5 keeps it in rope_parameters; before, it stood by itself.
    return float((settings.rope_parameters or {}).get("rope_theta") or settings.rope_theta or 10000.0)


def _check(settings: _Settings) -> None:
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
             "num_key_value_heads", "max_position_embeddings")  # fmt: skip
    for name in sizes:
        if not 0 < getattr(settings, name) < 2**31:
            raise refuse(name, f"is {getattr(settings, name)}")
    if settings.hidden_size % settings.num_attention_heads:
        raise refuse("hidden_size", "is no multiple of num_attention_heads")
    if settings.num_attention_heads % settings.num_key_value_heads:
        raise refuse("num_attention_heads", "is no multiple of num_key_value_heads")
    if settings.head_dim not in (None, settings.hidden_size // settings.num_attention_heads):
        raise refuse("head_dim", f"is {settings.head_dim}, which differs from hidden_size / num_attention_heads")
    if settings.hidden_act != "silu":
        raise refuse("hidden_act", f"is {settings.hidden_act}, and this architecture has silu")
    if settings.use_sliding_window:
        raise refuse("use_sliding_window", "is true, and llama.cpp has no sliding window for this architecture")
    rope = settings.rope_parameters or settings.rope_scaling or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise refuse("the rope scaling", f"is of type {kind}, which is not supported yet")
