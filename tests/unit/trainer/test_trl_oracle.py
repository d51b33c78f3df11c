"""The losses of TRL's SFTTrainer, step by step, with the same data, model and settings. trl is no dependency: where it
is not installed, this is skipped."""

from __future__ import annotations

import importlib
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.tiny_checkpoints import tiny_model
from tests.tiny_tokenizers import save_byte_level
from trainer.batches import Padded, packed_rows, padding_of, rows_of
from trainer.labels import Labeller
from trainer.loss import learn_from_labels_only

pytest.importorskip("trl", reason="trl, which these losses are compared with, is not installed")
trl: Any = importlib.import_module("trl")
datasets: Any = importlib.import_module("datasets")

MAX_LENGTH = 96
TEMPLATE = (  # ends with the end of a turn: trl would learn a line break behind it too
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tokenizer")
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    save_byte_level(folder, special=special, eos="<|im_end|>", template=TEMPLATE)
    tokenizer: Any = transformers.PreTrainedTokenizerFast.from_pretrained(str(folder))
    tokenizer.pad_token = "<|endoftext|>"
    return tokenizer


def conversations() -> list[list[dict[str, str]]]:
    chooser = random.Random(0)
    words = ["貧血", "the heart", "尿酸", "治療", "anaemia", "iron", "は何ですか", "心房細動"]
    return [
        [
            {"role": "user", "content": " ".join(chooser.choices(words, k=chooser.randint(1, 8)))},
            {"role": "assistant", "content": " ".join(chooser.choices(words, k=chooser.randint(1, 8)))},
        ]
        for _ in range(18)
    ]


def settings(folder: Path, batches: int) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": batches,
        "learning_rate": 3e-3,
        "num_train_epochs": 3,
        "train_sampling_strategy": "sequential",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": False,
        "seed": 3,
    }


def losses(trainer: Any) -> list[float]:
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def model() -> Any:
    return tiny_model(vocab_size=2048)


@pytest.mark.parametrize("packing", [False, True])
def test_the_losses_are_those_of_sfttrainer(tmp_path: Path, tokenizer: Any, packing: bool) -> None:
    torch.set_num_threads(1)
    # Which rows documents are packed into is free to each; a step that learns from all of them has one loss.
    batches = 9 if packing else 3
    data = [{"prompt": one[:1], "completion": one[1:]} for one in conversations()]
    own = settings(tmp_path, batches)
    config = trl.SFTConfig(**own, max_length=MAX_LENGTH, packing=packing, activation_checkpointing=False)
    theirs = losses(
        trl.SFTTrainer(
            model=model(), args=config, train_dataset=datasets.Dataset.from_list(data), processing_class=tokenizer
        )
    )

    labeller = Labeller(tokenizer, MAX_LENGTH)
    examples = [example for one in conversations() for example in labeller(one).examples]
    ours = model()
    learn_from_labels_only(ours)
    found = losses(
        transformers.Trainer(
            model=ours,
            args=transformers.TrainingArguments(**own, remove_unused_columns=False),
            train_dataset=packed_rows(examples, MAX_LENGTH) if packing else rows_of(examples),
            data_collator=Padded(padding_of(tokenizer)),
        )
    )

    assert len(found) == (3 if packing else 9)
    assert found == pytest.approx(theirs, rel=2e-5)
    assert found[-1] < found[0]
