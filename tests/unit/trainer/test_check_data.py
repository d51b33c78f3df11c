"""`inro-train check-data` and `inro-train sample` from the outside."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_checkpoints import save_tokenizer
from trainer.cli import main
from trainer.data.lengths import histogram

QUESTION = (
    "A 45-year-old man comes to the physician because of pain and swelling of his right big toe since last night; "
    "aspiration of the joint shows needle-shaped crystals. Which of the following is the best initial treatment?"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the tokenizer of a base and a folder of benchmarks."""
    work = tmp_path / "work"
    (work / "base").mkdir(parents=True)
    save_tokenizer(work / "base")
    (work / "tasks" / "MedQA").mkdir(parents=True)
    record = {"problem_id": "7", "problem_text": QUESTION, "choices": ["Colchicine", "Insulin"], "answer": ["a"]}
    write(work / "tasks" / "MedQA" / "medqa_en_4op.jsonl", record)
    monkeypatch.chdir(work)
    return work


def write(path: Path, *records: Any) -> str:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return str(path)


def asked(question: str, answer: str) -> dict[str, str]:
    return {"instruction": question, "input": "", "output": answer}


def config(folder: Path, *records: Any, **keys: Any) -> str:
    """A configuration of mpeft on these records, unless `keys` say otherwise."""
    write(folder / "data.jsonl", *records)
    values = {"data": ["data.jsonl"], "base": "base", "output": "out", "learning_rate": 1e-4, "max_length": 64}
    (folder / "c.yaml").write_text(json.dumps(values | keys), "utf-8")
    return "c.yaml"


