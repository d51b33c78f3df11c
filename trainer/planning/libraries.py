"""What the libraries of a training hold, measured in a process that imports them and makes one step.

It depends on what else is installed (transformers imports datasets, and with it pandas and Arrow, where it finds them),
on the processor and on the number of threads, so that no constant is right on two machines.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import psutil


@cache
def library_bytes() -> int:
    """Resident bytes; a few seconds."""
    command = [sys.executable, "-P", "-m", "trainer.planning.libraries"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def _one_step() -> None:
    from trainer.loop import quiet_libraries

    quiet_libraries()
    import torch
    import torch.utils.tensorboard  # type: ignore[import-untyped,unused-ignore]
    from transformers import Qwen2Config, Qwen2ForCausalLM

    import trainer.recipes.mfpt
    import trainer.recipes.mpeft  # noqa: F401
    from trainer.running.hooks import conducted_trainer

    conducted_trainer()
    shape = Qwen2Config(
        vocab_size=300,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=128,
    )
    model = Qwen2ForCausalLM(shape)
    tokens = torch.arange(256).reshape(4, 64)
    model(tokens, labels=tokens).loss.backward()
    torch.optim.AdamW(model.parameters(), fused=True).step()


if __name__ == "__main__":
    _one_step()
    sys.stdout.write(f"{psutil.Process().memory_info().rss}\n")
