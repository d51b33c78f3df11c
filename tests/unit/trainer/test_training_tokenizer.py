from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.tokenizer import QWEN2_PATTERN, document_end, train_tokenizer


def test_a_saved_tokenizer_is_the_same_when_transformers_loads_it(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    messages = [{"role": "user", "content": "痛風の原因は？ What's gout?"}]
    for make in (tokenizer, loaded):
        assert make.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == (
            "<|im_start|>user\n痛風の原因は？ What's gout?<|im_end|>\n<|im_start|>assistant\n"
        )
    sample = "心房細動の脈は？\n\n  It's 12 µg.<|im_end|>\n"
    assert loaded(sample)["input_ids"] == tokenizer(sample)["input_ids"]
    assert (loaded.eos_token, loaded.pad_token) == ("<|im_end|>", "<|endoftext|>")


def test_it_splits_text_as_qwen2_does(tokenizer: Any) -> None:
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    assert QWEN2_PATTERN == PRETOKENIZE_REGEX
    saved = json.loads(tokenizer.backend_tokenizer.to_str())
    assert saved["pre_tokenizer"]["pretokenizers"][0]["pattern"] == {"Regex": QWEN2_PATTERN}
    assert saved["normalizer"] == {"type": "NFC"}


@given(st.text().filter(lambda value: "<|" not in value))
def test_no_text_is_lost(tokenizer: Any, value: str) -> None:
    import unicodedata

    assert tokenizer.decode(tokenizer(value)["input_ids"]) == unicodedata.normalize("NFC", value)


def test_the_same_texts_give_the_same_tokenizer() -> None:
    texts = ["心房細動の脈は絶対性不整脈です。", "The pulse is irregularly irregular."] * 3
    first, second = (train_tokenizer(texts, 300, 64).backend_tokenizer.to_str() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("vocabulary", "expected"),
    [({"<|endoftext|>": 7, "<|im_end|>": 8}, 7), ({"</s>": 2, "<|im_end|>": 8}, 2), ({"<|im_end|>": 8}, 8)],
)
def test_documents_end_with_the_mark_for_it_and_not_with_the_end_of_a_turn(
    vocabulary: dict[str, int], expected: int
) -> None:
    class Known:
        eos_token = "<|im_end|>"

        def get_vocab(self) -> dict[str, int]:
            return vocabulary

    assert document_end(Known()) == expected
