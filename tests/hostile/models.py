"""Whole model files whose headers say nothing impossible, and which llama.cpp does not load, survive or compute."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from tests.hostile.gguf_parts import ARRAY, F32, I32, TEXT, U8, U32, Key, Parts, Tensor, array, text
from tests.tiny_models import VOCABULARY

Change = Callable[[Parts], None]

_F32, _F16, _Q4_0, _Q8_0, _BF16 = 0, 1, 2, 8, 30  # types of tensors
_BYTES = {_F16: (1, 2), _Q4_0: (32, 18), _Q8_0: (32, 34), _BF16: (1, 2)}


def number(name: bytes, value: int, parts: Parts) -> None:
    parts.set(name, U32, struct.pack("<I", value))


def real(name: bytes, value: float, parts: Parts) -> None:
    parts.set(name, F32, struct.pack("<f", value))


def word(name: bytes, value: bytes, parts: Parts) -> None:
    parts.set(name, TEXT, text(value))


def words(name: bytes, values: Sequence[bytes], parts: Parts) -> None:
    parts.set(name, ARRAY, array(TEXT, len(values), b"".join(map(text, values))))


def heads_of_layers(parts: Parts) -> None:
    parts.set(b"head_count_kv", ARRAY, array(I32, 2, struct.pack("<2i", 2, 0)))


def token_types(kind: int, parts: Parts) -> None:
    parts.set(b"token_type", ARRAY, array(I32, VOCABULARY, struct.pack("<i", kind) * VOCABULARY))


def another_family(name: bytes, parts: Parts) -> None:
    parts.keys = [replace(key, name=key.name.replace(b"qwen2.", name + b".")) for key in parts.keys]
    word(b"general.architecture", name, parts)


def layers(count: int, parts: Parts) -> None:
    """As many as are claimed, of one vector each: past the header's check of `block_count`."""
    number(b"block_count", count, parts)
    tensors = [(tensor, parts.contents()[tensor.name]) for tensor in parts.tensors]
    more = (Tensor(b"blk.%d.attn_norm.weight" % layer, (8,), _F32, 0) for layer in range(2, count))
    parts.lay_out(tensors + [(tensor, bytes(32)) for tensor in more])


