"""What the two steps of training are for, on a tiny Qwen2 and with the project's own commands from data to score: the
first teaches the subject, the second to answer questions on it, and both hold in the file that ships."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.integration.installed import run, run_json, write_yaml
from trainer.records import read_record

SIGNS = {
    "measles": "Koplik spots", "gout": "urate crystals", "scurvy": "a lack of vitamin C", "myasthenia gravis": "ptosis",
    "anaphylaxis": "adrenaline", "tetanus": "trismus", "cholera": "rice-water stools", "malaria": "periodic fever",
    "rickets": "bowed legs", "pellagra": "dermatitis", "glaucoma": "raised eye pressure", "asthma": "wheezing",
    "cirrhosis": "ascites", "mumps": "parotid swelling", "rubella": "swollen nodes behind the ear",
    "syphilis": "a painless chancre", "pneumothorax": "absent breath sounds", "meningitis": "neck stiffness",
    "hypothyroidism": "myxoedema", "acromegaly": "large hands",
}  # fmt: skip
STATEMENTS = (
    "{disease} is known for {sign}.",
    "A patient with {disease} shows {sign}.",
    "When you see {sign}, think of {disease}.",
    "{sign}: a sign of {disease}.",
    "Typical of {disease}: {sign}.",
    "The textbook says that {disease} comes with {sign}.",
)
TRAINED, SECOND = "Which disease is known for {sign}?", "Given {sign}, which of these is the diagnosis?"
LETTERS = "abcde"

MFPT = {
    "vocabulary_size": 500,
    "hidden_size": 96,
    "layers": 2,
    "heads": 4,
    "kv_heads": 2,
    "intermediate_size": 288,
    "context_length": 256,
    "block_length": 64,
    "batch_size": 8,
    "epochs": 15,
    "learning_rate": 5e-3,
    "validation_share": 0.15,
    "seed": 1,
}
MPEFT = {
    "rank": 32,
    "alpha": 64,
    "max_length": 256,
    "batch_size": 10,
    "epochs": 40,
    "learning_rate": 5e-3,
    "seed": 2,
}


def question(number: int, wording: str) -> dict[str, Any]:
    """A five-choice item in the evaluation's own layout; the right option is at each place equally often."""
    diseases = list(SIGNS)
    disease, place = diseases[number], number % 5
    others = random.Random(number).sample([other for other in diseases if other != disease], 4)
    return {
        "problem_id": f"q{number}",
        "problem_text": wording.format(sign=SIGNS[disease]),
        "choices": [*others[:place], disease, *others[place:]],
        "answer": [LETTERS[place]],
    }


def write_lines(path: Path, lines: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, a checkpoint and an adapter, made with the commands."""
    folder = tmp_path_factory.mktemp("both steps")
    corpus: list[dict[str, Any]] = [
        {"text": statement.format(disease=disease, sign=sign)}
        for disease, sign in SIGNS.items()
        for statement in STATEMENTS
    ]
    # A base that is tuned later knows how a conversation is written, as Qwen2-7B-Instruct does.
    corpus += [
        {"messages": [{"role": "user", "content": f"{word} {letter}"}, {"role": "assistant", "content": letter}]}
        for letter in LETTERS
        for word in ("Say", "Repeat:", "Answer with", "The letter is", "Write", "Choose", "Name the letter", "Give me")
    ]
    random.Random(0).shuffle(corpus)
    items = {name: [question(number, name) for number in range(len(SIGNS))] for name in (TRAINED, SECOND)}
    held_out = [{"id": one["problem_id"], "question": one["problem_text"]} for one in items[SECOND]]
    common = {"held_out": [write_lines(folder / "held_out.jsonl", held_out)], "tensorboard": False}
    data = {
        "mfpt": write_lines(folder / "corpus.jsonl", corpus),
        "mpeft": write_lines(folder / "trained.jsonl", items[TRAINED]),
    }
    write_lines(folder / "second.jsonl", items[SECOND])
    base, adapter = str(folder / "base"), str(folder / "adapter")
    mfpt = {**MFPT, **common, "data": [data["mfpt"]], "output": base}
    mpeft = {**MPEFT, **common, "data": [data["mpeft"]], "base": base, "output": adapter}
    run("inro-train", "mfpt", write_yaml(folder / "mfpt.yaml", mfpt))
    run("inro-train", "mpeft", write_yaml(folder / "mpeft.yaml", mpeft))
    return folder


def score(folder: Path, model: Path, questions: str) -> int:
    """Right answers of twenty, by the probabilities of the letters."""
    result = run_json(
        "inro-eval", "run", "--model", str(model), "--task", "jsonl", "--data", str(folder / questions), "--lang", "en",
        "--how", "letter", "--threads", "1", "-o", str(folder / f"{model.stem} {questions}"),
    )  # fmt: skip
    assert result["score"]["n"] == len(SIGNS)
    return int(result["score"]["correct"])


def test_the_first_step_lowers_the_perplexity_of_text_that_was_held_back(folder: Path) -> None:
    record = read_record(folder / "base")
    losses = [entry.loss for entry in record.validation]
    assert record.counts["documents_held_back"] >= 20
    assert min(losses) < losses[0] / 3


def test_the_second_step_lifts_trained_questions_from_chance_to_nearly_all_and_second_wordings_with_them(
    folder: Path,
) -> None:
    before, after = folder / "before.gguf", folder / "after.gguf"
    run("inro-convert", str(folder / "base"), "--quant", "Q8_0", "-o", str(before))
    run("inro-convert", str(folder / "base"), "--adapter", str(folder / "adapter"), "--quant", "Q8_0", "-o", str(after))
    chance = len(SIGNS) / 5
    assert score(folder, before, "trained.jsonl") < 2 * chance
    assert score(folder, after, "trained.jsonl") >= 0.95 * len(SIGNS)
    second_before, second_after = (score(folder, model, "second.jsonl") for model in (before, after))
    assert second_before < 2 * chance
    assert second_after >= second_before + chance
