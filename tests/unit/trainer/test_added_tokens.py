"""Words and marks that become tokens of their own: read as one, learned, and there in the converted file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from converter.inputs import Inputs
from converter.plan import plan
from tests.tiny_checkpoints import VOCABULARY, tiny_checkpoint, tiny_model
from tests.unit.converter.peft_models import EMBEDDING, HEAD, merged_weights
from trainer.added_tokens import add_tokens, make_rows
from trainer.cli import main

TOKENS = ["<finding>", "心房細動"]
TURN = "<|im_end|>"


def train(folder: Path, base: Path, **keys: Any) -> int:
    """`mpeft` into `folder`/adapter, on records that hold both tokens."""
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"Case {number}: <finding> What is 心房細動?"},
                {"role": "assistant", "content": f"It is 心房細動, <finding> {number % 3}."},
            ]
        }
        for number in range(16)
    ]
    (folder / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    settings = {
        "data": [str(folder / "data.jsonl")],
        "base": str(base),
        "output": str(folder / "adapter"),
        "learning_rate": 3e-3,
        "batch_size": 2,
        "rank": 4,
        "tensorboard": False,
        "added_tokens": TOKENS,
        **keys,
    }
    (folder / "config.yaml").write_text(json.dumps(settings), "utf-8")
    return main(["mpeft", str(folder / "config.yaml")])


def changed_rows(before: Any, after: Any) -> list[int]:
    return [number for number, row in enumerate(before) if not np.array_equal(row, after[number])]


@pytest.mark.parametrize("tied", [False, True])
def test_embeddings_of_a_vocabulary_that_grew_are_trained_and_each_is_saved_once(tied: bool, tmp_path: Path) -> None:
    base = tiny_checkpoint(tmp_path / "base", tied=tied, vocab_size=327)
    assert train(tmp_path, base, train_embeddings=True) == 0
    saved = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert sum(weight.shape[0] == 329 for weight in saved.values()) == 2
    found, stored = merged_weights(base, tmp_path / "adapter"), merged_weights(base)
    for name in (EMBEDDING, HEAD):
        assert found[name].shape[0] == 329
        assert changed_rows(stored[name], found[name])


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("grows", [False, True], ids=["spare rows", "grown"])
def test_the_converted_file_has_the_tokens_and_only_their_rows_are_trained(
    tied: bool, grows: bool, tmp_path: Path
) -> None:
    known = 327  # tokens of the tokenizer; most bases have more rows
    base = tiny_checkpoint(tmp_path / "base", tied=tied, vocab_size=known if grows else VOCABULARY)
    assert train(tmp_path, base) == 0
    adapter = tmp_path / "adapter"
    found, stored = merged_weights(base, adapter), merged_weights(base)
    added = [known, known + 1]
    for name in (EMBEDDING, HEAD):
        assert found[name].shape[0] == (known + 2 if grows else stored[name].shape[0])
        expected = [] if grows else added  # rows that were not there before are compared with nothing
        assert changed_rows(stored[name], found[name]) == expected
    vocabulary = plan(Inputs(base, (adapter,))).vocabulary
    assert [vocabulary.tokens[number] for number in added] == TOKENS


def test_a_token_is_read_as_one_in_questions_and_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tiny_checkpoint(tmp_path / "base")
    assert train(tmp_path, base) == 0
    capsys.readouterr()
    assert main(["sample", str(tmp_path / "config.yaml"), "-n", "1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["samples"][0]
    without = tmp_path / "without.yaml"
    without.write_text((tmp_path / "config.yaml").read_text("utf-8").replace(json.dumps(TOKENS), "[]"), "utf-8")
    assert main(["sample", str(without), "-n", "1", "--json"]) == 0
    long = json.loads(capsys.readouterr().out)["samples"][0]
    pieces = sum(len(AutoTokenizer.from_pretrained(base)(token)["input_ids"]) - 1 for token in TOKENS)
    assert long["tokens"] - shown["tokens"] == 2 * pieces  # each stands in the question and in the answer
    saved = AutoTokenizer.from_pretrained(tmp_path / "adapter")
    assert saved.tokenize("<finding>心房細動") == TOKENS


def test_rows_begin_as_the_mean_of_what_the_text_was_written_with(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint(tmp_path / "base"))
    model = tiny_model()
    rows = model.get_input_embeddings().weight.detach().clone()
    pieces = tokenizer("心房細動")["input_ids"]
    added = add_tokens(tokenizer, ["心房細動"])
    make_rows(model, added)
    number = tokenizer("心房細動")["input_ids"]
    assert list(added) == number
    assert len(pieces) > 1
    assert np.allclose(
        model.get_input_embeddings().weight[number[0]].detach().numpy(), rows[pieces].mean(0).numpy(), atol=1e-6
    )


def test_a_mark_of_the_chat_template_cannot_be_spelled_by_a_text(tmp_path: Path) -> None:
    template = "{% for m in messages %}<turn>{{ m['content'] }}<end>{% endfor %}"
    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint(tmp_path / "base", template=template))
    add_tokens(tokenizer, ["<turn>", "<end>", "<finding>"])
    special = {str(token): token.special for token in tokenizer.added_tokens_decoder.values()}
    assert (special["<turn>"], special["<end>"], special["<finding>"]) == (True, True, False)


@pytest.mark.parametrize(
    ("tokens", "sentence"),
    [
        ([TURN], f"added_tokens: {TURN} is a token of the base already"),
        (["a b", "a b"], "added_tokens names a token twice"),
        ([" a"], "added_tokens: ' a' begins or ends with a blank"),
        ([""], "added_tokens"),
    ],
)
def test_what_cannot_be_added_is_told_in_a_sentence(
    tokens: Sequence[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, tiny_checkpoint(tmp_path / "base"), added_tokens=tokens) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