def checked(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["check-data", *arguments, "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    assert isinstance(report, dict)
    return report


def test_it_says_what_is_in_the_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(
        folder,
        asked("What causes anaemia?", "A lack of iron."),
        asked("what  causes anaemia?", "A lack of iron."),
        asked("What causes anaemia?", "A lack of vitamin B12."),
        asked("貧血の原因は何ですか。", "鉄の欠乏です。"),
        asked("治療は？", "長い答えです。" * 20),
    )
    report = checked(capsys, path)
    assert report["files"] == [{"name": "data.jsonl", "formats": {"alpaca": 5}}]
    assert (report["records"], report["kept"], report["epoch"]) == (5, 5, 5)
    assert {name: share["records"] for name, share in report["languages"].items()} == {"ja": 2, "en": 3}
    assert report["duplicates_first"] == [{"place": "data.jsonl, line 2", "earlier": "data.jsonl, line 1"}]
    assert report["contradictory_first"] == [{"place": "data.jsonl, line 3", "earlier": "data.jsonl, line 1"}]
    lengths = report["lengths"]
    assert (lengths["unit"], lengths["longer"], lengths["without_answer"], lengths["refused"]) == ("tokens", 1, 1, 0)
    assert sum(bar["records"] for bar in lengths["histogram"]) == 5
    assert report["leakage"] is None


def test_lengths_and_truncation_are_those_of_the_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import AutoTokenizer

    from trainer.labels import Labeller

    turns = [turn for number in range(4) for turn in (("user", f"question {number}"), ("assistant", "the answer"))]
    messages = [{"role": role, "content": content} for role, content in turns]
    long = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a" * 500}]
    path = config(folder, {"messages": messages}, {"messages": long})
    tokenizer = AutoTokenizer.from_pretrained(folder / "base")
    whole = [Labeller(tokenizer, 10_000)(one).examples[0].input_ids for one in (messages, long)]
    report = checked(capsys, path)
    assert 0 < Labeller(tokenizer, 64)(messages).left_out < 4
    assert report["lengths"]["total"] == sum(map(len, whole))
    assert (report["lengths"]["longer"], report["lengths"]["without_answer"]) == (2, 1)


def test_a_benchmarks_question_in_the_data_is_refused_and_can_be_allowed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(folder, asked("q", "a"), asked(QUESTION, "Colchicine"), leakage_tasks="tasks")
    report = checked(capsys, path, code=1)
    assert report["leakage"]["first"] == ["medqa 7 (en) in data.jsonl, line 2"]
    assert main(["check-data", path]) == 1
    printed = capsys.readouterr()
    assert "1 ARE IN THE DATA" in printed.out
    assert "allow_leakage" in printed.err
    allowed = checked(capsys, path, "--set", "allow_leakage=true")
    assert allowed["leakage"]["benchmarks"] == 1


@pytest.mark.parametrize("recipe", ["mpeft", "mfpt"])
def test_a_recipe_refuses_it_before_anything_is_loaded(
    folder: Path, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {"leakage_tasks": "tasks"} | ({} if recipe == "mpeft" else {"block_length": 64})
    path = config(folder, asked(QUESTION, "Colchicine"), **keys)
    if recipe == "mfpt":
        values = json.loads(Path(path).read_text())
        del values["max_length"]
        Path(path).write_text(json.dumps(values))
    assert main([recipe, path]) == 1
    assert "medqa 7 (en) in data.jsonl, line 1" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_personal_information_is_named_by_line_and_never_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(folder, asked("q", "a"), asked("田中様の電話は？", "03-1234-5678 です。"))
    for arguments in ([path], [path, "--json"]):
        assert main(["check-data", *arguments]) == 0
        printed = capsys.readouterr()
        assert "田中" not in printed.out + printed.err
        assert "1234" not in printed.out + printed.err
        assert "●●様" in printed.out
        assert "data.jsonl, line 2" in printed.out


def test_every_unusable_record_is_told_and_the_rest_is_checked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(folder, asked("q", "a"), asked("q", ""), {"text": "t"}, {"other": 1})
    report = checked(capsys, path, code=2)
    assert report["faults"] == {"empty": 1, "mixed": 1, "malformed": 1}
    assert report["records"] == 1
    assert main(["mpeft", path]) == 2
    assert "3 of 4 records cannot be used: data.jsonl, line 2" in capsys.readouterr().err


def test_a_conversation_that_the_template_refuses_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = "{% for m in messages %}{% if '!' in m.content %}{{ raise_exception('no marks') }}{% endif %}"
    template += "<|im_start|>{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>{% endif %}"
    save_tokenizer(folder / "base", template=template)
    path = config(folder, asked("q", "a"), asked("q!", "a"))
    report = checked(capsys, path, code=2)
    assert report["lengths"]["refused"] == 1
    assert report["lengths"]["refused_first"].startswith("data.jsonl, line 2: ")


def test_the_steps_of_cleaning_a_corpus_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "book.txt").write_text(
        "心房細動は最も頻度の高い持続性不整脈であり、脳塞栓\n症の予防が重要である。\n", "utf-8"
    )
    (folder / "copy.txt").write_text(
        "心房細動は最も頻度の高い持続性不整脈であり、脳塞栓症の予防が重要である。", "utf-8"
    )
    (folder / "short.txt").write_text("短い。", "utf-8")
    keys = {"data": ["book.txt", "copy.txt", "short.txt"], "output": "out", "learning_rate": 1e-4, "base": "nowhere"}
    keys |= {"join_lines": True, "normalise": True, "deduplicate": "near", "min_characters": 5, "block_length": 64}
    (folder / "c.yaml").write_text(json.dumps(keys), "utf-8")
    report = checked(capsys, "c.yaml")
    assert report["cleaning"] == {"joined_lines": 1, "too_short": 1, "exact_duplicates": 1}
    assert (report["records"], report["kept"]) == (3, 1)
    assert report["lengths"]["unit"] == "characters"
    assert any("nowhere is not here" in warning for warning in report["warnings"])


def test_weights_and_balancing_decide_what_an_epoch_reads(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "ja.jsonl", *[asked(f"質問{number}は何ですか。", "答えです。") for number in range(4)])
    english = [asked(f"What is number {number}?", "It is this.") for number in range(10)]
    path = config(folder, *english, data=["data.jsonl", "ja.jsonl"])
    assert checked(capsys, path, "--set", "weights=[1, 2]")["epoch"] == 18
    balanced = checked(capsys, path, "--set", "balance_languages=true")
    assert balanced["epoch"] == 20
    assert balanced["repeated"] == {"ja": 2.5, "en": 1.0}
    assert checked(capsys, config(folder, *english), "--set", "balance_languages=true", code=2)["epoch"] == 10


def test_a_histogram_has_an_edge_at_the_limit_and_counts_everything_once() -> None:
    lengths = [1, 31, 32, 100, 1000, 1024, 1025, 5000]
    bars = histogram(sorted(lengths), 1000)
    assert sum(bar.records for bar in bars) == len(lengths)
    assert [bar.records for bar in bars if bar.first > 1000] == [2, 0, 1]
    assert all(before.last + 1 == bar.first for before, bar in pairwise(bars))
    assert histogram([7], None)[0].records == 1
    assert histogram([], 10) == ()


def test_a_sample_shows_what_is_learned_and_the_seed_decides_which(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [asked(f"question {number}", f"answer {number}") for number in range(50)]
    path = config(folder, *records)
    assert main(["sample", path, "-n", "2", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["samples"]
    assert len(shown) == 2
    for sample in shown:
        number = sample["line"] - 1
        read, learned, *rest = sample["sequences"][0]
        assert read["text"] == f"<|im_start|>user\nquestion {number}<|im_end|>\n<|im_start|>assistant\n"
        assert (learned["text"], learned["learned"]) == (f"answer {number}<|im_end|>", True)
        assert sample["learned_tokens"] == learned["tokens"]
        assert sample["tokens"] == sum(stretch["tokens"] for stretch in (read, learned, *rest))
    assert main(["sample", path, "-n", "2"]) == 0
    text = capsys.readouterr().out
    assert all(f"⟦answer {sample['line'] - 1}<|im_end|>⟧" in text for sample in shown)
    assert main(["sample", path, "-n", "2", "--json", "--set", "seed=5"]) == 0
    other = json.loads(capsys.readouterr().out)["samples"]
    assert [sample["line"] for sample in other] != [sample["line"] for sample in shown]


def test_a_sample_of_a_corpus_is_learned_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = {"data": ["data.jsonl"], "output": "out", "learning_rate": 1e-4, "base": "base", "block_length": 64}
    write(folder / "data.jsonl", {"text": "the treatment <|im_end|> of anaemia"})
    (folder / "c.yaml").write_text(json.dumps(keys), "utf-8")
    assert main(["sample", "c.yaml", "--json"]) == 0
    (sample,) = json.loads(capsys.readouterr().out)["samples"]
    ((stretch,),) = sample["sequences"]
    assert stretch["text"].startswith("the treatment <|im_end|> of anaemia<|")
    assert sample["tokens"] == sample["learned_tokens"] > 12  # the mark in the text is no token of its own
