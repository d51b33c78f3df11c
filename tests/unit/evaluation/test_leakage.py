"""A question of a benchmark is found in a training text however it is written, and nothing else is."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.errors import InputError
from evaluation.items import Item
from evaluation.leakage.findings import find, refusal
from evaluation.leakage.forms import Hasher, Shaper, folded
from evaluation.leakage.index import Index, Match
from evaluation.leakage.pieces import SIZE, Exchange, Text, pieces
from evaluation.leakage.questions import questions
from evaluation.leakage.training_files import Reading, read_texts
from tests.unit.evaluation.benchmark_files import igakuqa_question, write_lines, write_text

ENGLISH = Item(
    id="en-1",
    task="test",
    language="en",
    question="A 54-year-old man comes to the clinic because of progressive shortness of breath and swelling of both "
    "legs for 3 weeks. Which of the following is the most likely diagnosis?",
    options=("Heart failure", "Asthma", "Pneumonia", "Anemia", "Gout"),
    answers=(0,),
)
JAPANESE = Item(
    id="ja-1",
    task="test",
    language="ja",
    question="54歳の男性。３週間前からの息切れと両下肢の浮腫とを主訴に来院した。ガス交換障害を認めない。"
    "心エコー検査で左室駆出率は28%であった。最も考えられるのはどれか。",
    options=("心不全", "気管支喘息", "肺炎", "貧血", "痛風"),
    answers=(0,),
)
JAPANESE_SHORT = Item(
    id="ja-2",
    task="test",
    language="ja",
    question="成人の痛風の発作で最も侵されやすい関節はどれか。",
    options=("第一中足趾節関節", "膝関節", "股関節", "肩関節", "顎関節"),
    answers=(0,),
)
VERY_SHORT = Item(
    id="en-2",
    task="test",
    language="en",
    question="Which color is blood?",
    options=("deep red", "pale green", "navy blue", "pure white", "jet black"),
    answers=(0,),
)
ITEMS = (ENGLISH, JAPANESE, JAPANESE_SHORT, VERY_SHORT)


@pytest.fixture(scope="module")
def index() -> Index:
    return Index(ITEMS)


def ids(matches: tuple[Match, ...], *, leaked: bool = True) -> set[str]:
    return {match.item.id for match in matches if match.leaked == leaked}


FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
HALF_WIDTH = str.maketrans({"ガ": "ｶﾞ", "ス": "ｽ", "エ": "ｴ", "コ": "ｺ", "ー": "ｰ"})


def rewrapped(text: str) -> str:
    return "　\n ".join(text[place : place + 7] for place in range(0, len(text), 7))


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(str, id="as it is"),
        pytest.param(str.upper, id="upper case"),
        pytest.param(lambda text: text.translate(FULL_WIDTH), id="full width"),
        pytest.param(lambda text: text.translate(HALF_WIDTH), id="half width"),
        pytest.param(lambda text: unicodedata.normalize("NFD", text), id="decomposed"),
        pytest.param(lambda text: re.sub(r"[。、，.,?-]", " … ", text), id="other punctuation"),
        pytest.param(lambda text: text.replace(" ", "\r\n\t"), id="other white space"),
    ],
)
@pytest.mark.parametrize("item", [ENGLISH, JAPANESE, JAPANESE_SHORT], ids=lambda item: item.id)
def test_a_question_is_found_however_it_is_written(index: Index, item: Item, write: Callable[[str], str]) -> None:
    for text in (write(item.question), f"問題1：{write(item.question)}\n解答", f"<p>{write(item.question)}</p> " * 2):
        assert ids(index.matches(text)) == {item.id}


def test_japanese_is_found_with_line_breaks_within_words(index: Index) -> None:
    assert ids(index.matches(rewrapped(JAPANESE.question.translate(FULL_WIDTH)))) == {"ja-1"}
    assert ids(index.matches(rewrapped(JAPANESE_SHORT.question))) == {"ja-2"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "Heart failure is a clinical syndrome.",
        "Which of the following is the most likely diagnosis?",
        "心不全の患者では両下肢の浮腫を認める。最も考えられるのはどれか。",
        "成人の痛風の発作で最も侵されやすい関節",
        "The answer to which color is blood? is long.",
        "xA 54-year-old man".join(ENGLISH.question.split("A 54-year-old man"))[:60],
    ],
)
def test_what_only_resembles_a_question_is_not_it(index: Index, text: str) -> None:
    assert index.matches(text) == ()


def test_part_of_a_question_overlaps_and_is_not_leaked(index: Index) -> None:
    words = ENGLISH.question.split()
    (match,) = index.matches(" ".join(words[:14]))
    assert not match.leaked
    assert match.share == pytest.approx(4 / 20)  # 54-year-old is three words, so that 16 of 32 words are here
    (match,) = index.matches(JAPANESE.question[:56])
    assert match.item.id == "ja-1"
    assert not match.leaked


def grams(text: str, item: Item) -> set[str]:
    """The n-grams of a text, made another way."""
    form = unicodedata.normalize("NFKC", text).casefold()
    if item.language == "en":
        words = re.findall(r"[a-z0-9]+|無", form)  # a Japanese character is a word
        return {" ".join(words[place : place + 13]) for place in range(len(words) - 12)}
    characters = "".join(character for character in form if character.isalnum())
    return {characters[place : place + 50] for place in range(len(characters) - 49)}


@pytest.mark.parametrize("item", [ENGLISH, JAPANESE], ids=lambda item: item.id)
@pytest.mark.parametrize("seed", range(8))
def test_the_share_is_that_of_the_n_grams_that_are_there(index: Index, item: Item, seed: int) -> None:
    chance = random.Random(seed)
    text = item.question
    for _ in range(seed % 3 + 1):
        place = chance.randrange(len(text))
        text = text[:place] + chance.choice([" x ", "無", "", "。"]) + text[place + chance.randrange(3) :]
    wanted = len(grams(text, item) & grams(item.question, item)) / len(grams(item.question, item))
    found = {match.item.id: match for match in index.matches(f"前。{text}。後")}
    assert (found[item.id].share if item.id in found else 0.0) == pytest.approx(wanted)
    assert (item.id in found and found[item.id].leaked) == (wanted >= 0.5)


def test_a_very_short_question_is_told_by_its_options() -> None:
    index = Index([VERY_SHORT])
    options = "\n".join(f"{letter}. {option}" for letter, option in zip("abcde", VERY_SHORT.options, strict=True))
    assert ids(index.matches(f"{options}\n\nWHICH color is blood")) == {"en-2"}
    assert index.matches(f"Which color is blood? {options[:-5]}") == ()
    assert index.matches(f"Which color is blood? {'more about it. ' * 1000} {options}") == ()


def test_questions_that_cannot_be_told_are_named() -> None:
    short = Item("s", "test", "ja", "正しいのは", ("ア", "イ"), (0,))
    numbers = Item("n", "test", "en", "How many bones are there?", ("1", "2"), (0,))
    index = Index([short, numbers, JAPANESE])
    assert [item.id for item in index.untold.short] == ["s", "n"]
    assert index.matches("正しいのは ア イ。How many bones are there? 1, 2") == ()


def test_what_many_questions_say_tells_none_of_them() -> None:
    phrase = "which of the following is the most likely cause of the symptoms of this patient"
    own = "{} was found at home by a neighbor with fever {} rash {} and a cough that began {} days ago"
    items = [
        Item(str(number), "test", "en", f"{own.replace('{}', str(number))}, {phrase}", ("a", "b"), (0,))
        for number in range(6)
    ]
    only = Item("only", "test", "en", phrase, ("a", "b"), (0,))
    index = Index([*items, only])
    assert index.matches(f"They asked {phrase}.") == ()
    assert [item.id for item in index.untold.common] == ["only"]
    assert ids(index.matches(items[3].question)) == {"3"}


def test_every_item_that_asks_the_same_is_found() -> None:
    again = Item(**{**ENGLISH.__dict__, "id": "again", "task": "other", "question": ENGLISH.question.upper()})
    assert ids(Index([ENGLISH, again]).matches(ENGLISH.question)) == {"en-1", "again"}


def test_the_answer_beside_a_question_is_told(index: Index) -> None:
    (alone,) = index.matches(ENGLISH.question)
    (answered,) = index.matches(f"Q: {ENGLISH.question}\nA: It is HEART-FAILURE.")
    (within_a_word,) = index.matches(f"Q: {ENGLISH.question}\nA: sweetheart failures")
    assert (alone.answered, answered.answered, within_a_word.answered) == (False, True, False)
    assert [one.answered for one in index.matches(JAPANESE.question + "答：心不 全")] == [True]


def test_equal_hashes_of_different_texts_are_no_match() -> None:
    # Strings of Thue and Morse collide under every polynomial hash modulo 2 ** 64, whatever its base.
    bits = [bin(number).count("1") % 2 for number in range(2048)]
    one, other = ("".join(pair[bit] for bit in bits) for pair in ("ab", "ba"))

    def words(text: str) -> str:
        return " ".join(text[place : place + 158] for place in range(0, 2048, 158))

    shaper, hasher = Shaper(), Hasher()
    hashes = [hasher.of(hasher.sums(shaper.form(text).codes), np.array([0]), np.array([2048])) for text in (one, other)]
    assert hashes[0] == hashes[1]
    index = Index([Item("tm", "test", "en", words(one), ("x", "y"), (0,))])
    assert index.matches(words(other)) == ()
    assert ids(index.matches(words(one))) == {"tm"}


# --- conversations ----------------------------------------------------------------------------------------------------

AMMONIA = Item("ja-3", "test", "ja", "高アンモニア血症をきたすのはどれか。", ("肝硬変", "痛風", "喘息"), (0,))
GENERAL = [
    Item(f"true-{number}", "test", "en", "Which of the following is true?", (f"first {number}", f"then {number}"), (1,))
    for number in range(2)
]


def asked(*exchanges: tuple[str, str]) -> set[tuple[str, bool]]:
    """Which questions are leaked by a conversation, and whether with their answers."""
    index = Index([AMMONIA, *GENERAL, JAPANESE])
    text = "\n".join(part for exchange in exchanges for part in exchange)
    found = find(index, [Text(text, "f", 1, exchanges=tuple(Exchange(*one) for one in exchanges))])
    return {(one.id, one.answered) for one in found if one.leaked}


def test_a_message_that_is_a_short_question_is_that_question() -> None:
    question = AMMONIA.question
    assert asked((question, "肝硬変です。")) == {("ja-3", True)}
    assert asked((f"  {question.translate(HALF_WIDTH)} \n", "")) == {("ja-3", False)}
    assert asked(("こんにちは", "はい"), (rewrapped(question), "b. 肝 硬変")) == {("ja-3", True)}
    # With an instruction before it, as Alpaca's input, the answer tells.
    assert asked((f"次の質問に答えてください。\n\n{question}", "答え：肝硬変")) == {("ja-3", True)}
    assert asked((f"次の質問に答えてください。\n\n{question}", "痛風")) == set()


@pytest.mark.parametrize(
    "exchange",
    [
        (f"{AMMONIA.question}また治療は何か。", "肝硬変"),
        (f"例えば、{AMMONIA.question}", "肝硬変"),
        ("何か", AMMONIA.question + "肝硬変"),
        ("Which of the following is true?\na. this\nb. that", "that"),
        ("Which of the following is true?", "that"),
        ("\n" * 100_000, ""),
        ("a\n" * 100_000, "a"),
    ],
)
def test_other_messages_are_no_short_question(exchange: tuple[str, str]) -> None:
    assert asked(exchange) == set()


def test_of_questions_with_the_same_text_the_answer_tells_which_it_is() -> None:
    assert asked(("Which of the following is true?", "Then 1.")) == {("true-1", True)}


def test_a_long_question_in_a_conversation_is_found_as_in_a_text() -> None:
    assert asked((f"解いてください：{JAPANESE.question}", "心不全")) == {("ja-1", True)}


# --- long texts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", [ENGLISH, JAPANESE, JAPANESE_SHORT], ids=lambda item: item.id)
def test_a_question_across_the_seams_of_a_long_text_is_found(index: Index, item: Item) -> None:
    question = "\n".join(item.question)  # stretched to twice its length
    filler = "傾聴と共感。" * (SIZE // 6)
    for back in (0, 50, len(question) // 2, len(question), 2000, 9000):
        text = filler[: SIZE - back] + question + filler
        expected = {item.id} if item.language == "ja" else set()
        assert ids(index.matches(text)) == expected
        assert ids(index.matches(filler[: SIZE - back] + item.question + filler)) == {item.id}


def test_pieces_hold_the_whole_text_in_bounded_lengths() -> None:
    chance = random.Random(0)
    text = "".join(chance.choice("ab \nかが") + "\u0301" * (chance.random() < 0.1) for _ in range(3 * SIZE))
    found = list(pieces(Text(text, "f", 7, running=True), 1000))
    assert all(len(piece.text) <= SIZE for piece in found)
    place = 0
    for piece in found:
        # Each begins within the one before, at the line that it says.
        begin = text.index(piece.text[:500], max(0, place - 20_000))
        assert begin <= place
        assert piece.line == 7 + text.count("\n", 0, begin)
        place = begin + len(piece.text)
    assert place == len(text)


def test_a_question_too_long_to_be_held_is_refused() -> None:
    with pytest.raises(InputError, match="10,000,000 characters"):
        Index([Item("long", "test", "ja", "長" * 10_000_001, ("a", "b"), (0,))])


# --- training files ---------------------------------------------------------------------------------------------------

QUESTION, ANSWER = JAPANESE.question, JAPANESE.options[0]
SHAPES: dict[str, Any] = {
    "alpaca": {"instruction": "次の問に答えよ。", "input": QUESTION, "output": ANSWER},
    "messages": {"messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]},
    "content in parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION + ANSWER}]}]},
    "sharegpt": {"conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": ANSWER}]},
    "completion": {"prompt": QUESTION, "completion": ANSWER},
    "choices": {"id": 3, "question": QUESTION, "choices": JAPANESE.options, "answer": 0},
    "text": {"text": f"症例\n{QUESTION}\n{ANSWER}"},
    "other names": {"x": {"y": [None, 1.5, [QUESTION]], "z": ANSWER}},
    "list": [QUESTION, ANSWER],
}


def texts(path: Path, reading: Reading) -> Iterator[Text]:
    return read_texts(path, 1000, reading, lambda _: None)


@pytest.mark.parametrize("shape", SHAPES)
def test_records_of_any_shape_are_read(index: Index, tmp_path: Path, shape: str) -> None:
    path = write_lines(tmp_path / "train.jsonl", [{"text": "無関係"}, SHAPES[shape]])
    (finding,) = find(index, texts(path, Reading()))
    assert (finding.id, finding.leaked, finding.answered, finding.line) == ("ja-1", True, True, 2)
    assert finding.file == str(path)


@pytest.mark.parametrize("name", ["book.txt", "book.md"])
def test_a_question_in_a_document_is_found_with_its_line(index: Index, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    filler = "一般に、診療では傾聴が重要である。\r\n" * 90_000
    path.write_bytes(f"\ufeff{filler}{rewrapped(QUESTION)}\r\n{filler}".encode())
    reading = Reading()
    (finding,) = find(index, texts(path, reading))
    assert (finding.id, finding.leaked, finding.line) == ("ja-1", True, 90_001)
    assert reading.texts == 1
    assert refusal([finding])


@pytest.mark.parametrize("written", ["array", "object", "lines"])
def test_a_json_file_may_be_one_array_or_lines(index: Index, tmp_path: Path, written: str) -> None:
    record = SHAPES["alpaca"]
    path = tmp_path / "train.json"
    whole = {"array": [{"text": "x"}, record], "object": record}.get(written)
    path.write_text(json.dumps(whole, indent=1) if whole else f'{{"text": "x"}}\n{json.dumps(record)}\n', "utf-8")
    (finding,) = find(index, texts(path, Reading()))
    assert (finding.id, finding.line) == ("ja-1", 1 if written == "object" else 2)


def test_lines_that_cannot_be_read_are_counted_and_named(index: Index, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "train.jsonl", ["{", "", "7", {"text": " "}, "[" * 100_000, {"text": QUESTION}])
    with path.open("ab") as file:
        file.write(b'{"text": "\xff"}\n')
    reading = Reading()
    assert [one.line for one in find(index, texts(path, reading))] == [6]
    assert (reading.texts, reading.unread) == (1, 5)
    assert [name.split(":")[0] for name in reading.named] == [f"{path}, line {number}" for number in (1, 3, 4, 5, 7)]


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.txt", b"\xff\xfe", "UTF-8"),
        ("a.txt", b"", "no text"),
        ("a.jsonl", b"\n\n", "no text"),
        ("a.jsonl", b"nothing\n", "line 1: not a line of JSON"),
        ("a.parquet", b"PAR1", "write the training set in one of them"),
    ],
)
def test_a_file_that_would_check_nothing_is_refused(tmp_path: Path, name: str, data: bytes, sentence: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=sentence):
        list(texts(path, Reading()))


def test_the_same_question_in_many_texts_is_one_finding_at_the_fullest(index: Index) -> None:
    some = [
        Text(" ".join(ENGLISH.question.split()[:14]), "a", 1),
        Text(ENGLISH.question, "b", 5),
        Text(f"{ENGLISH.question} Heart failure.", "c", 9),
    ]
    (finding,) = find(index, some)
    assert (finding.file, finding.line, finding.texts, finding.answered) == ("c", 9, 2, True)
    sentence = refusal([finding])
    assert sentence is not None
    assert "en-1 (en): c, line 9: 100%" in sentence
    assert refusal(find(index, some[:1])) is None


# --- the questions that are looked for --------------------------------------------------------------------------------


def medqa(folder: Path, *records: Any) -> Path:
    return write_lines(folder / "MedQA/medqa_en_4op.jsonl", records)


def medqa_question(number: int, **more: Any) -> dict[str, Any]:
    text = f"Patient number {number} has sign {number} of this disease since last week; what is the best treatment?"
    return {
        "problem_id": number,
        "problem_text": text,
        "choices": [f"{one} {number}" for one in "abcd"],
        "answer": ["a"],
        **more,
    }


def test_a_benchmark_that_is_there_and_cannot_be_read_is_refused(tmp_path: Path) -> None:
    medqa(tmp_path, medqa_question(1))
    rows = "\ufeff" + "".join(f"徴候{number}でみられるのはどれか。,赤,橙,黄,緑,A\n" for number in range(3))
    jmmlu = write_text(tmp_path / "JMMLU/anatomy.csv", rows)
    assert {(one.task, one.questions) for one in questions(tmp_path).tasks} == {("medqa", 1), ("jmmlu", 3)}
    jmmlu.write_bytes(rows.removeprefix("\ufeff").encode("cp932"))
    with pytest.raises(InputError, match=r"the questions of jmmlu \(ja\) are there but .*anatomy\.csv is not a UTF-8"):
        questions(tmp_path)
    assert len(questions(tmp_path, "medqa").items) == 1
    jmmlu.unlink()
    papers = write_text(tmp_path / "PubMedQA/pubmedqa.jsonl", "")
    papers.write_bytes(json.dumps(medqa_question(2)).encode("utf-16"))
    with pytest.raises(InputError, match=r"the questions of pubmedqa \(en\) are there but .*pubmedqa\.jsonl, line 1"):
        questions(tmp_path)
    papers.write_bytes(b"")
    with pytest.raises(InputError, match=r"pubmedqa\.jsonl is empty; mend that file"):
        questions(tmp_path)


def test_all_benchmarks_are_not_in_one_file(tmp_path: Path) -> None:
    path = medqa(tmp_path, medqa_question(1))
    with pytest.raises(InputError, match="is one file"):
        questions(path)
    assert len(questions(path, "medqa").items) == 1


def test_a_record_that_is_no_usable_question_is_looked_for_by_its_text(tmp_path: Path) -> None:
    path = medqa(
        tmp_path,
        medqa_question(1),
        medqa_question(2, answer=["z"]),
        medqa_question(3),
        {**medqa_question(4), "problem_id": 3},
        '{"problem_id": 5, ',
        medqa_question(6, choices=[]),
        medqa_question(7, choices=[None, "b"]),
    )
    found = questions(tmp_path)
    (task,) = found.tasks
    assert (task.questions, task.by_text, task.lost, task.left_out) == (5, 4, 1, 1)
    assert task.lost_first is not None
    assert task.lost_first.startswith(f"{path}, line 5: not a line of JSON")
    index = Index(found.items)
    for number in (1, 2, 3, 4, 7):
        (match,) = index.matches(f"{medqa_question(number)['problem_text']} a {number}")
        assert (match.leaked, match.answered) == (True, number == 1)  # of the others nobody knows the answer
    assert index.matches(medqa_question(6)["problem_text"]) == ()
    assert len({item.id for item in found.items}) == 5


def test_broken_questions_of_every_layout_are_looked_for_by_their_text(tmp_path: Path) -> None:
    asked = "徴候{}でみられるのはどれか。ただし患者は成人であるとする。"
    broken = {"data/2018/112-A.jsonl": igakuqa_question("112A1", ["z"], problem_text=asked.format(1))}
    broken |= {"data/2018/112-B.jsonl": igakuqa_question("112B1", ["a"], problem_text=asked.format(2), choices="abc")}
    for name, value in broken.items():
        write_lines(tmp_path / "IgakuQA" / name, [value])
    write_lines(tmp_path / "JMedBench/medqa_jp/test.jsonl", [{"sample_id": 1, "question": asked.format(3)}])
    write_text(tmp_path / "JMMLU/anatomy.csv", f"{asked.format(4)},赤,橙,黄,緑,Z\n{asked.format(5)},赤,橙\n")
    paper = {"QUESTION": "Is this a question of a paper that has no context at all?", "final_decision": "yes"}
    write_text(tmp_path / "PubMedQA/data/ori_pqal.json", json.dumps({"123": {**paper, "CONTEXTS": []}}))
    found = questions(tmp_path)
    assert {(one.task, one.language, one.by_text, one.lost) for one in found.tasks} == {
        ("igakuqa", "ja", 2, 0),
        ("igakuqa", "en", 0, 2),
        ("jmedbench-medqa", "ja", 1, 0),
        ("jmmlu", "ja", 2, 0),
        ("pubmedqa", "en", 1, 0),
    }
    index = Index(found.items)
    assert all(len(index.matches(asked.format(number))) == 1 for number in range(1, 6))
    assert len(index.matches(paper["QUESTION"])) == 1


def test_a_language_without_questions_is_no_broken_benchmark(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "data/2018/112-A.jsonl", [igakuqa_question("112A1", ["a"]), igakuqa_question("112A2", ["z"])]
    )
    assert [(one.language, one.questions, one.lost, one.left_out) for one in questions(tmp_path).tasks] == [
        ("ja", 2, 0, 0),
        ("en", 0, 1, 1),
    ]


def test_all_benchmarks_in_a_folder_are_one_set_of_questions(tmp_path: Path) -> None:
    write_lines(tmp_path / "IgakuQA/data/2018/112-A.jsonl", [igakuqa_question("112A1", ["a"], text_only=False)])
    write_lines(
        tmp_path / "MedQA/medqa_en_4op.jsonl",
        [{"problem_id": 1, "problem_text": "Which?", "choices": ["a", "b"], "answer": ["a"]}],
    )
    assert [(item.task, item.id) for item in questions(tmp_path).items] == [("igakuqa", "112A1"), ("medqa", "1")]
    assert [item.task for item in questions(tmp_path, language="en").items] == ["medqa"]
    with pytest.raises(InputError, match="no benchmark"):
        questions(tmp_path / "MedQA", language="ja")


# --- real data --------------------------------------------------------------------------------------------------------


def test_no_benchmark_is_leaked_by_another_and_each_is_by_itself(real_data: Path) -> None:
    """Examinations share phrases and topics: what must not be called a leak."""
    items = questions(real_data).items
    for task in ("igakuqa", "medqa"):
        own = [item for item in items if item.task == task]
        others = [item for item in items if item.task not in (task, "jmmlu", "mmlu")]
        index = Index(own)
        untold = {item.id for item in (*index.untold.short, *index.untold.common)}
        found = find(index, (_as_text(item) for item in own))
        assert {one.id for one in found if one.leaked} == {item.id for item in own} - untold
        assert [one for one in find(index, (_as_text(item) for item in others)) if one.leaked] == []


def test_an_instruction_set_leaks_no_benchmark(real_data: Path) -> None:
    index = Index(questions(real_data).items)
    reading = Reading()
    assert find(index, texts(real_data / "instruction/medquad_2000.jsonl", reading)) == ()
    assert (reading.texts, reading.unread) == (2000, 0)


def test_every_short_question_is_found_as_a_message_and_none_of_another_benchmark(real_data: Path) -> None:
    items = [item for item in questions(real_data).items if item.answers]
    index = Index(items)
    told = {(one.task, one.id, one.language) for one in find(index, map(_as_conversation, items)) if one.leaked}
    untold = {(one.task, one.id, one.language) for one in (*index.untold.short, *index.untold.common)}
    assert {(one.task, one.id, one.language) for one in items} == told | untold
    assert index.with_options > 1500
    for task in ("igakuqa", "medmcqa"):
        own = Index([item for item in items if item.task == task])
        others = (_as_conversation(item, "Answer this question.\n") for item in items if item.task != task)
        assert [one for one in find(own, others) if one.leaked] == []


def _as_conversation(item: Item, instruction: str = "") -> Text:
    answer = ", ".join(item.options[position] for position in item.answers)
    asked = f"{instruction}{item.question}"
    return Text(f"{asked}\n{answer}", item.task, 1, exchanges=(Exchange(asked, answer),))


def _as_text(item: Item) -> Text:
    return Text(f"{item.question}\n" + "\n".join(item.options), item.task, 1)


def test_folding_keeps_no_separator() -> None:
    assert "\0" not in folded("a\0b")
