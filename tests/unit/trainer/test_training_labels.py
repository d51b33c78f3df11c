from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InputError
from trainer.labels import IGNORED, Example, build_example

Messages = list[dict[str, str]]


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def learned(example: Example, tokenizer: Any) -> str:
    return str(tokenizer.decode([label for label in example.labels if label != IGNORED]))


def example_of(messages: Messages, tokenizer: Any, max_length: int = 4096) -> Example:
    example = build_example(messages, tokenizer, max_length)
    assert example is not None
    return example


def test_the_answer_and_the_token_that_ends_it_are_learned_and_nothing_else(tokenizer: Any) -> None:
    example = example_of([user("痛風の原因は？"), assistant("尿酸です。")], tokenizer)
    assert learned(example, tokenizer) == "尿酸です。<|im_end|>"
    whole = tokenizer.apply_chat_template(
        [user("痛風の原因は？"), assistant("尿酸です。")], tokenize=True, return_dict=False
    )
    assert example.input_ids == whole
    assert all(label in (IGNORED, token) for token, label in zip(example.input_ids, example.labels, strict=True))


text = st.text(max_size=20).filter(lambda value: "<|" not in value)


@given(st.lists(st.tuples(text, text), min_size=1, max_size=4))
def test_every_answer_of_a_conversation_is_learned(tokenizer: Any, turns: list[tuple[str, str]]) -> None:
    messages = [message for question, answer in turns for message in (user(question), assistant(answer))]
    try:
        example = example_of(messages, tokenizer)
    except InputError:
        # An answer that begins with a line break shares a token with the prompt: it is refused, not mislabelled.
        assert any(answer[:1].isspace() or not answer.isprintable() for _, answer in turns)
        return
    expected = [tokenizer(answer + "<|im_end|>", add_special_tokens=False)["input_ids"] for _, answer in turns]
    assert [label for label in example.labels if label != IGNORED] == [token for answer in expected for token in answer]


def test_a_long_conversation_ends_after_the_last_answer_that_fits(tokenizer: Any) -> None:
    messages = [user("a"), assistant("first"), user("b"), assistant("second"), user("c"), assistant("third")]
    two_answers = len(example_of(messages[:4], tokenizer).input_ids)
    example = example_of(messages, tokenizer, two_answers)
    assert len(example.input_ids) == two_answers
    assert learned(example, tokenizer) == "first<|im_end|>second<|im_end|>"


def test_a_conversation_whose_first_answer_does_not_fit_gives_nothing_to_learn(tokenizer: Any) -> None:
    assert build_example([user("a"), assistant("much too long")], tokenizer, 8) is None


def test_a_template_that_changes_earlier_turns_is_refused(tokenizer: Any) -> None:
    changing = deepcopy(tokenizer)
    changing.chat_template = (
        "{% for message in messages %}<|im_start|>{{ loop.revindex }}{{ message['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    with pytest.raises(InputError, match="not prefix-stable"):
        build_example([user("a"), assistant("b"), user("c"), assistant("d")], changing, 4096)
