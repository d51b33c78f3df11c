"""Write a Qwen2-shaped Q4_K_M GGUF of random weights: speed, memory and load time of a real size without a download.

usage: random_model.py OUT.gguf [LAYERS]     28 layers (the default) is the 7B shape: 4.6 GB, about 20 s.

The weights mean nothing; the text it generates is noise."""

from __future__ import annotations

import sys
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as QuantType

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
EMBEDDING, FEED_FORWARD, HEADS, KV_HEADS, HEAD_DIM, VOCAB = 3584, 18944, 28, 4, 128, 152064


def byte_alphabet() -> list[str]:
    """The 256 printable stand-ins for bytes that byte-level BPE vocabularies begin with."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spare = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(spare)) for b in range(256)]


def q4_k(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray[Any, Any]:
    blocks = rows * columns // 256
    data = np.empty((blocks, 144), np.uint8)
    data[:, 0:2] = np.frombuffer(np.float16(0.0005).tobytes(), np.uint8)
    data[:, 2:4] = np.frombuffer(np.float16(0.004).tobytes(), np.uint8)
    pattern = rng.integers(0, 256, (4096, 140), dtype=np.uint8)
    data[:, 4:] = np.tile(pattern, (blocks // 4096 + 1, 1))[:blocks]
    return data.reshape(rows, columns // 256 * 144)


def q6_k(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray[Any, Any]:
    blocks = rows * columns // 256
    data = np.empty((blocks, 210), np.uint8)
    pattern = rng.integers(0, 256, (4096, 208), dtype=np.uint8)
    pattern[:, 192:] = rng.integers(1, 60, (4096, 16))
    data[:, :208] = np.tile(pattern, (blocks // 4096 + 1, 1))[:blocks]
    data[:, 208:] = np.frombuffer(np.float16(0.00003).tobytes(), np.uint8)
    return data.reshape(rows, columns // 256 * 210)


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    layers = int(sys.argv[2]) if len(sys.argv) == 3 else 28
    rng = np.random.default_rng(0)
    writer: Any = gguf.GGUFWriter(sys.argv[1], "qwen2")
    writer.add_name(f"random-weights-{layers}-layers")
    writer.add_block_count(layers)
    writer.add_context_length(32768)
    writer.add_embedding_length(EMBEDDING)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = byte_alphabet()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*alphabet, *(f"<t{i}>" for i in range(VOCAB - 259)), *special])
    writer.add_token_types([gguf.TokenType.NORMAL] * (VOCAB - 3) + [gguf.TokenType.CONTROL] * 3)
    writer.add_token_merges([f"{alphabet[0xE3]} {alphabet[0x81]}"])
    writer.add_eos_token_id(VOCAB - 1)
    writer.add_bos_token_id(VOCAB - 3)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHATML)

    def matrix(name: str, rows: int, columns: int, six_bit: bool = False) -> None:
        make, kind = (q6_k, QuantType.Q6_K) if six_bit else (q4_k, QuantType.Q4_K)
        writer.add_tensor(name, make(rng, rows, columns), raw_dtype=kind)

    matrix("token_embd.weight", VOCAB, EMBEDDING)
    for layer in range(layers):
        block, six_bit = f"blk.{layer}.", layer % 3 == 0
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}{norm}.weight", np.ones(EMBEDDING, np.float32))
        matrix(f"{block}attn_q.weight", EMBEDDING, EMBEDDING)
        matrix(f"{block}attn_k.weight", KV_HEADS * HEAD_DIM, EMBEDDING)
        matrix(f"{block}attn_v.weight", KV_HEADS * HEAD_DIM, EMBEDDING, six_bit)
        matrix(f"{block}attn_output.weight", EMBEDDING, EMBEDDING)
        for name, width in (("attn_q", EMBEDDING), ("attn_k", KV_HEADS * HEAD_DIM), ("attn_v", KV_HEADS * HEAD_DIM)):
            writer.add_tensor(f"{block}{name}.bias", np.zeros(width, np.float32))
        matrix(f"{block}ffn_gate.weight", FEED_FORWARD, EMBEDDING)
        matrix(f"{block}ffn_up.weight", FEED_FORWARD, EMBEDDING)
        matrix(f"{block}ffn_down.weight", EMBEDDING, FEED_FORWARD, six_bit)
    writer.add_tensor("output_norm.weight", np.ones(EMBEDDING, np.float32))
    matrix("output.weight", VOCAB, EMBEDDING, six_bit=True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
