from __future__ import annotations

from pathlib import Path

import pytest

from app.core.errors import InputError
from trainer.documents import Document, Message, read_conversations, read_documents


def test_text_and_conversations_are_read_line_by_line(tmp_path: Path) -> None:
    plain, records = tmp_path / "a.txt", tmp_path / "b.jsonl"
    plain.write_bytes("一行目\r\n\nsecond\n".encode())
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
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"text": 1}',
        '{"text": "t", "messages": [{"role": "user", "content": "q"}]}',
        '{"messages": [{"role": "doctor", "content": "q"}]}',
        '{"messages": [{"role": "user"}]}',
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(InputError, match=r"x\.jsonl, line 2"):
        read_documents([path])


@pytest.mark.parametrize(("name", "content"), [("x.csv", b"a"), ("x.txt", b"\xff\xfe"), ("x.txt", b"\n\n")])
def test_files_that_hold_no_documents_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_documents([path])


def test_a_conversation_must_end_with_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "q"}]}\n')
    with pytest.raises(InputError, match="record 1"):
        read_conversations([path])
