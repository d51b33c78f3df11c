"""A tiny qwen2 model file of random weights: everything a test of the engine or the window needs, in milliseconds.

The vocabulary is the 256 bytes and three control tokens. The weights mean nothing, but the text varies and is
printable ASCII when decoded greedily: only the output rows of printable bytes differ from zero, so neither a control
token nor half a UTF-8 character is ever the most likely one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTROL_TOKENS = (END_OF_TEXT, TURN_START, TURN_END)
VOCABULARY = 256 + len(CONTROL_TOKENS)

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_LOGIT_SPREAD = 4.0  # standard deviation of the logits of printable bytes


def byte_alphabet() -> list[str]:
    """The printable stand-in of each byte in byte-level BPE (GPT-2's `bytes_to_unicode`), by byte value."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def tiny_gguf(
    path: Path,
    *,
    context_length: int = 2048,
    vocabulary: int = VOCABULARY,
    layers: int = 1,
    hidden: int = 64,
    heads: int = 4,
    seed: int = 0,
    quant: str | None = None,
    template: str | None = CHATML,
    name: str = "tiny",
    broken: bool = False,
    merges: tuple[str, ...] = (),
    tensors_a_file: int = 0,
) -> Path:
    """Write a qwen2 file to `path` and return it.

    `quant` is None (F32) or a type that gguf itself can write: F16, BF16, Q8_0, Q4_0 …; `vocabulary` beyond the 259
    real tokens is filled with unused ones; `hidden` is a multiple of 64; keys and values have half as many `heads`,
    or one.
    `template=None` leaves the chat template out. `merges` are pairs of printable ASCII characters, such as "=a", that
    the tokenizer makes one token. A `broken` file loads, and its logits are no numbers. With `tensors_a_file` the model
    lies in several files, and the first is returned.
    """
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, "qwen2", split_max_tensors=tensors_a_file)
    kind = gguf.GGMLQuantizationType[quant or "F32"]
    file_type = gguf.LlamaFileType["ALL_F32" if quant is None else f"MOSTLY_{quant}"]
    _write_keys(writer, name, context_length, layers, hidden, heads, file_type)
    vocabulary += len(merges)
    _write_tokenizer(writer, vocabulary, template, merges)
    for tensor, values in _weights(vocabulary, layers, hidden, hidden * _kv_heads(heads) // heads, seed):
        if broken and tensor == "output_norm.weight":
            values = np.full_like(values, np.nan)
        if values.ndim == 1 or quant is None:
            writer.add_tensor(tensor, values)
        elif quant == "F16":
            writer.add_tensor(tensor, values.astype(np.float16))
        else:
            writer.add_tensor(tensor, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return min(path.parent.glob(f"{path.stem}-00001-of-*.gguf")) if tensors_a_file else path


def _kv_heads(heads: int) -> int:
    return max(1, heads // 2)


def _write_keys(
    writer: Any, name: str, context_length: int, layers: int, hidden: int, heads: int, file_type: int
) -> None:
    writer.add_name(name)
    writer.add_block_count(layers)
    writer.add_context_length(context_length)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(hidden * 2)
    writer.add_head_count(heads)
    writer.add_head_count_kv(_kv_heads(heads))
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_file_type(file_type)


def _write_tokenizer(writer: Any, vocabulary: int, template: str | None, merges: tuple[str, ...]) -> None:
    import gguf

    alphabet = byte_alphabet()
    spare = vocabulary - VOCABULARY - len(merges)
    kinds = gguf.TokenType
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*alphabet, *CONTROL_TOKENS, *merges, *(f"[PAD{i}]" for i in range(spare))])
    types = [kinds.NORMAL] * 256 + [kinds.CONTROL] * len(CONTROL_TOKENS)
    writer.add_token_types(types + [kinds.NORMAL] * len(merges) + [kinds.UNUSED] * spare)
    # llama.cpp wants at least one merge; this one joins two NUL bytes, which text does not hold.
    writer.add_token_merges([f"{alphabet[0]} {alphabet[0]}", *(" ".join(pair) for pair in merges)])
    writer.add_eos_token_id(256 + CONTROL_TOKENS.index(TURN_END))
    writer.add_pad_token_id(256 + CONTROL_TOKENS.index(END_OF_TEXT))
    writer.add_add_bos_token(False)
    if template is not None:
        writer.add_chat_template(template)


def _weights(
    vocabulary: int, layers: int, hidden: int, key_width: int, seed: int
) -> list[tuple[str, np.ndarray[Any, Any]]]:
    import numpy as np

    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, gain: float = 1.0) -> np.ndarray[Any, Any]:
        values = rng.standard_normal((rows, columns), dtype=np.float32)
        values *= gain / columns**0.5
        return values

    output = matrix(vocabulary, hidden, _LOGIT_SPREAD)
    output[[row for row in range(vocabulary) if not 0x20 <= row <= 0x7E]] = 0.0
    embedding = rng.standard_normal((vocabulary, hidden)).astype(np.float32)
    ones = np.ones(hidden, np.float32)
    tensors = [("token_embd.weight", embedding), ("output_norm.weight", ones), ("output.weight", output)]
    for layer in range(layers):
        block = f"blk.{layer}."
        # Strong queries and values let earlier tokens decide, so that greedy text does not run in a short circle.
        tensors += [
            (f"{block}attn_norm.weight", ones),
            (f"{block}attn_q.weight", matrix(hidden, hidden, 3.0)),
            (f"{block}attn_k.weight", matrix(key_width, hidden, 1.0)),
            (f"{block}attn_v.weight", matrix(key_width, hidden, 2.0)),
            (f"{block}attn_q.bias", np.zeros(hidden, np.float32)),
            (f"{block}attn_k.bias", np.zeros(key_width, np.float32)),
            (f"{block}attn_v.bias", np.zeros(key_width, np.float32)),
            (f"{block}attn_output.weight", matrix(hidden, hidden, 2.0)),
            (f"{block}ffn_norm.weight", ones),
            (f"{block}ffn_gate.weight", matrix(hidden * 2, hidden, 2.0)),
            (f"{block}ffn_up.weight", matrix(hidden * 2, hidden)),
            (f"{block}ffn_down.weight", matrix(hidden, hidden * 2)),
        ]
    return tensors
