"""What a model is shown: templates, examples, the joint before an answer, and what counts as the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.core.engine.protocol import Turn
from app.core.errors import InputError
from app.core.language import Language
from evaluation.items import Item
from evaluation.runs.backend import Prompt
from evaluation.runs.records import How
from evaluation.runs.wording import Templates, Wording, prompt_sha256, templates

EN = "Q: {{instruction}}\n{{input}}\nA:"


def item(name: str = "q1", **facts: Any) -> Item:
    known: dict[str, Any] = {
        "task": "jsonl",
        "language": "en",
        "question": f"Which is {name}?",
        "options": ("red", "blue"),
        "answers": (0,),
    }
    return Item(id=name, **(known | facts))


def own(tmp_path: Path, text: str, how: How = "letter") -> Templates:
    path = tmp_path / "mine.txt"
    path.write_text(text, encoding="utf-8")
    return templates(how, "en", str(path), None, False)


def toml(tmp_path: Path, text: str, layout: str = "letters", name: str = "mine") -> Path:
    path = tmp_path / f"{name}.toml"
    path.write_text(f"[{name}]\noptions = '{layout}'\ntext = '''{text}'''\n", encoding="utf-8")
    return path


# --- templates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "count", "word"),
    [
        ("ja", 4, "四択"),
        ("ja", 5, "五択"),
        ("ja", 8, "次の問題に"),
        ("en", 4, "four options"),
        ("en", 5, "five options"),
        ("en", 2, "one of its options"),
        ("en", 26, "one of its options"),
    ],
)
def test_the_shipped_words_agree_with_the_number_of_options(language: Language, count: int, word: str) -> None:
    asked = item(options=tuple(f"option {n}" for n in range(count)), language=language)
    text = Wording(templates("letter", language, None, None, False), "letter", chat=False).prompt(asked).text
    assert text is not None
    assert word in text
    assert f"{'abcdefghijklmnopqrstuvwxyz'[count - 1]}. option {count - 1}" in text


@pytest.mark.parametrize("how", ["letter", "option", "generate", "paper", "paper-fixed"])
@pytest.mark.parametrize("steps", [False, True])
def test_each_way_has_words_of_its_own_in_both_languages(how: How, steps: bool) -> None:
    for language in ("ja", "en"):
        chosen = templates(how, language, None, None, steps)
        layouts = {chosen.choose(count).layout for count in (2, 4, 5, 26)}
        assert layouts == ({"letters"} if how in ("letter", "generate") else {"commas"})
        assert {chosen.choose(count).language for count in (2, 4, 5, 26)} == {language}


def test_a_file_of_ones_own_is_the_template(tmp_path: Path) -> None:
    chosen = own(tmp_path, EN)
    assert chosen.name == "mine"
    assert Wording(chosen, "letter", chat=False).prompt(item()).text == "Q: Which is q1?\na. red\nb. blue\nA:"


def test_a_template_is_looked_up_by_name_in_a_file(tmp_path: Path) -> None:
    path = toml(tmp_path, EN, "commas")
    chosen = templates("option", "en", "mine", path, False)
    assert Wording(chosen, "option", chat=False).prompt(item()).text == "Q: Which is q1?\nred,blue\nA:"


def test_paper_resolves_names_as_the_published_harness_and_paper_fixed_does_not(tmp_path: Path) -> None:
    path = tmp_path / "template.py"
    path.write_text(
        "alpaca = Template('''ALPACA {{instruction}} {{input}}''')\n"
        "own_four_choice = Template('''FOUR {{instruction}} {{input}}''')\n",
        encoding="utf-8",
    )
    published = templates("paper", "en", "own_four_choice", path, False)
    mended = templates("paper-fixed", "en", "own_four_choice", path, False)
    assert published.choose(4).text.startswith("ALPACA")
    assert published.name == "own_four_choice"
    assert mended.choose(4).text.startswith("FOUR")


def test_templates_differ_by_their_text_and_by_how_they_show_options(tmp_path: Path) -> None:
    shas = [
        templates("generate", "en", "mine", toml(tmp_path, text, layout), False).sha256
        for text, layout in ((EN, "letters"), (EN, "commas"), (EN + " ", "letters"), (EN, "letters"))
    ]
    assert len(set(shas)) == 3
    assert shas[0] == shas[3]


@pytest.mark.parametrize(
    ("name", "has_file", "steps", "told"),
    [
        ("nonsense", False, False, "plain, steps, sections, sections_steps"),
        (None, True, False, "--template with one of mine"),
        ("other", True, False, "no template 'other'.* it has mine"),
        ("mine", True, True, "--steps"),
        ("plain_choice", False, True, "--steps"),
    ],
)
def test_what_cannot_be_chosen_is_said_with_what_can(
    tmp_path: Path, name: str | None, has_file: bool, steps: bool, told: str
) -> None:
    file = toml(tmp_path, EN) if has_file else None
    with pytest.raises(InputError, match=told):
        templates("generate", "en", name, file, steps)


def test_a_file_with_several_templates_needs_a_name(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text(f"[a]\ntext='''{EN}'''\n[b]\ntext='''{EN}'''\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds 2 templates"):
        templates("letter", "en", str(path), None, False)


# --- prompts ----------------------------------------------------------------------------------------------------------


def test_a_context_stands_before_the_question(tmp_path: Path) -> None:
    wording = Wording(own(tmp_path, EN), "letter", chat=False)
    assert wording.prompt(item(context="An abstract.")).text == "Q: An abstract.\n\nWhich is q1?\na. red\nb. blue\nA:"


def test_what_looks_like_a_template_in_a_question_stays_as_it_is(tmp_path: Path) -> None:
    wording = Wording(own(tmp_path, EN), "letter", chat=False)
    asked = item(question="{{input}} {% raw %}", options=("{{instruction}}", "x"))
    assert wording.prompt(asked).text == "Q: {{input}} {% raw %}\na. {{instruction}}\nb. x\nA:"


SHOTS = (item("s1", answers=(1,)), item("s2", answers=(0, 1)))


def test_examples_stand_before_a_plain_question_with_their_answers(tmp_path: Path) -> None:
    wording = Wording(own(tmp_path, EN), "letter", chat=False, shots=SHOTS)
    assert wording.prompt(item()).text == (
        "Q: Which is s1?\na. red\nb. blue\nA: b\n\n"
        "Q: Which is s2?\na. red\nb. blue\nA: a,b\n\n"
        "Q: Which is q1?\na. red\nb. blue\nA:"
    )


def test_examples_are_turns_of_a_chat(tmp_path: Path) -> None:
    wording = Wording(own(tmp_path, EN), "letter", chat=True, shots=SHOTS)
    prompt = wording.prompt(item())
    assert prompt.text is None
    assert prompt.messages == (
        Turn("user", "Q: Which is s1?\na. red\nb. blue\nA:"),
        Turn("assistant", "b"),
        Turn("user", "Q: Which is s2?\na. red\nb. blue\nA:"),
        Turn("assistant", "a,b"),
        Turn("user", "Q: Which is q1?\na. red\nb. blue\nA:"),
    )


def test_an_example_is_answered_as_the_model_is_to_answer(tmp_path: Path) -> None:
    several = item(answers=(0, 1))
    letters, commas = own(tmp_path, EN), templates("generate", "en", "c", toml(tmp_path, EN, "commas", "c"), False)
    assert Wording(letters, "generate", chat=True).answer(several) == "a,b"
    assert Wording(commas, "generate", chat=True).answer(several) == "red,blue"
    assert Wording(commas, "option", chat=True).answer(item(answers=(1,))) == "blue"
    assert Wording(letters, "generate", chat=True, steps=True).answer(several) == "The answer is a,b"
    assert Wording(letters, "generate", chat=True, steps=True).answer(item(language="ja")) == "正解はa"


@pytest.mark.parametrize(
    ("text", "chat", "answers"),
    [
        ("{{input}} Answer:", False, (" a", " b")),
        ("{{input}} Answer: ", False, ("a", "b")),
        ("{{input}}\n答え：", False, ("a", "b")),
        ("{{input}}\n### Response:\n", False, ("a", "b")),
        ("{{input}} Answer:", True, ("a", "b")),
    ],
)
def test_a_blank_precedes_an_answer_where_a_writer_would_put_one(
    tmp_path: Path, text: str, chat: bool, answers: tuple[str, ...]
) -> None:
    assert Wording(own(tmp_path, text), "letter", chat=chat).candidates(item()) == answers


def test_options_are_answers_as_they_are(tmp_path: Path) -> None:
    options = ("<|im_end|>", "x" * 900, "x", "x", " blank")
    wording = Wording(own(tmp_path, "{{input}}\n"), "option", chat=False)
    assert wording.candidates(item(options=options)) == options


def test_other_words_or_other_answers_are_told_apart() -> None:
    prompt, other = Prompt(text="a?"), Prompt(messages=(Turn("user", "a?"),))
    shas = {
        prompt_sha256([prompt], [("a", "b")]),
        prompt_sha256([prompt], [("a", "c")]),
        prompt_sha256([other], [("a", "b")]),
        prompt_sha256([prompt, prompt], [("a", "b"), ("a", "b")]),
    }
    assert len(shas) == 4
    assert prompt_sha256([prompt], [("a", "b")]) in shas
