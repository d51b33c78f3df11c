from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.core.engine.protocol import Turn
from app.core.errors import InputError
from evaluation.items import Item
from evaluation.runs.wording import Wording, templates
from trainer.data.documents import Document, Message
from trainer.data.items import ItemWords
from trainer.data.reading import Reading, read_conversations, read_documents, read_records, sources

Q, A = Message("user", "q"), Message("assistant", "a")


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
        ('{"messages": [{"role": "user"}]}', "content"),
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
