"""The tokenizer of a new model: byte-level BPE as in Qwen2, so that every reader of Qwen2 files knows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, TURN_START, TURN_END)

QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Exactly the pattern of Qwen2's tokenizer.json: it is what identifies the pre-tokenizer to llama.cpp."""

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML without a system turn."""

LONGEST_TOKEN = 16
"""Bytes. Japanese has no spaces, so that without a limit whole sentences of a small corpus become one token each, and
another wording of the same sentence has no token in common with it."""

_KNOWN_DOCUMENT_ENDS = (END_OF_TEXT, "<|end_of_text|>", "</s>")


def train_tokenizer(texts: Iterable[str], vocabulary_size: int, context_length: int) -> Any:
    """A transformers tokenizer with at most `vocabulary_size` tokens: fewer if `texts` hold too few pairs to merge.

    The result depends on `texts` alone, not on chance or the number of threads.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            min_frequency=2,
            max_token_length=LONGEST_TOKEN,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return Qwen2Tokenizer(
        tokenizer_object=bpe,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        unk_token=None,
        additional_special_tokens=[TURN_START],
        chat_template=CHAT_TEMPLATE,
        model_max_length=context_length,
        clean_up_tokenization_spaces=False,
    )


def document_end(tokenizer: Any) -> int:
    """The token between two documents: the tokenizer's own mark for it, or else its end-of-sequence token."""
    vocabulary = tokenizer.get_vocab()
    name = next((name for name in _KNOWN_DOCUMENT_ENDS if name in vocabulary), tokenizer.eos_token)
    return int(vocabulary[name])


def document_beginning(tokenizer: Any) -> list[int]:
    """The token before a document, for tokenizers that put one before every text (Llama's, Mistral's, Gemma's)."""
    first = tokenizer("a")["input_ids"][:1]
    return list(first) if first == [tokenizer.bos_token_id] else []
