from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.core.engine.protocol import Turn
from app.core.errors import InputError
from evaluation.items import Item
from evaluation.runs.wording import Wording, templates
from trainer.data.documents import Document, Message
from trainer.data.items import ItemWords
from trainer.data.reading import Reading, passed_over, read_conversations, read_documents, read_records, sources

Q, A = Message("user", "q"), Message("assistant", "a")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of nothing but training files."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return path


def test_text_and_conversations_are_read_line_by_line(tmp_path: Path) -> None:
    plain, records = tmp_path / "a.txt", tmp_path / "b.jsonl"
    plain.write_bytes("\ufeff一行目\r\n\nsecond\n".encode())
    records.write_text(
        '{"text": "t", "id": 1}\n{"messages": [{"role": "user", "content": "q\u2028"},'
        ' {"role": "assistant", "content": "a"}]}\n',
        "utf-8",
    )
    assert read_documents([plain, records]) == [
        Document(text="一行目"),
        Document(text="second"),
        Document(text="t"),
        Document(messages=(Message("user", "q\u2028"), Message("assistant", "a"))),
    ]


@pytest.mark.parametrize(
    ("record", "messages"),
    [
        ({"instruction": "q", "input": "", "output": "a", "source": "x"}, (Q, A)),
        ({"instruction": "q", "input": "i", "output": "a"}, (Message("user", "q\ni"), A)),
        (
            {"instruction": "q", "output": "a", "system": "s", "history": [["q0", "a0"]]},
            (Message("system", "s"), Message("user", "q0"), Message("assistant", "a0"), Q, A),
        ),
        ({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}, (Q, A)),
        (
            {"system": "s", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
            (Message("system", "s"), Q, A),
        ),
        ({"conversations": [{"from": "Human", "value": "q"}, {"from": "GPT", "value": "a", "weight": 1}]}, (Q, A)),
        ({"conversations": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}, (Q, A)),
        ({"conversation": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, (Q, A)),
        ({"id": "x", "items": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, (Q, A)),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "text", "text": "i"}]},
                    {"role": "assistant", "content": "a", "name": None, "tool_calls": []},
                ]
            },
            (Message("user", "q\ni"), A),
        ),
        ({"instruction": "q", "input": "", "output": "a", "text": "Below is an instruction: q a"}, (Q, A)),
        ({"prompt": "q", "completion": "a"}, (Q, A)),
        (
            {
                "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
                "completion": [{"role": "assistant", "content": "a"}],
            },
            (Message("system", "s"), Q, A),
        ),
    ],
)
def test_every_format_gives_the_same_turns(tmp_path: Path, record: dict[str, Any], messages: tuple[Message]) -> None:
    path = write(tmp_path / "x.jsonl", record)
    assert read_conversations([path]) == [Document(messages=messages)]


def test_an_answer_that_shall_not_be_learned_is_refused(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "q", "weight": 0}, {"from": "gpt", "value": "a", "weight": 0}]
    path = write(tmp_path / "x.jsonl", {"conversations": turns})
    with pytest.raises(InputError, match="the weight of its answer in turn 2 is not 1"):
        read_conversations([path])


def test_an_array_of_records_is_read_as_lines_are(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"instruction": "q", "output": "a"}] * 2, indent=1), "utf-8")
    assert read_conversations([path]) == [Document(messages=(Q, A))] * 2


