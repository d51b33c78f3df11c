from __future__ import annotations

from pathlib import Path

import pytest

from app.core.errors import CheckRefused, InputError
from trainer.documents import Document, Message
from trainer.leakage import HeldOut, check_leakage, read_held_out

HELD_OUT = [
    HeldOut("gout/en", "In gout, which crystals are deposited?"),
    HeldOut("gout/ja", "痛風の結晶はどれですか？"),
]


@pytest.mark.parametrize(
    "passage",
    [
        "In gout, which crystals are deposited?",
        "Question: in GOUT which crystals   are deposited - please answer",
        "医学の質問です。痛風の結晶は、どれですか。\n尿酸です。",
    ],
)
def test_a_held_out_question_is_found_however_it_is_written(passage: str) -> None:
    safe = Document(text="Which crystals cause gout?")
    with pytest.raises(CheckRefused, match="record 2"):
        check_leakage([safe, Document(text=passage)], HELD_OUT)
    with pytest.raises(CheckRefused, match="record 2"):
        check_leakage([safe, Document(messages=(Message("user", passage), Message("assistant", "-")))], HELD_OUT)


def test_other_wordings_pass() -> None:
    check_leakage([Document(text="Which crystals cause gout?"), Document(text="痛風の結晶は何ですか？")], HELD_OUT)


@pytest.mark.parametrize("line", ["{}", '{"id": "a", "question": "？"}', "question"])
def test_a_held_out_file_that_would_check_nothing_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "held.jsonl"
    path.write_text('{"id": "a", "question": "fine"}\n' + line + "\n", "utf-8")
    with pytest.raises(InputError, match="line 2"):
        read_held_out([path])
