"""What is measured during a training: it changes nothing of it, and it is what the evaluation would measure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core.engine.protocol import Turn
from evaluation.runs.request import Request, prepare
from tests.tiny_checkpoints import tiny_checkpoint
from trainer.cli import main
from trainer.records import RunRecord, read_record

ITEMS = [
    {
        "problem_id": f"i{number}",
        "problem_text": f"Which letter follows from {word}?",
        "choices": [f"{word} {name}" for name in ("one", "two", "three", "four", "five")],
        "answer": ["abcde"[(3 * number) % 5]],
        "language": "en",
    }
    for number, word in enumerate(("iron", "gold", "lead", "zinc", "tin", "salt", "lime", "chalk", "clay", "sand"))
]
TRAINING: dict[str, Any] = {
    "data": ["items.jsonl"],
    "base": "base",
    "rank": 8,
    "alpha": 16,
    "dropout": 0.2,
    "max_length": 256,
    "batch_size": 5,
    "learning_rate": 0.02,
    "epochs": 2,
    "seed": 3,
    "log_every": 1,
    "tensorboard": False,
}
ASKED = {
    "evaluation_task": "jsonl",
    "evaluation_data": "items.jsonl",
    "evaluation_language": "en",
    "evaluation_items": 100,
}


@pytest.fixture(scope="module", autouse=True)
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A base and questions, in the current folder."""
    import torch

    folder = tmp_path_factory.mktemp("watching")
    tiny_checkpoint(folder / "base", num_hidden_layers=1, hidden_size=32, intermediate_size=64)
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in ITEMS), "utf-8")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # nothing so small is faster with more
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder
    torch.set_num_threads(threads)


def trained(name: str, **changes: Any) -> RunRecord:
    values = {**TRAINING, "allow_leakage": True, "output": name, **changes}
    Path(f"{name}.yaml").write_text(json.dumps(values), "utf-8")
    assert main(["mpeft", f"{name}.yaml"]) == 0
    return read_record(Path(name))


def weights(name: str) -> bytes:
    return (Path(name) / "adapter_model.safetensors").read_bytes()


def test_evaluating_changes_nothing_of_the_training() -> None:
    alone = trained("alone")
    watched = trained("watched", **ASKED, evaluate_every=1)
    assert [one.step for one in watched.evaluation] == [0, 1, 2, 3, 4]
    assert alone.losses == watched.losses
    assert weights("alone") == weights("watched")


def test_the_output_has_the_weights_of_the_lowest_validation_loss() -> None:
    constant = {"validation_share": 0.3, "learning_rate": 0.05, "schedule": "constant_with_warmup", "warmup": 0}
    rarely = trained("rarely", **constant, epochs=2)
    often = trained("often", **constant, epochs=50, evaluate_every=1, early_stopping=3)
    assert rarely.losses == often.losses[: len(rarely.losses)], "measuring the loss changes nothing of the training"
    assert {one.step for one in rarely.validation} == {0, 2, 4}
    assert set(rarely.validation) <= set(often.validation)

    best = min((one for one in often.validation if one.step), key=lambda one: one.loss)
    assert often.stopped_early
    assert often.best_step == best.step == often.counts["steps"] - 3
    assert mean_loss_of_held_back("often") == pytest.approx(best.loss, abs=1e-5)
    assert mean_loss_of_held_back("often/last") == pytest.approx(often.validation[-1].loss, abs=1e-5)
    lines = [json.loads(line) for line in Path("often/training/losses.jsonl").read_text("utf-8").splitlines()]
    assert [line["loss"] for line in lines if line["kind"] == "validation"] == [one.loss for one in often.validation]


def mean_loss_of_held_back(adapter: str) -> float:
    """Over the tokens of the answers of what was held back, one at a time and by transformers' own loss."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from trainer.config import MpeftConfig, read_config
    from trainer.data.documents import as_messages
    from trainer.data.loading import load
    from trainer.labels import Labeller
    from trainer.running.holding_back import hold_back

    config = read_config(Path("often.yaml"), MpeftConfig)
    records = load(config).records
    _, held_back = hold_back(records, config.validation_share, config.seed, content=lambda one: one.document)
    tokenizer = AutoTokenizer.from_pretrained("base")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("base", dtype=torch.float32), adapter)
    model.eval()
    total, tokens = 0.0, 0
    for record in held_back:
        for example in Labeller(tokenizer, config.max_length)(as_messages(record.document)).examples:
            labels = torch.tensor([example.labels])
            learned = int((labels[:, 1:] != -100).sum())
            with torch.no_grad():
                loss = model(input_ids=torch.tensor([example.input_ids]), labels=labels).loss
            total, tokens = total + float(loss) * learned, tokens + learned
    return total / tokens


def test_the_accuracy_is_that_of_the_letters_after_the_evaluations_prompt() -> None:
    """Items are learned from chance to all right; every question is asked again here, one letter at a time."""
    record = trained("learned", **ASKED, epochs=40, dropout=0.0, learning_rate=0.01, schedule="constant_with_warmup")
    first, last = record.evaluation[0], record.evaluation[-1]
    assert (first.task, first.language, first.n) == ("jsonl", "en", len(ITEMS))
    assert first.correct == right_answers(None)
    assert last.correct == right_answers("learned")
    assert first.accuracy <= 0.5 < 0.95 <= last.accuracy
    assert last.interval_95[0] < last.accuracy <= last.interval_95[1]


def right_answers(adapter: str | None) -> int:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    asked = prepare(Request("jsonl", Path("items.jsonl"), "en", "letter"))
    tokenizer = AutoTokenizer.from_pretrained("base")
    model = AutoModelForCausalLM.from_pretrained("base", dtype=torch.float32)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter)
    model.eval()
    right = 0
    for item in asked.items:
        turns = [turn for turn in asked.wording.prompt(item).messages if isinstance(turn, Turn)]
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        scores = []
        for letter in asked.wording.candidates(item):
            tokens = tokenizer(prompt + letter, add_special_tokens=False, return_tensors="pt")["input_ids"]
            with torch.no_grad():
                logits = model(input_ids=tokens).logits
            scores.append(float(logits[0, -2].log_softmax(-1)[tokens[0, -1]]))
        right += scores.index(max(scores)) in item.answers
    return right


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({**ASKED, "evaluation_data": "nowhere"}, "nowhere"),
        ({**ASKED, "evaluation_task": "jsonl2"}, "There is no task 'jsonl2'"),
        ({"validation_share": 0.5, "data": ["one.jsonl"]}, "too few to hold back"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is_computed(
    changes: dict[str, Any], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("one.jsonl").write_text(json.dumps(ITEMS[0]) + "\n", "utf-8")
    values = {**TRAINING, "allow_leakage": True, "output": "none", **changes}
    Path("none.yaml").write_text(json.dumps(values), "utf-8")
    assert main(["mpeft", "none.yaml"]) == 2
    assert sentence in capsys.readouterr().err
    assert not Path("none").exists()
    assert not Path("none.unfinished").exists()
