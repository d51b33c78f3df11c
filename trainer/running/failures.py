"""Ends that a person can do something about: no memory, no space, an interruption; each with the setting to change."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from app.core.errors import ExitCode, MachineError, UserFacingError
from trainer.config import TrainingConfig

_NO_MEMORY = re.compile(
    "can't allocate memory|cannot allocate memory|out of memory|not enough memory|bad_alloc|ALLOC_FAILED", re.IGNORECASE
)
_NO_SPACE = re.compile(
    "no space left|file too large|quota exceeded|os error (27|28|122)\\b"
    # torch.save's writer, which does not say why it could not write
    "|PytorchStreamWriter failed|inline_container",
    re.IGNORECASE,
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Interrupted(UserFacingError):
    """The person ended the run, and it can go on."""

    exit_code = ExitCode.INTERRUPTED


def explained(error: BaseException, config: TrainingConfig, saved: str) -> MachineError | None:
    """The sentence for an error of the machine, with the way out; None for any other. `saved` ends it."""
    causes = list(_causes(error))
    kept = f"; {saved}" if saved else ""
    if any(map(is_no_space, causes)):
        return MachineError(
            f"there is no space left for {config.output}: free some, or let output lie on a larger disk{kept}."
        )
    if any(map(is_no_memory, causes)):
        return MachineError(f"there is not enough memory: {_smaller(config)}{kept}.")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it was raised from or while handling; libraries put their own around the system's."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def is_no_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # torch.OutOfMemoryError is a RuntimeError; so is what the allocator of the processor's memory raises.
    return isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error)))


def is_no_space(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL or (error.errno is None and bool(_NO_SPACE.search(str(error))))
    # safetensors raises an error of its own, torch.save a RuntimeError.
    named = isinstance(error, RuntimeError) or type(error).__name__ == "SafetensorError"
    return named and bool(_NO_SPACE.search(str(error)))


def _smaller(config: TrainingConfig) -> str:
    """Which settings take less of it, the cheapest for the result first."""
    ways = []
    if config.batch_size > 1:
        ways.append(
            f"lower batch_size (now {config.batch_size}) and raise gradient_accumulation by the same factor, which "
            "trains the same"
        )
    if not config.activation_checkpointing:
        ways.append("set activation_checkpointing: true")
    for key in ("max_length", "block_length"):
        if hasattr(config, key):
            ways.append(f"lower {key} (now {getattr(config, key)})")
    if hasattr(config, "quantization") and config.quantization is None:
        ways.append("set quantization: nf4")
    return ", or ".join(ways)