def test_a_folder_stands_for_its_files_and_markdown_is_one_document(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    (corpus / "b").mkdir(parents=True)
    (corpus / "a.md").write_text("# 見出し\n\n本文\n", "utf-8")
    (corpus / "b" / "c.txt").write_text("1\n2\n", "utf-8")
    (corpus / "image.png").write_bytes(b"\x89PNG")
    documents = read_documents([corpus])
    assert documents == [Document(text="# 見出し\n\n本文\n"), Document(text="1"), Document(text="2")]


ITEM = {"problem_id": "1", "problem_text": "Which organ produces bile?", "choices": ["Liver", "Spleen"], "answer": "a"}
ITEM_JA = {
    "problem_id": "2",
    "problem_text": "胆汁を産生する臓器はどれか。",
    "choices": ["脾臓", "肝臓"],
    "answer": ["b"],
}


@pytest.mark.parametrize("template", [None, "sections"])
def test_an_item_is_asked_and_answered_in_the_words_of_the_evaluation(tmp_path: Path, template: str | None) -> None:
    path = write(tmp_path / "x.jsonl", ITEM, ITEM_JA)
    reading = Reading(answered=True, words=ItemWords(template))
    documents = [record.document for record in read_records(sources([str(path)]), reading)]
    for document, record, language in zip(documents, (ITEM, ITEM_JA), ("en", "ja"), strict=True):
        answer = 0 if language == "en" else 1
        item = Item("1", "jsonl", language, str(record["problem_text"]), tuple(record["choices"]), (answer,))  # type: ignore[arg-type]
        how = "paper" if template else "letter"
        wording = Wording(templates(how, item.language, None, None, steps=False), how, chat=True)  # type: ignore[arg-type]
        asked = wording.prompt(item).messages
        assert [Turn(turn.role, turn.content) for turn in document.messages[:-1]] == list(asked)
        assert document.messages[-1].content == wording.answer(item)
    assert documents[0].messages[-1].content == ("Liver" if template else "a")


def test_items_that_are_not_asked_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", ITEM, {**ITEM, "text_only": False}, {**ITEM, "choices": []})
    reading = Reading()
    assert len(list(read_records(sources([str(path)]), reading))) == 1
    assert reading.left_out.total() == 2
    assert reading.refusal() is None


def test_a_template_that_asks_for_reasoning_is_refused() -> None:
    with pytest.raises(InputError, match="reasoning"):
        ItemWords("steps")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ("{}", "no known format"),
        ('{"text": 1}', "Expected `str`"),
        ('{"text": "t", "messages": [{"role": "user", "content": "q"}]}', "messages and of text"),
        ('{"instruction": "q", "output": "a", "text": "t"}', "alpaca and of text"),
        ('{"messages": [{"role": "doctor", "content": "q"}]}', "unknown role"),
        ('{"messages": [{"role": "user"}]}', "`content` at messages[0]"),
        ('{"messages": [{"role": "user", "content": "q", "tool_calls": [{"id": 1}]}]}', "`tool_calls` at messages[0]"),
        (
            '{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}',
            "something other than text at messages[0].content[0].type",
        ),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "before any question"),
        (
            '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": " "}]}',
            "answer is empty",
        ),
        ('{"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": "a"}]}', "question is empty"),
        ('{"instruction": "q", "output": "a"}', "format is alpaca, and the file began with text in line 1"),
        (b'{"text": "\xff"}', "not UTF-8"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str | bytes, why: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "fine"}\n' + (line.encode() if isinstance(line, str) else line) + b"\n")
    with pytest.raises(InputError, match=r"x\.jsonl, line 2") as caught:
        read_documents([path])
    assert why in str(caught.value)


def test_of_many_broken_lines_the_first_and_the_number_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", {"text": "t"}, *[{"texts": "secret"}] * 10, {"text": 3})
    with pytest.raises(InputError) as caught:
        read_documents([path])
    sentence = str(caught.value)
    assert sentence.startswith("11 of 12 records cannot be used")
    assert "lines 2, 3, 4 and 7 more" in sentence
    assert "line 12: Expected `str`" in sentence
    assert "secret" not in sentence


def test_a_named_format_decides_where_keys_could_mean_two(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", {"instruction": "q", "output": "a", "text": "q a"})
    reading = Reading(answered=True)
    records = list(read_records(sources([str(path)], ["alpaca"]), reading))
    assert [record.document for record in records] == [Document(messages=(Q, A))]
    assert reading.refusal() is None


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp932", "Shift_JIS"), ("euc_jp", "EUC-JP"), ("iso2022_jp", "ISO-2022-JP"), ("utf-16", "UTF-16")],
)
@pytest.mark.parametrize("file", ["x.txt", "x.jsonl", "x.md"])
def test_another_encoding_is_named_with_the_way_out(tmp_path: Path, encoding: str, name: str, file: str) -> None:
    text = "心房細動の患者に抗凝固薬を投与する。\n腎機能を確認してください。\n"
    content = json.dumps({"text": text}, ensure_ascii=False) if file == "x.jsonl" else text
    (tmp_path / file).write_bytes(content.encode(encoding))
    with pytest.raises(InputError, match=f"written in {name}.*iconv -f"):
        read_documents([tmp_path / file])


JAPANESE = "心房細動の患者に抗凝固薬を投与する。"
WESTERN = "The patient’s pain was severe.\nSjögren’s and Ménière’s disease."


@pytest.mark.parametrize(
    ("file", "text", "encoding", "name"),
    [
        ("header.txt", f"ID,TEXT\n{JAPANESE}", "cp932", "Shift_JIS"),
        ("kanji.txt", "ID,TEXT\n心房細動\n脳梗塞", "cp932", "Shift_JIS"),
        ("half-width.txt", "ｶﾝｼﾞｬ: ﾔﾏﾀﾞ\nﾋﾝｹﾂ", "cp932", "Shift_JIS"),
        ("late.txt", "A line of plain English.\n" * 50_000 + JAPANESE, "cp932", "Shift_JIS"),
        ("array.json", json.dumps([{"text": JAPANESE}], ensure_ascii=False, indent=1), "cp932", "Shift_JIS"),
        ("array.json", json.dumps([{"text": JAPANESE}], ensure_ascii=False), "euc_jp", "EUC-JP"),
        ("a mark's name.txt", JAPANESE, "utf-32", "UTF-32"),
        ("no mark.txt", "The patient has fever.\nAnd pain.\n", "utf-16-le", "UTF-16 without a byte order mark"),
        ("no mark.md", f"{JAPANESE}\n2\n", "utf-16-be", "UTF-16 without a byte order mark"),
    ],
)
def test_the_line_that_converts_a_file_does_so_and_keeps_the_original(
    folder: Path, file: str, text: str, encoding: str, name: str
) -> None:
    path = folder / file
    path.write_bytes(text.encode(encoding))
    with pytest.raises(InputError, match=f"is written in {name}, ") as caught:
        read_documents([folder])
    command = str(caught.value).partition("with: ")[2].removesuffix(".")
    subprocess.run(command, shell=True, check=True, cwd="/")
    assert path.read_text("utf-8") == text
    assert Path(f"{path}.old").read_bytes() == text.encode(encoding)
    assert read_documents([folder])


