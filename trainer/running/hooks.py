"""transformers' Trainer with this project's order of rows, optimizer, measuring, checkpoints and stops.

Four things of the Trainer are not public and are used all the same; the tests of resumed runs fail if they change:
`_tr_loss` and `_globalstep_last_logged`, without which the first loss that a resumed run logs is one of fewer steps,
`_get_train_sampler`, and `_load_best_model`, which knows how weights of sharded models are loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.errors import InputError, MachineError
from trainer.checkpoints import publish
from trainer.letters import Sample, ask
from trainer.optimizers import build_optimizer
from trainer.progress import Watch
from trainer.records import Evaluation, Loss, Validation
from trainer.running.conductor import Conductor
from trainer.running.folder import Run
from trainer.running.measuring import Processes, launched_processes, mean_loss, measured
from trainer.running.order import Order
from trainer.running.stopping import Stop

if TYPE_CHECKING:
    from trainer.loop import Job


def trainer_for(job: Job, run: Run, conductor: Conductor, stop: Stop) -> Any:
    """A Trainer, ready to train."""
    from transformers import PrinterCallback, ProgressCallback

    trainer = conducted_trainer()(job, run, conductor)
    # Both write to stdout, which belongs to the command's own result.
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(_callback(trainer, run, conductor, stop))
    return trainer


def conducted_trainer() -> Any:
    """The class; made here, since transformers takes seconds to import."""
    import torch
    from accelerate.utils import gather_object, reduce  # type: ignore[import-untyped,unused-ignore]
    from transformers import Trainer

    class Conducted(Trainer):  # type: ignore[misc]  # transformers is not typed
        def __init__(self, job: Job, run: Run, conductor: Conductor) -> None:
            self.job, self.run, self.conductor = job, run, conductor
            config, settings = job.config, job.settings
            self.optimizer: Any
            self.control: Any
            self.processes = Processes(settings.process_index, settings.world_size)
            if self.processes != launched_processes():
                raise MachineError(
                    f"{launched_processes().count} processes were launched, and {settings.world_size} train together: "
                    "give accelerate launch as many --num_processes as there are GPUs."
                )
            self.order = Order(
                [len(row["input_ids"]) for row in job.rows],
                together=config.batch_size * config.gradient_accumulation * settings.world_size,
                similar=job.similar_lengths,
                seed=config.seed,
            )
            super().__init__(model=job.model, args=settings, train_dataset=job.rows, data_collator=job.collate)

        def _get_train_sampler(self, _rows: Any = None) -> Any:
            return self.order

        def create_optimizer(self, model: Any = None) -> Any:
            if self.optimizer is None:
                self.optimizer = build_optimizer(self.model if model is None else model, self.job.config)
            return self.optimizer

        def evaluate(self, *_arguments: Any, **_options: Any) -> dict[str, float]:
            """Instead of the Trainer's own, whose loss weighs batches rather than tokens and draws random numbers."""
            step, model = int(self.state.global_step), self.model_wrapped
            with measured(model):
                if self.job.held_back:
                    self._validate(step, model)
                if self.job.sample:
                    self.conductor.add(self._ask(self.job.sample, step, model))
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, {})
            return {}

        def _validate(self, step: int, model: Any) -> None:
            job = self.job

            def loss(batch: Any) -> Any:
                return model(**self._prepare_inputs(batch)).loss

            total, tokens = mean_loss(loss, job.held_back, job.collate, job.config.batch_size, self.processes)
            both = torch.stack([total, torch.tensor(float(tokens), dtype=torch.float64)])
            sums = reduce(both.to(self.args.device), "sum").tolist()
            if not sums[1]:
                raise InputError("what validation_share holds back has no token to learn; raise it, or leave it out.")
            self.validation = Validation(step=step, loss=sums[0] / sums[1])
            self.conductor.add(self.validation)

        def _ask(self, sample: Sample, step: int, model: Any) -> Evaluation:
            longest = int(getattr(self.job.model.config, "max_position_embeddings", 2**31))
            return ask(
                sample,
                model,
                step=step,
                batch_size=self.job.config.batch_size,
                longest=longest,
                processes=self.processes,
                gather=gather_object if self.processes.count > 1 else list,
            )

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            super()._save(output_dir, _without_copies(state_dict, self.job.model))

        def load_best(self, checkpoint: Path) -> None:
            self.state.best_model_checkpoint = str(checkpoint)
            self._load_best_model()

        def any_process(self, asked: bool) -> bool:
            if self.processes.count == 1:
                return asked
            return bool(reduce(torch.tensor(float(asked), device=self.args.device), "sum").item())

        def loss_since(self) -> float:
            """The sum of the losses of the steps since the last that was logged."""
            return float(reduce(self._tr_loss.clone(), "mean"))

        def wait(self) -> None:
            self.accelerator.wait_for_everyone()

    return Conducted


def _without_copies(weights: Any, model: Any) -> Any:
    """Of weights gathered from FSDP: one that is tied to another comes gathered by itself, and was written twice."""
    tied = getattr(model, "all_tied_weights_keys", None)
    if not weights or not tied:
        return weights
    return {
        name: weight
        for name, weight in weights.items()
        if name not in tied or tied[name] not in weights or not weight.equal(weights[tied[name]])
    }


def _callback(trainer: Any, run: Run, conductor: Conductor, stop: Stop) -> Any:
    from transformers import TrainerCallback

    class Conduct(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, _args: Any, state: Any, _control: Any, **_rest: Any) -> None:
            before = conductor.before
            if before:
                trainer._tr_loss += before.loss_since
                trainer._globalstep_last_logged = before.logged_step
            begin = before.step if before else 0
            watched = Watch(
                run.training, step=begin, steps=state.max_steps, board=conductor.config.tensorboard, writes=run.writes
            )
            conductor.begin(state.max_steps, watched)

        def on_epoch_begin(self, _args: Any, state: Any, _control: Any, **_rest: Any) -> None:
            # Not by the data loader, which does not tell a sampler inside the one that skips what was read before.
            trainer.order.epoch = int(state.epoch or 0)

        def on_step_end(self, _args: Any, state: Any, control: Any, **_rest: Any) -> None:
            due = conductor.after_step(
                state.global_step,
                state.max_steps,
                epoch_ended=float(state.epoch).is_integer(),
                asked_to_stop=trainer.any_process(stop.asked),
            )
            control.should_log, control.should_evaluate = due.log, due.evaluate
            control.should_save = due.save
            control.should_training_stop |= due.stop

        def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float], **_rest: Any) -> None:
            if "loss" in logs:
                norm = logs.get("grad_norm")
                conductor.add(
                    Loss(
                        step=state.global_step,
                        loss=logs["loss"],
                        learning_rate=logs["learning_rate"],
                        gradient_norm=norm,
                    )
                )

        def on_evaluate(self, _args: Any, state: Any, control: Any, **_rest: Any) -> None:
            if state.global_step and trainer.job.held_back:
                due = conductor.validated(trainer.validation)
                control.should_training_stop |= due.stop
                last = state.global_step >= state.max_steps
                control.should_save = not due.stop and not last and (control.should_save or due.save)

        def on_save(self, _args: Any, state: Any, _control: Any, **_rest: Any) -> None:
            since = trainer.loss_since()
            conductor.check(since)  # before the last good checkpoint is replaced
            trainer.wait()
            if run.writes:
                progress = conductor.progress(
                    state.global_step, logged_step=trainer._globalstep_last_logged, loss_since=since
                )
                publish(run.staging / f"checkpoint-{state.global_step}", run.checkpoints, progress)
            trainer.wait()

    return Conduct()
