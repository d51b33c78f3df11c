"""The base of a training: what its folder must hold, and how it is loaded (in float32, in the type of the computation,
or in 4 bits). Its files come from outside; code among them is never run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.errors import InputError, MachineError
from converter.checkpoint import read_checkpoint
from trainer.isolation import check_isolation
from trainer.loss import learn_from_labels_only
from trainer.running.failures import is_no_memory
from trainer.running.settings import is_sharded

if TYPE_CHECKING:
    import torch

    from trainer.batches import Row
    from trainer.config import MfptConfig, MpeftConfig, TrainingConfig


TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")
NF4_BLOCK = 64
"""Weights that share a scale (bitsandbytes' default, arXiv 2305.14314)."""
FROM_OUTSIDE = {"local_files_only": True, "trust_remote_code": False}
"""How transformers reads what it did not write."""


def base_files(base: str) -> list[Path]:
    """What a training depends on in the folder `base`, the weights first.

    Raises InputError, with the way out, if it is no complete checkpoint with safetensors and a tokenizer.
    """
    folder = Path(base)
    if not folder.is_dir():
        raise InputError(
            f"{base} is no checkpoint: there is no such folder. Nothing is downloaded here; on a connected machine, "
            f"`hf download {base} --local-dir FOLDER` fetches a model of the hub (a gated one after its terms were "
            "accepted there), and base is then that folder."
        )
    if (folder / "adapter_config.json").is_file():
        raise InputError(f"{base} is no checkpoint: it holds an adapter; give the checkpoint that it was trained on.")
    checkpoint = read_checkpoint(folder)
    weights = checkpoint.weight_files
    if pickled := [path.name for path in weights if path.suffix == ".bin"]:
        raise InputError(f"{folder / pickled[0]} is a pickle, which can hold code; save the base as safetensors.")
    if not has_tokenizer(base):
        raise InputError(f"{base} holds no tokenizer ({', '.join(TOKENIZER_FILES)}); download all of its files.")
    return [*weights, *(path for path in checkpoint.files if path not in weights)]


def has_tokenizer(base: str) -> bool:
    """transformers makes an empty tokenizer of a folder that has none."""
    return any((Path(base) / name).is_file() for name in TOKENIZER_FILES)


def load_tokenizer(base: str) -> Any:
    """Raises InputError for one that cannot be read, or makes no tokens of a letter."""
    from transformers import AutoTokenizer

    tokenizer = _loaded(base, lambda: AutoTokenizer.from_pretrained(base, **FROM_OUTSIDE))
    if not tokenizer("a", add_special_tokens=False)["input_ids"]:
        raise InputError(f"the tokenizer of {base} makes no tokens of text; download all of its files.")
    return tokenizer


def load_whole(config: MfptConfig) -> Any:
    """The base whose every weight is trained: in float32, if memory allows; `precision` is that of the computation."""
    import torch

    return _model(config, str(config.base), torch.bfloat16 if config.optimizer == "adamw_bf16" else torch.float32)


def load_frozen(config: MpeftConfig) -> Any:
    """The base under an adapter: its weights are in the type of the computation, or in NF4."""
    quantized: dict[str, Any] = {"quantization_config": _nf4(config)} if config.quantization else {}
    base = _model(config, config.base, weight_type(config), **quantized)
    if config.quantization:
        _check_widths(base)
        _keep_gradients(base)
    return base


def _model(config: TrainingConfig, base: str, dtype: torch.dtype, **more: Any) -> Any:
    from transformers import AutoModelForCausalLM

    options = {"dtype": dtype, "use_safetensors": True, **FROM_OUTSIDE, **attention(config), **more}
    return _loaded(base, lambda: AutoModelForCausalLM.from_pretrained(base, **options))


def _loaded(base: str, load: Callable[[], Any]) -> Any:
    """Raises InputError where files from outside do not suit libraries that take them for sound."""
    try:
        return load()
    except Exception as error:  # of any kind: tokenizers raises what has none of its own
        if is_no_memory(error) or (isinstance(error, OSError) and error.errno is not None):
            raise  # the machine's
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{base} cannot be loaded ({reason}).") from error


def attention(config: TrainingConfig) -> dict[str, str]:
    """An argument of `from_pretrained`. Where sdpa is not named, families that lack it (Gemma 2) load as well."""
    return {"attn_implementation": "eager"} if config.attention == "eager" else {}


def weight_type(config: TrainingConfig) -> torch.dtype:
    """In which type the weights of a checkpoint that is not itself trained are held."""
    import torch

    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32


def ready_for_training(model: Any, config: TrainingConfig) -> Any:
    """`model`, checked for packing, which then computes logits only where something is learned."""
    if config.packing:
        check_isolation(model)
    if reason := learn_from_labels_only(model):
        logging.getLogger("inro").warning("The loss is computed in transformers' way, with more memory: %s.", reason)
    return model


def check_context(model: Any, rows: Sequence[Row]) -> None:
    """Raises InputError if a row is longer than what the model was made for: positions beyond mean nothing to it."""
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    longest = max(len(row["input_ids"]) for row in rows)
    if context is not None and longest > context:
        raise InputError(
            f"the data has sequences of {longest} tokens, and the base reads {context}; lower max_length or "
            f"block_length to {context}."
        )


def _nf4(config: MpeftConfig) -> Any:
    """QLoRA (arXiv 2305.14314): weights in 4 bits, computing in the type of `precision`."""
    import torch
    from transformers import BitsAndBytesConfig

    # FSDP can only shard the type that the other weights have.
    storage = weight_type(config) if is_sharded() else torch.uint8
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=config.double_quantization,
        bnb_4bit_compute_dtype=weight_type(config),
        bnb_4bit_quant_storage=storage,
    )


def _keep_gradients(base: Any) -> None:
    """On processors with AVX512-BF16, bitsandbytes rearranges a 4-bit layer in its first pass without gradients, and
    lets none through it from then on, in training either (0.50.2, `Linear4bit.forward` and `matmul_4bit`)."""
    for module in base.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _check_widths(base: Any) -> None:
    """Raises MachineError where bitsandbytes would compute with other weights than it was given: its kernel for
    AVX-512 is wrong for layers whose inputs are no multiple of its block (0.50.2)."""
    import torch

    if torch.cuda.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return
    for name, module in base.named_modules():
        if hasattr(module, "support_avx512bf16_for_cpu") and module.in_features % NF4_BLOCK:
            raise MachineError(
                f"bitsandbytes cannot hold {name} in 4 bits on this processor, since its {module.in_features} inputs "
                f"are no multiple of {NF4_BLOCK}; leave quantization out, or train on a GPU."
            )