def tensor(name: bytes, kind: int | None, shape: tuple[int, ...] | None, parts: Parts) -> None:
    """Another type or shape, laid out as it must be."""
    tensors = []
    for one, content in ((one, parts.contents()[one.name]) for one in parts.tensors):
        if one.name == name:
            one = replace(one, kind=one.kind if kind is None else kind, shape=shape or one.shape)
            block, block_bytes = _BYTES.get(one.kind, (1, 4))
            count = 1
            for length in one.shape:
                count *= length
            content = (content * 8)[: count // block * block_bytes]
        tensors.append((one, content))
    parts.lay_out(tensors)


def without(name: bytes, parts: Parts) -> None:
    parts.lay_out([(one, parts.contents()[one.name]) for one in parts.tensors if one.name != name])


def further(name: bytes, parts: Parts) -> None:
    parts.lay_out(
        [(one, parts.contents()[one.name]) for one in parts.tensors] + [(Tensor(name, (8,), 0, 0), bytes(32))]
    )


def weights(name: bytes, value: float, parts: Parts) -> None:
    filled = {name: struct.pack("<f", value) * (len(parts.contents()[name]) // 4)}
    parts.lay_out([(one, (parts.contents() | filled)[one.name]) for one in parts.tensors])


KILLING: dict[str, Change] = {
    "a key length that is no power of two": partial(number, b"qwen2.attention.key_length", 7),
    "a key length of one": partial(number, b"qwen2.attention.key_length", 1),
    "rotation of more than a head": partial(number, b"qwen2.rope.dimension_count", 1000),
    "rotation of 2³¹ - 1": partial(number, b"qwen2.rope.dimension_count", 2**31 - 1),
    "a negative epsilon": partial(real, b"layer_norm_rms_epsilon", -1.0),
    "an epsilon that is no number": partial(real, b"layer_norm_rms_epsilon", float("nan")),
    "a layer without key heads": heads_of_layers,
    "one expert": partial(number, b"qwen2.expert_count", 1),
    "2³¹ - 1 experts": partial(number, b"qwen2.expert_count", 2**31 - 1),
    "2³¹ - 1 predicting layers": partial(number, b"qwen2.nextn_predict_layers", 2**31 - 1),
    "an unknown scaling of rotation": partial(word, b"qwen2.rope.scaling.type", b"???"),
    "SentencePiece without scores": partial(word, b"tokenizer.ggml.model", b"llama"),
    "every token the same": partial(words, b"ggml.tokens", [b"a"] * VOCABULARY),
    "norms in blocks": partial(tensor, b"blk.0.attn_norm.weight", _Q8_0, None),
    "biases in halves": partial(tensor, b"blk.0.attn_q.bias", _BF16, None),
}
"""The worker ends by a signal inside llama.cpp: beyond any exception."""

REFUSED: dict[str, Change] = {
    "512 layers, of which 510 are empty": partial(layers, 512),
    "heads that do not divide the width": partial(number, b"attention.head_count", 7),
    "more key heads than heads": partial(number, b"attention.head_count_kv", 64),
    "2³¹ - 1 key heads": partial(number, b"attention.head_count_kv", 2**31 - 1),
    "a width of 2³¹ - 1": partial(number, b"embedding_length", 2**31 - 1),
    "another width": partial(number, b"embedding_length", 128),
    "another inner width": partial(number, b"feed_forward_length", 64),
    "a tensor less": partial(without, b"blk.1.attn_q.weight"),
    "no output norm": partial(without, b"output_norm.weight"),
    "a tensor more": partial(further, b"blk.1.extra.weight"),
    "a name of 64 bytes": partial(further, b"n" * 64),
    "rows for fewer tokens": partial(tensor, b"token_embd.weight", None, (64, 200)),
    "a matrix on its side": partial(tensor, b"blk.0.attn_k.weight", None, (32, 64)),
    "a vector as a matrix": partial(tensor, b"blk.0.attn_norm.weight", None, (32, 2)),
    "another family's names": partial(another_family, b"gemma3"),
    "an unknown splitting of text": partial(word, b"tokenizer.ggml.pre", b"???"),
    "merges that are numbers": lambda parts: parts.set(b"merges", ARRAY, array(U32, 9, bytes(36))),
    "merges that are one text": partial(word, b"ggml.merges", b"a b"),
    "tokens that are bytes": partial(token_types, 6),
    "tokens without text": partial(words, b"ggml.tokens", [b""] * VOCABULARY),
    "tokens that are not UTF-8": partial(words, b"ggml.tokens", [b"\xff%d" % index for index in range(VOCABULARY)]),
    "tokens of 20 kB": partial(words, b"ggml.tokens", [b"x" * 20_000 + b"%d" % index for index in range(VOCABULARY)]),
    "a rotation of no frequency": partial(real, b"rope.freq_base", 0.0),
    "a rotation that is no number": partial(real, b"rope.freq_base", float("nan")),
    "weights that are no numbers": partial(weights, b"token_embd.weight", float("nan")),
    "weights without end": partial(weights, b"blk.1.ffn_down.weight", float("inf")),
    "weights that overflow": partial(weights, b"output.weight", 3e38),
}
"""llama.cpp refuses it, the machine has not the memory, or it does not compute or read text."""

HARMLESS: dict[str, Change] = {
    "merges of nothing": partial(words, b"ggml.merges", [b" ", b"  ", b"abc", b"\xff \xfe", b"x" * 100_000 + b" y"]),
    "100,000 merges": partial(words, b"ggml.merges", [b"a%d b%d" % (index, index) for index in range(100_000)]),
    "tokens of an unknown kind": partial(token_types, 1000),
    "an end that is no token": partial(number, b"eos_token_id", 2**32 - 1),
    "a table for another tokenizer": lambda parts: parts.keys.append(
        Key(b"tokenizer.ggml.precompiled_charsmap", ARRAY, array(U8, 4, b"\xff" * 4))
    ),
}
"""Strange, and it answers: such a file may come in, and waits for approval as any other."""
