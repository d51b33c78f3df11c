"""The training loop both recipes share: transformers' own Trainer, told what to report and how to fail."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.errors import CheckRefused, InputError
from trainer.records import Loss

if TYPE_CHECKING:
    import torch

    from trainer.config import TrainingConfig

Row = Mapping[str, list[int]]
Collator = Callable[[Sequence[Row]], "dict[str, torch.Tensor]"]


def quiet_libraries() -> None:
    """Progress and errors are ours to tell; and no library may look for a network. To be called before any import."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def check_checkpoint(folder: Path) -> list[Path]:
    """The weight files of a local checkpoint. Raises InputError if `folder` is none."""
    weights = sorted(folder.glob("*.safetensors"))
    if not (folder / "config.json").is_file() or not weights:
        raise InputError(f"{folder} is no checkpoint: it needs a config.json and .safetensors files.")
    return weights


def weight_type(config: TrainingConfig) -> torch.dtype:
    """In which type the weights of a checkpoint that is not itself trained are held."""
    import torch

    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32


def train(
    model: Any, rows: Sequence[Row], collate: Collator, config: TrainingConfig, folder: Path, *, similar_lengths: bool
) -> tuple[tuple[Loss, ...], int]:
    """Train `model` in place and return its losses and the number of optimizer steps.

    `folder` is where the Trainer may keep its own files; nothing is written there by this configuration. Raises
    CheckRefused if the loss stops being a number.
    """
    import torch
    from transformers import PrinterCallback, ProgressCallback, Trainer, TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule,
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        adam_beta2=config.adam_beta2,
        max_grad_norm=config.max_gradient_norm,
        bf16=config.precision == "bfloat16",
        seed=config.seed,
        data_seed=config.seed,
        train_sampling_strategy="group_by_length" if similar_lengths else "random",
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        remove_unused_columns=False,
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collate)
    # Both write to stdout, which belongs to the command's own result.
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(_progress_callback())
    trainer.train()
    return _losses(trainer.state.log_history), int(trainer.state.global_step)


def _losses(history: Sequence[Mapping[str, float]]) -> tuple[Loss, ...]:
    losses = tuple(
        Loss(step=int(entry["step"]), loss=round(entry["loss"], 5), learning_rate=entry["learning_rate"])
        for entry in history
        if "loss" in entry
    )
    if not all(math.isfinite(entry.loss) for entry in losses):
        raise CheckRefused("the training diverged (the loss is no longer a number); lower the learning rate.")
    return losses


def _progress_callback() -> Any:
    from tqdm import tqdm
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
        """One bar on stderr with the latest loss; it stops a run whose loss is no number."""

        def on_train_begin(self, _args: Any, state: Any, _control: Any, **_rest: Any) -> None:
            self.bar = tqdm(total=state.max_steps, unit="step", file=sys.stderr, disable=not sys.stderr.isatty())

        def on_step_end(self, _args: Any, _state: Any, _control: Any, **_rest: Any) -> None:
            self.bar.update()

        def on_log(self, _args: Any, _state: Any, control: Any, logs: dict[str, float], **_rest: Any) -> None:
            if "loss" in logs:
                self.bar.set_postfix_str(f"loss {logs['loss']:.3f}", refresh=False)
                control.should_training_stop |= not math.isfinite(logs["loss"])

        def on_train_end(self, _args: Any, _state: Any, _control: Any, **_rest: Any) -> None:
            self.bar.close()

    return Progress()
