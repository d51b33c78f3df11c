"""`inro-train check-data` and `inro-train sample` from the outside."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_checkpoints import save_tokenizer, tiny_checkpoint, tiny_model
from trainer.cli import main
from trainer.config import MpeftConfig, read_config
from trainer.data.lengths import histogram
from trainer.data.loading import load

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


def test_added_tokens_count_as_one_each(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(folder, asked("Is it hyperkalaemia?", "Hyperkalaemia, yes."))
    word = "hyperkalaemia"
    plain, added = checked(capsys, path), checked(capsys, path, "--set", f"added_tokens=[{word}]")
    assert plain["lengths"]["total"] - added["lengths"]["total"] >= len(word) // 2
    assert main(["sample", path, "--set", f"added_tokens=[{word}]", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"][0]["tokens"] == added["lengths"]["total"]


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
    tiny_checkpoint(folder / "base")
    if recipe == "mfpt":
        values = json.loads(Path(path).read_text())
        del values["max_length"]
        Path(path).write_text(json.dumps(values))
    assert main([recipe, path]) == 1
    assert "medqa 7 (en) in data.jsonl, line 1" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_what_is_asked_during_the_training_must_not_be_in_it_either(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = {"problem_id": 1, "problem_text": QUESTION, "choices": ["Colchicine", "Iron"], "answer": "a"}
    (folder / "items.jsonl").write_text(json.dumps(item) + "\n", "utf-8")
    asking = {"evaluation_task": "jsonl", "evaluation_data": "items.jsonl", "evaluation_language": "en"}
    path = config(folder, asked("q", "a"), asked(QUESTION, "Colchicine"), max_length=256, **asking)
    tiny_checkpoint(folder / "base")
    assert main(["mpeft", path]) == 1
    assert "1 question of a benchmark is in the training data" in capsys.readouterr().err
    assert main(["mpeft", path, "--set", "allow_leakage=true"]) == 0
    card = (folder / "out" / "README.md").read_text("utf-8")
    assert "1 of them are in it, and it was trained on all the same: a score on them says nothing" in card


def test_a_training_whose_data_was_searched_for_nothing_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(folder, asked("q", "a"), max_length=256)
    tiny_checkpoint(folder / "base")
    assert main(["mpeft", path]) == 0
    assert "no question was looked for in the data; set leakage_tasks" in capsys.readouterr().err


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


def test_of_suspicions_that_are_not_shown_the_number_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(folder, asked("田中様と佐藤様の電話は？", "03-1234-5678 と 090-1234-5678 です。"), asked("q", "a"))
    assert main(["check-data", path]) == 0
    printed = capsys.readouterr().out
    assert "suspected in 4 places (name 2, telephone 2); look at them:" in printed
    assert printed.count("data.jsonl, line 1: ") == 2
    assert "\n  and 2 more\n" in printed


def test_the_line_in_a_book_is_named_although_its_lines_were_joined(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filler = "心房細動は最も頻度の高い持続性不整脈であり、脳塞栓\n症の予防が重要である。\n" * 200
    (folder / "book.txt").write_text(f"{filler}\n患者は田中様である。\n{filler}", "utf-8")
    keys = {"data": ["book.txt"], "output": "out", "learning_rate": 1e-4, "base": "nowhere", "block_length": 64}
    (folder / "c.yaml").write_text(json.dumps(keys | {"join_lines": True}), "utf-8")
    report = checked(capsys, "c.yaml")
    assert report["cleaning"]["joined_lines"] == 400
    assert [one["place"] for one in report["personal_first"]] == ["book.txt, line 402"]


def test_what_of_the_benchmarks_was_looked_for_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark = folder / "tasks" / "MedQA" / "medqa_en_4op.jsonl"
    short = {
        "problem_id": "8",
        "problem_text": "Where is the gallbladder?",
        "choices": ["under the liver", "under the spleen"],
    }
    broken = {"problem_id": "9", "problem_text": f"{QUESTION} Why?", "choices": ["x", "y"], "answer": "patient yamada"}
    write(benchmark, json.loads(benchmark.read_text()), short | {"answer": "a"}, broken, {"problem_id": "10"})
    path = config(folder, asked("Where is the gall\u00adbladder?", "Under the spleen."), leakage_tasks="tasks")
    leakage = checked(capsys, path, code=1)["leakage"]
    assert leakage["first"] == ["medqa 8 (en) in data.jsonl, line 1"]
    assert (leakage["searched"], leakage["with_options"]) == (3, 1)
    (task,) = leakage["tasks"]
    assert (task["task"], task["questions"], task["by_text"], task["lost"]) == ("medqa", 3, 1, 1)
    assert main(["check-data", path]) == 1
    printed = capsys.readouterr()
    assert "3 questions were looked for (medqa 3), 1 ARE IN THE DATA" in printed.out
    assert "NOT LOOKED FOR 1 broken record, such as tasks/MedQA/medqa_en_4op.jsonl, line 4" in printed.out
    assert "yamada" not in printed.out + printed.err
    benchmark.write_bytes(benchmark.read_bytes().decode().encode("utf-16"))
    assert main(["check-data", path]) == 2
    assert "the questions of medqa (en) are there but cannot be looked for" in capsys.readouterr().err


def test_nothing_of_a_question_that_cannot_be_used_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    item = {"problem_id": 1, "problem_text": "q?", "choices": ["a", "b"], "answer": "a"}
    wrong = [{"answer": "liver of patient yamada"}, {"points": "yamada"}, {"language": "yamada - at home"}]
    wrong += [{"human_accuracy": "yamada"}, {"choices": "yamada"}, {"kinki": "yamada"}]
    path = config(folder, *[item | one for one in wrong])
    assert main(["check-data", path]) == 2
    assert main(["check-data", path, "--json"]) == 2
    printed = capsys.readouterr()
    assert "its answer names something that is none of a to b" in printed.out
    assert "yamada" not in printed.out + printed.err


def test_a_file_name_in_another_encoding_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "corpus").mkdir()
    name = os.fsdecode("corpus/検査.jsonl".encode("cp932"))
    write(folder / name, asked("q", "a"))
    path = config(folder, data=["corpus"])
    assert checked(capsys, path)["files"][0]["name"] == name
    assert main(["check-data", path]) == 0
    assert "corpus/" in capsys.readouterr().out


def test_every_unusable_record_is_told_and_the_rest_is_checked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(folder, asked("q", "a"), asked("q", ""), {"text": "t"}, {"other": 1})
    report = checked(capsys, path, code=2)
    assert report["faults"] == {"empty": 1, "mixed": 1, "malformed": 1}
    assert report["records"] == 1
    tiny_checkpoint(folder / "base")
    assert main(["mpeft", path]) == 2
    assert "3 of 4 records cannot be used: data.jsonl, line 2" in capsys.readouterr().err


def test_leaks_and_faults_are_both_told_and_the_leak_decides_the_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(folder, asked(QUESTION, "Colchicine"), asked("q", ""), leakage_tasks="tasks")
    assert main(["check-data", path]) == 1
    sentence = capsys.readouterr().err
    assert sentence.startswith("error: 1 question of a benchmark is in the training data")
    assert "data.jsonl, line 2: its answer is empty" in sentence


def test_files_that_cannot_be_read_are_counted_and_those_of_no_known_kind_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "corpus").mkdir()
    for name in ("a.md", "b.md", "c.md"):
        (folder / "corpus" / name).write_bytes("心房細動の患者に抗凝固薬を投与する。".encode("cp932"))
    for name in ("d.csv", "e.pdf"):
        (folder / "corpus" / name).touch()
    write(folder / "corpus" / "f.jsonl", {"text": "Atrial fibrillation."})
    keys = {"data": ["corpus"], "output": "out", "learning_rate": 1e-4, "base": "base", "block_length": 64}
    (folder / "c.yaml").write_text(json.dumps(keys), "utf-8")
    report = checked(capsys, "c.yaml", code=2)
    assert (report["records"], report["faults"]) == (1, {"unreadable": 3})
    assert report["faults_first"][2].startswith("corpus/c.md is written in Shift_JIS")
    (note,) = [warning for warning in report["warnings"] if "passed over" in warning]
    assert note.startswith("2 files in folders")
    assert note.endswith("corpus/d.csv, corpus/e.pdf")


def test_the_record_counts_files_that_were_passed_over(folder: Path) -> None:
    (folder / "corpus").mkdir()
    (folder / "corpus" / "a.csv").touch()
    write(folder / "corpus" / "b.jsonl", asked("q", "a"))
    data = load(read_config(Path(config(folder, data=["corpus"])), MpeftConfig))
    assert (len(data.records), data.counts) == (1, {"files_passed_over": 1})


@pytest.mark.parametrize("command", ["check-data", "sample", "plan"])
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer.json", "{}"),
        ("tokenizer.json", "no"),
        ("tokenizer.json", '{"version": "1.0", "added_tokens": [], "model": {"type": "none"}}'),
        ("tokenizer_config.json", "[1]"),
    ],
)
def test_a_tokenizer_of_another_shape_is_refused_in_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, file: str, content: str
) -> None:
    tiny_model().config.save_pretrained(folder / "base")
    (folder / "base" / file).write_text(content)
    path = config(folder, asked("q", "a"))
    assert main([command, path]) == 2
    assert "error: base cannot be loaded (" in capsys.readouterr().err


def test_of_a_base_without_a_tokenizer_nothing_is_said_in_tokens(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model().config.save_pretrained(folder / "bare")
    path = config(folder, asked("What causes anaemia?", "A lack of iron."), base="bare")
    assert checked(capsys, path)["lengths"]["unit"] == "characters"
    assert main(["sample", path]) == 2
    assert "bare" in capsys.readouterr().err


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
