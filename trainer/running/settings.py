"""The Trainer's own settings, from a configuration. What happens at which step is the conductor's to say."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from app.core.errors import InputError, MachineError
from trainer.config import TrainingConfig
from trainer.config_checks import EIGHT_BIT_OPTIMIZERS
from trainer.running.folder import Run
from trainer.running.measuring import launched_processes


def evaluates(config: TrainingConfig) -> bool:
    """Whether there is anything to evaluate."""
    return bool(config.validation_share or config.evaluation_task)


def trainer_settings(config: TrainingConfig, run: Run) -> Any:
    """To be made before the model: from here on the processes of a distributed run know one another, and models are
    loaded once for all of them (FSDP) or in parts (ZeRO-3).

    Raises InputError for what cannot be launched so, and MachineError where several GPUs would be used without it.
    """
    import torch
    from transformers import TrainingArguments

    if os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true" and importlib.util.find_spec("deepspeed") is None:
        raise InputError("ZeRO-3 needs the package deepspeed; install it, or launch with trainer/accelerate/fsdp.yaml.")
    if is_sharded() and config.optimizer in EIGHT_BIT_OPTIMIZERS:
        raise InputError(f"{config.optimizer} cannot be spread over devices by FSDP; set optimizer to adamw.")
    settings = TrainingArguments(
        output_dir=str(run.staging),
        num_train_epochs=config.epochs,
        max_steps=config.max_steps or -1,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule,
        warmup_steps=config.warmup,
        max_grad_norm=config.max_gradient_norm,
        # Without this, accelerate lets processes on a machine without a GPU train side by side, each one alone, and
        # transformers refuses bfloat16 there.
        use_cpu=not torch.cuda.is_available() and (launched_processes().count > 1 or autocasts(config)),
        bf16=autocasts(config),
        activation_checkpointing=config.activation_checkpointing,
        neftune_noise_alpha=config.neftune_alpha,
        seed=config.seed,
        data_seed=config.seed,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        eval_strategy="no",
        eval_on_start=evaluates(config) and run.start is None,
        save_strategy="no",
        report_to="none",
        remove_unused_columns=False,
        disable_tqdm=True,
        ddp_find_unused_parameters=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    if settings.n_gpu > 1:
        # transformers would split batches over them by itself, with other losses than those of one.
        raise MachineError(
            f"this machine has {settings.n_gpu} GPUs: set CUDA_VISIBLE_DEVICES=0 to use one, or use accelerate launch "
            "for all (docs/training.md)."
        )
    return settings


def autocasts(config: TrainingConfig) -> bool:
    """Whether float32 weights are multiplied in bfloat16. Those of `adamw_bf16` are in bfloat16 themselves; under
    autocast accelerate's FSDP would make float32 of them again."""
    return config.precision == "bfloat16" and config.optimizer != "adamw_bf16"


def is_sharded() -> bool:
    """Whether `accelerate launch` asked for FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP") == "true"