@pytest.mark.parametrize("file", ["x.txt", "x.md", "x.jsonl", "x.json"])
@pytest.mark.parametrize("encoding", ["cp1252", "latin1"])
def test_western_text_is_not_taken_for_japanese(tmp_path: Path, file: str, encoding: str) -> None:
    text = WESTERN if encoding == "cp1252" else WESTERN.replace("’", "'")
    content = json.dumps({"text": text}, ensure_ascii=False)
    content = {"x.jsonl": content, "x.json": f"[{content}]"}.get(file, text)
    (tmp_path / file).write_bytes(content.encode(encoding))
    with pytest.raises(InputError, match="is not UTF-8 text; perhaps Windows-1252"):
        read_documents([tmp_path / file])


@pytest.mark.parametrize("text", ["心房颤动的患者需要抗凝治疗，请检查肾功能。", "больной с одышкой"])
@pytest.mark.parametrize("encoding", ["gbk", "koi8_r"])
def test_an_encoding_that_is_not_known_is_not_guessed(tmp_path: Path, text: str, encoding: str) -> None:
    data = text.encode(encoding, "ignore")
    (tmp_path / "x.md").write_bytes(data)
    if not data.isascii():
        with pytest.raises(InputError, match=r"is not UTF-8 text\.$"):
            read_documents([tmp_path / "x.md"])


def test_a_broken_byte_does_not_make_a_file_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(f"{JAPANESE}\n".encode() * 3 + JAPANESE.encode("cp932") + b"\nfine\0\n")
    with pytest.raises(InputError, match=r"line 4: it is not UTF-8 text; .*line 5: it holds NUL characters"):
        read_documents([path])


def test_a_nul_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"fine\nabc\0def\n")
    with pytest.raises(InputError, match=r"x\.txt, line 2: it holds NUL characters"):
        read_documents([tmp_path / "x.txt"])


def test_all_files_that_cannot_be_read_are_told_at_once_and_the_others_are_read(folder: Path) -> None:
    for name in "abcdef":
        (folder / f"{name}.txt").write_bytes(JAPANESE.encode("cp932"))
    write(folder / "g.jsonl", {"text": "fine"}, {"txt": "not"})
    reading = Reading()
    assert len(list(read_records(sources([str(folder)]), reading))) == 1
    assert reading.faulty == {"unreadable": 6, "malformed": 1}
    sentence = str(reading.refusal()).replace(f"{folder}/", "")
    assert sentence.startswith("6 files cannot be read: a.txt is written in Shift_JIS")
    assert "; nor can b.txt, c.txt, d.txt and 2 more; and g.jsonl, line 2: it has the keys of no" in sentence


def test_the_place_of_a_fault_in_an_array_is_its_record_or_the_line_of_broken_syntax(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"instruction": "q", "output": "a"}, {"instruction": "q"}, {"text": "t"}], indent=1))
    with pytest.raises(InputError, match=r"x\.json, record 2: .*x\.json, record 3: .*began with alpaca in record 1"):
        read_documents([path])
    path.write_text('[\n {"instruction": "q",\n  "output": "a"},\n {"instruction": "q"\n  "output": "a"}\n]')
    with pytest.raises(InputError, match=r"expected ',' or '}' \(line 5\)"):
        read_documents([path])


def test_what_of_a_folder_is_passed_over_is_told(folder: Path) -> None:
    for name in ("a.txt", "b.csv", "c.jsonl.gz", ".hidden.pdf"):
        (folder / name).write_text("text\n")
    assert [source.path.name for source in sources([str(folder)])] == ["a.txt"]
    assert [path.name for path in passed_over([str(folder), str(folder / "a.txt")])] == ["b.csv", "c.jsonl.gz"]


def test_blank_texts_are_left_out_and_counted(folder: Path) -> None:
    (folder / "a.md").write_text(" \n\n")
    write(folder / "b.jsonl", {"text": " "}, {"text": "。"})
    reading = Reading()
    assert [record.document.text for record in read_records(sources([str(folder)]), reading)] == ["。"]
    assert (reading.records, reading.left_out) == (3, {"its text is blank": 2})


@pytest.mark.parametrize(("name", "content"), [("x.csv", b"a"), ("x.txt", b"\xff\xfe"), ("x.txt", b"\n\n")])
def test_files_that_hold_no_documents_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_documents([path])


def test_a_conversation_must_end_with_an_answer(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", {"messages": [{"role": "user", "content": "q"}]})
    with pytest.raises(InputError, match=r"x\.jsonl, line 1: it is no conversation that ends with an answer"):
        read_conversations([path])
