from __future__ import annotations

import logging
import random
from pathlib import Path
from types import MethodType
from typing import Any

import peft
import pytest
import torch
import transformers

from tests.tiny_checkpoints import FAMILIES, tiny_checkpoint, tiny_model
from trainer import loss
from trainer.base import load_frozen, ready_for_training
from trainer.batches import Padded, packed_rows, rows_of
from trainer.config import MpeftConfig
from trainer.labels import IGNORED, Example
from trainer.loss import learn_from_labels_only


@pytest.fixture(scope="module", autouse=True)
def _one_thread_for_torch() -> None:
    torch.set_num_threads(1)


def examples(count: int, seed: int = 0) -> list[Example]:
    """Of unequal lengths, with unequal shares that are learned, one of them not at all."""
    chooser = random.Random(seed)
    found = []
    for number in range(count):
        length = chooser.randint(4, 40)
        tokens = [chooser.randrange(3, 380) for _ in range(length)]
        asked = length if number == 2 else chooser.randint(1, length - 1)
        found.append(Example(tokens, [*[IGNORED] * asked, *tokens[asked:]]))
    return found


def with_lora(model: Any, **settings: Any) -> Any:
    torch.manual_seed(1)
    values = {"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **settings}
    return peft.get_peft_model(model, peft.LoraConfig(**values))


def losses(model: Any, folder: Path, *, packing: bool = False) -> list[float]:
    """Those of each step of a short training with transformers' Trainer."""
    data = packed_rows(examples(18), 64) if packing else rows_of(examples(18))
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=3,
        learning_rate=3e-3,
        num_train_epochs=2,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=True,
        seed=3,
    )
    trainer = transformers.Trainer(model=model, args=arguments, train_dataset=data, data_collator=Padded(0))
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def gradients(model: Any, batch: dict[str, Any]) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    found = model(**batch, num_items_in_batch=37).loss
    found.backward()
    return float(found), {
        name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None
    }


@pytest.mark.parametrize(("kind", "packing"), [("Qwen2", False), ("Gemma2", False), ("LoRA", True)])
def test_a_training_has_the_losses_of_the_stock_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, packing: bool
) -> None:
    monkeypatch.setattr(loss, "LARGEST_PART", 384 * 16)
    family = "Qwen2" if kind == "LoRA" else kind
    stock, ours = tiny_model(family=family), tiny_model(family=family)
    assert learn_from_labels_only(ours) is None
    if kind == "LoRA":
        stock, ours = with_lora(stock), with_lora(ours)

    wanted, found = losses(stock, tmp_path, packing=packing), losses(ours, tmp_path, packing=packing)

    assert len(found) >= 3
    assert found[-1] < found[0]
    assert found == pytest.approx(wanted, rel=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("part", [1, 7, 10_000])
def test_the_gradients_are_those_of_the_stock_loss(monkeypatch: pytest.MonkeyPatch, family: str, part: int) -> None:
    monkeypatch.setattr(loss, "LARGEST_PART", 384 * part)
    model = tiny_model(family=family).train()
    batch = Padded(0)(rows_of(examples(4)))
    wanted, stock = gradients(model, batch)
    assert learn_from_labels_only(model) is None

    found, ours = gradients(model, batch)

    assert found == pytest.approx(wanted, rel=1e-5)
    assert ours.keys() == stock.keys()
    assert all(torch.allclose(ours[name], stock[name], atol=1e-5) for name in stock)


def test_logits_are_computed_where_something_is_learned_and_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "LARGEST_PART", 384 * 8)
    model = tiny_model()
    learn_from_labels_only(model)
    rows: list[int] = []
    model.lm_head.register_forward_hook(lambda _module, _inputs, output: rows.append(output.numel() // 384))
    batch = Padded(0)(rows_of(examples(4)))

    output = model(**batch)

    learned = int((batch["labels"][:, 1:] != IGNORED).sum())
    assert sum(rows) == learned < batch["labels"].numel() / 2
    assert max(rows) <= 8
    assert output.logits is None


def test_a_batch_in_which_nothing_is_learned_changes_nothing() -> None:
    model = tiny_model()
    learn_from_labels_only(model)
    found, changes = gradients(model, Padded(0)(rows_of([Example([5, 6, 7], [IGNORED] * 3)])))
    assert found == 0.0
    assert not any(change.any() for change in changes.values())


def test_without_labels_the_model_is_what_it_was() -> None:
    model, stock = tiny_model().eval(), tiny_model().eval()
    learn_from_labels_only(model)
    tokens = torch.arange(5, 15)[None]
    assert torch.equal(model(tokens).logits, stock(tokens).logits)
    assert model.generate(tokens, max_new_tokens=4).tolist() == stock.generate(tokens, max_new_tokens=4).tolist()


@pytest.mark.parametrize(
    "settings", [{"modules_to_save": ["embed_tokens", "lm_head"]}, {"target_modules": ["lm_head", "q_proj"]}]
)
def test_a_head_that_an_adapter_changes_is_the_one_that_is_learned_with(settings: dict[str, Any]) -> None:
    stock, ours = tiny_model(), tiny_model()
    learn_from_labels_only(ours)
    models = [with_lora(model, **settings) for model in (stock, ours)]
    for model in models:
        torch.manual_seed(2)
        for weight in model.parameters():
            if weight.requires_grad:
                weight.data += torch.randn_like(weight) * 0.1
    batch = Padded(0)(rows_of(examples(4)))
    (wanted, theirs), (found, own) = (gradients(model, batch) for model in models)
    assert found == pytest.approx(wanted, rel=1e-5)
    assert own.keys() == theirs.keys()
    assert any("lm_head" in name for name in own)
    assert all(torch.allclose(own[name], theirs[name], atol=1e-5) for name in theirs)


def test_a_quantized_base_has_the_loss_of_the_stock_one(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint(tmp_path, dtype="bfloat16")
    config = MpeftConfig(
        data=("x",), base=str(checkpoint), output="x", learning_rate=1e-3, quantization="nf4", precision="bfloat16"
    )
    batch = Padded(0)(rows_of(examples(4)))
    with torch.no_grad():
        wanted = load_frozen(config)(**batch).loss
        found = ready_for_training(load_frozen(config), config)(**batch).loss
    assert float(found) == pytest.approx(float(wanted), rel=1e-3)


def test_a_model_whose_logits_are_made_in_an_unknown_way_keeps_its_own_loss_and_it_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = tiny_model()
    stock = model.forward

    def louder(self: Any, *arguments: Any, labels: Any = None, num_items_in_batch: Any = None, **options: Any) -> Any:
        output = stock(*arguments, **options)
        output.logits = output.logits * 1.5
        if labels is not None:
            settings = {"vocab_size": self.config.vocab_size, "num_items_in_batch": num_items_in_batch}
            output.loss = self.loss_function(output.logits, labels, **settings)
        return output

    model.forward = MethodType(louder, model)
    batch = Padded(0)(rows_of(examples(3)))
    wanted, _ = gradients(model, batch)
    config = MpeftConfig(data=("x",), base="x", output="x", learning_rate=1e-3)

    with caplog.at_level(logging.WARNING, "inro"):
        ready_for_training(model, config)

    assert "Qwen2ForCausalLM computes its logits in a way that is not known here" in caplog.text
    assert gradients(model, batch)[0] == wanted
