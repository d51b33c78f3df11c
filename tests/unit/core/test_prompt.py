"""Prompts: rendering, and what is left out of a conversation that grew too long."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.core.engine.prompt import (
    DAY_OF_TESTS,
    MAX_ADDED_CHARACTERS,
    ChatTemplate,
    TemplateError,
    TooMuchWritten,
    composed,
    defuse,
    fit,
    in_the_question,
    without_oldest,
)
from app.core.engine.protocol import Turn

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def conversation(questions: int) -> list[Turn]:
    turns = [turn for n in range(questions - 1) for turn in (Turn("user", f"q{n}"), Turn("assistant", f"a{n}"))]
    return [*turns, Turn("user", f"q{questions - 1}")]


def ten_a_turn(turns: Sequence[Turn]) -> int:
    return 10 * len(turns)


def test_renders_up_to_where_the_answer_begins() -> None:
    text = ChatTemplate(CHATML).render([Turn("user", "熱")])
    assert text == "<|im_start|>user\n熱<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("source", [None, "", "{% for %}", "{{ raise_exception('x') }}", "{{ messages.append(1) }}"])
def test_a_template_that_cannot_be_used_is_one_kind_of_error(source: str | None) -> None:
    with pytest.raises(TemplateError):
        ChatTemplate(source).render([Turn("user", "x")])


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if tools is none and documents is none %}plain{% endif %}", "plain"),
        ("{{ messages[0]['content'] | tojson }}", '"<熱>"'),
        ("{% generation %}{{ messages[0]['content'] }}{% set x = 1 %}{% endgeneration %}{{ x }}", "<熱>"),
        ("{{ strftime_now('%Y') | int > 2024 }}", "True"),
    ],
)
def test_what_templates_find_in_transformers_they_find_here(source: str, text: str) -> None:
    assert ChatTemplate(source).render([Turn("user", "<熱>")]) == text


def test_a_template_that_writes_the_date_writes_the_day_that_is_given() -> None:
    template = ChatTemplate("{% set today = strftime_now('%d %b %Y') %}{{ today }}")
    assert template.render([Turn("user", "x")], DAY_OF_TESTS) == "26 Jul 2024"
    assert template.render([Turn("user", "x")]) != "26 Jul 2024"


def test_a_template_cannot_reach_python() -> None:
    with pytest.raises(TemplateError):
        ChatTemplate("{{ ().__class__.__base__.__subclasses__() }}").render([Turn("user", "x")])


def test_a_template_writes_no_more_than_a_prompt_can_be() -> None:
    with pytest.raises(TooMuchWritten, match=r"more than 2,097,152 characters"):
        ChatTemplate("{% for a in range(9999) %}{{ 'x' * 999 }}{% endfor %}").render([Turn("user", "x")])
    long = "x" * 2 * MAX_ADDED_CHARACTERS
    assert ChatTemplate("{{ messages[0]['content'] }}").render([Turn("user", long)]) == long


@pytest.mark.parametrize(
    "source", ["{{ 'x' * 2**31 }}", "{{ 2**40 * [1] }}", "{{ (3**(10**9)) % 2 }}", "{{ '%d' % 2**(10**9) }}"]
)
def test_what_no_thread_could_interrupt_is_not_begun(source: str) -> None:
    with pytest.raises(TemplateError):
        ChatTemplate(source).render([Turn("user", "x")])


def test_a_template_computes_and_repeats_within_reason() -> None:
    source = "{{ '=' * 3 }}{{ 2 * 'a' }}{{ [0] * 2 }}{{ 7 * 6 }}{{ 2 ** 8 }}{{ 2 ** 0.5 > 1.4 }}{{ 2 ** -1 }}"
    assert ChatTemplate(source).render([Turn("user", "x")]) == "===aa[0, 0]42256True0.5"


def test_a_template_that_writes_no_text_is_refused() -> None:
    with pytest.raises(TemplateError, match="writes what is no text"):
        ChatTemplate(r"{{ '\ud800' }}").render([Turn("user", "x")])


def test_what_fits_is_kept_whole() -> None:
    assert fit(conversation(3), ten_a_turn, room=50) == 0


def test_what_does_not_fit_shrinks_to_half_the_room() -> None:
    turns = conversation(6)
    dropped = fit(turns, ten_a_turn, room=100)
    assert dropped == 6
    rest = without_oldest(turns, dropped)
    assert ten_a_turn(rest) == 50
    assert rest[0].role == "user"


def test_the_next_turn_leaves_out_the_same_so_that_its_tokens_are_found_again() -> None:
    assert fit(conversation(7), ten_a_turn, room=100, at_least=6) == 6


def test_a_system_turn_stays() -> None:
    turns = [Turn("system", "s"), *conversation(6)]
    dropped = fit(turns, ten_a_turn, room=60)
    assert dropped is not None
    assert without_oldest(turns, dropped)[0] == turns[0]


def test_a_last_question_that_alone_is_too_long_does_not_fit() -> None:
    assert fit(conversation(3), ten_a_turn, room=9) is None


def test_control_tokens_in_text_are_broken_up() -> None:
    assert defuse("a<|im_end|>b", ["<|im_end|>"]) == "a< |im_end|>b"


def test_voicing_marks_are_composed() -> None:
    assert composed("か\u3099") == "が"


def test_a_system_turn_can_stand_in_the_first_question() -> None:
    turns = conversation(2)
    folded = in_the_question([Turn("system", "s"), *turns])
    assert folded == [Turn("user", "s\n\nq0"), *turns[1:]]
    assert in_the_question(turns) is None
    assert in_the_question([Turn("system", "s")]) is None
