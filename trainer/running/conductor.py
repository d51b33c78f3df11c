"""What happens at which step of a run: logging, measuring, saving, stopping; and what it leads to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TypeVar

from app.core.errors import CheckRefused, InputError
from trainer.checkpoints import Progress
from trainer.config import TrainingConfig
from trainer.progress import Entry, Watch
from trainer.records import Evaluation, Loss, Resumed, Validation
from trainer.running.energy import Meter

MOST_LOSSES = 100_000
"""Of a run."""

Kind = TypeVar("Kind", Loss, Validation, Evaluation)


@dataclass(frozen=True)
class Due:
    """After a step."""

    log: bool = False
    evaluate: bool = False
    save: bool = False
    stop: bool = False


@dataclass
class Conductor:
    """Decides, and keeps what a checkpoint holds beside the weights and the optimizer."""

    config: TrainingConfig
    evaluates: bool
    """Whether there is anything to evaluate."""
    before: Progress | None
    """Of the checkpoint that the run goes on from."""
    meter: Meter
    clock: Callable[[], float] = monotonic
    entries: list[Entry] = field(default_factory=list)
    stopped_early: bool = False
    interrupted: bool = False

    def __post_init__(self) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        before = self.before
        self._begin = self.clock() - (before.seconds if before else 0.0)
        self.started = before.started if before else now
        self.resumed = (*before.resumed, Resumed(step=before.step, at=now)) if before else ()
        self.best_step, self.best_loss = (before.best_step, before.best_loss) if before else (None, None)
        self.entries += (*before.losses, *before.validation, *before.evaluation) if before else ()
        self._without_better = before.without_better if before else 0
        self._watch: Watch | None = None

    @property
    def seconds(self) -> float:
        """Of all processes of the run."""
        return self.clock() - self._begin

    def begin(self, steps: int, watch: Watch) -> None:
        """Raises InputError for more losses than checkpoints and the record can hold."""
        if steps / self.config.log_every > MOST_LOSSES:
            raise InputError(
                f"{steps:,} steps have too many losses to keep; set log_every to {steps // MOST_LOSSES + 1:,}."
            )
        self._watch = watch

    def after_step(self, step: int, steps: int, *, epoch_ended: bool, asked_to_stop: bool) -> Due:
        """At the last step nothing is saved: what follows is the result."""
        config, last = self.config, step >= steps
        every = config.evaluate_every
        if self._watch:
            self._watch.step()
        self.interrupted = asked_to_stop and not last
        return Due(
            log=last or step % config.log_every == 0,
            evaluate=self.evaluates and (last or (step % every == 0 if every else epoch_ended)),
            save=not last and (self.interrupted or bool(config.save_every and step % config.save_every == 0)),
            stop=self.interrupted,
        )

    def add(self, entry: Entry) -> None:
        """Raises CheckRefused if a loss is no number."""
        if not isinstance(entry, Evaluation):
            self.check(entry.loss)
        self.entries.append(entry)
        self.meter.update()
        if self._watch:
            self._watch.add(entry, self.seconds)

    def check(self, loss: float) -> None:
        """Raises CheckRefused if `loss` is no number."""
        if not math.isfinite(loss):
            raise CheckRefused("the training diverged (the loss is no longer a number); lower learning_rate.")

    def validated(self, loss: Validation) -> Due:
        """Whether this is the best so far, to be saved, or the one that ends the run."""
        if self.best_loss is None or loss.loss < self.best_loss:
            self.best_step, self.best_loss, self._without_better = loss.step, loss.loss, 0
            return Due(save=True)
        self._without_better += 1
        patience = self.config.early_stopping
        if patience is None or self._without_better < patience:
            return Due()
        self.stopped_early, self.interrupted = True, False  # what follows is the result
        return Due(stop=True)

    def progress(self, step: int, *, logged_step: int, loss_since: float) -> Progress:
        self.meter.update()
        return Progress(
            step=step,
            started=self.started,
            seconds=self.seconds,
            joules=dict(self.meter.joules),
            resumed=self.resumed,
            logged_step=logged_step,
            loss_since=loss_since,
            best_step=self.best_step,
            best_loss=self.best_loss,
            without_better=self._without_better,
            losses=self.of(Loss),
            validation=self.of(Validation),
            evaluation=self.of(Evaluation),
        )

    def of(self, kind: type[Kind]) -> tuple[Kind, ...]:
        return tuple(entry for entry in self.entries if isinstance(entry, kind))

    def close(self) -> None:
        if self._watch:
            self._watch.close()
