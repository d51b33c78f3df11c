"""The training loop both recipes share: transformers' own Trainer, told when to log, measure, save and stop."""

from __future__ import annotations

import json
import logging
import os
import shutil
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import MachineError
from trainer.batches import Collator, Row
from trainer.checkpoints import Progress, checkpoint_name
from trainer.config import TrainingConfig, searches
from trainer.letters import Sample
from trainer.planning.disk import space
from trainer.planning.work import steps
from trainer.progress import print_note
from trainer.running.conductor import Conductor
from trainer.running.energy import Meter, find_counters
from trainer.running.failures import Interrupted
from trainer.running.folder import Run
from trainer.running.hooks import trainer_for
from trainer.running.settings import evaluates
from trainer.running.stopping import stopping


def quiet_libraries() -> None:
    """Progress and errors are ours to tell; and no library may look for a network. To be called before any import."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")
    # On some processors it misses a package that it would fetch kernels with.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    # PEFT asks transformers for it by its earlier name.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    # On a processor there is no other memory to move them to.
    warnings.filterwarnings("ignore", "Paged optimizers are not supported on CPU", UserWarning)


def seed_everything(config: TrainingConfig) -> None:
    """Seed every generator; with `deterministic`, let torch use only kernels that give the same bits each time.

    To be called before the first kernel runs. Source: "Reproducibility" in PyTorch's notes.
    """
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch
    from transformers import set_seed

    torch.use_deterministic_algorithms(config.deterministic)
    torch.backends.cudnn.deterministic = config.deterministic
    torch.backends.cudnn.benchmark = False
    set_seed(config.seed)


@dataclass(frozen=True)
class Job:
    """What is trained on what."""

    config: TrainingConfig
    settings: Any
    """Of `trainer_settings`."""
    model: Any
    rows: Sequence[Row]
    collate: Collator
    held_back: Sequence[Row] = ()
    """What the validation loss is measured on."""
    sample: Sample | None = None
    """Questions that are asked at every evaluation."""
    similar_lengths: bool = False
    """Batches of rows of similar length waste less on padding."""
    tokenizer: Any = None
    """To be written beside the weights; None for an adapter that uses its base's."""


@dataclass(frozen=True)
class Outcome:
    progress: Progress
    """At the end."""
    stopped_early: bool


def train(job: Job, run: Run) -> Outcome:
    """Train `job.model` in place and write the weights into `run.result`; the last ones too, where others are better.

    Raises Interrupted after Ctrl-C, when a checkpoint is saved, and CheckRefused if the loss stops being a number.
    """
    before = run.start.progress if run.start else None
    if run.writes and before is None:
        _check_space(job, run)
        if not searches(job.config):
            print_note("no question was looked for in the data; set leakage_tasks to the folder of your benchmarks.")
    conductor = Conductor(
        config=job.config,
        evaluates=evaluates(job.config),
        before=before,
        meter=Meter(find_counters() if run.writes else [], before.joules if before else None),
    )
    with stopping() as stop, closing(conductor):
        trainer = trainer_for(job, run, conductor, stop)
        trainer.train(resume_from_checkpoint=str(run.start.folder) if run.start else None)
        step = int(trainer.state.global_step)
        if conductor.interrupted:
            raise Interrupted(f"interrupted at step {step} of {trainer.state.max_steps}; {run.saved()}.")
    job.model.config.use_cache = True  # the Trainer turned it off; who loads the result generates with it
    best = conductor.best_step
    if best is not None and best != step:
        _write(trainer, job, run, run.result / "last")
        trainer.load_best(run.checkpoints / checkpoint_name(best))
    _write(trainer, job, run, run.result)
    progress = conductor.progress(step, logged_step=step, loss_since=0.0)
    return Outcome(progress, conductor.stopped_early)


def _write(trainer: Any, job: Job, run: Run, folder: Path) -> None:
    """All processes take part: the weights of a sharded model are gathered."""
    trainer.save_model(str(folder))
    if not run.writes:
        return
    if job.tokenizer is not None:
        job.tokenizer.save_pretrained(folder)
    for name in ("training_args.bin", "README.md"):  # a pickle nobody needs, and PEFT's empty form
        (folder / name).unlink(missing_ok=True)
    _order_modules(folder / "adapter_config.json")


def _order_modules(path: Path) -> None:
    """PEFT writes a set in an order that differs from run to run, and with it the hash that names the file."""
    if path.is_file():
        content = json.loads(path.read_text("utf-8"))
        if isinstance(content.get("target_modules"), list):
            content["target_modules"].sort()
            path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


_STATE_BYTES = {"adamw": 8, "adamw_bf16": 4}
"""Of the optimizer, for each parameter that is trained; 2 of those in 8 bits."""


def _check_space(job: Job, run: Run) -> None:
    """Raises MachineError if the checkpoints and the result find no room: better now than after hours."""
    trained = [weight for weight in job.model.parameters() if weight.requires_grad]
    state = _STATE_BYTES.get(job.config.optimizer, 2) * sum(weight.numel() for weight in trained)
    count = steps(job.config, len(job.rows), job.settings.world_size)
    together = job.config.batch_size * job.config.gradient_accumulation * job.settings.world_size
    needed = space(job.config, _written(job.model), state, count, count * together / len(job.rows)).peak
    free = shutil.disk_usage(run.folder).free
    if free < needed:
        raise MachineError(
            f"the run needs {megabytes(needed)} of space for {run.target}, and {megabytes(free)} are free: free some, "
            "or let output lie on a larger disk."
        )


def _written(model: Any) -> int:
    """Bytes of the weights that are saved: with an adapter also those of the base that PEFT saves with it."""
    weights = model.parameters()
    if hasattr(model, "peft_config"):
        from peft import get_peft_model_state_dict

        weights = get_peft_model_state_dict(model, save_embedding_layers=model.saves_embeddings).values()
    return sum(weight.numel() * weight.element_size() for weight in weights)


def megabytes(size: int) -> str:
    return f"{max(size / 1e6, 1):,.0f} MB"
