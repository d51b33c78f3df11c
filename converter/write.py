"""Writing a GGUF file tensor by tensor: read a row block, add the adapter's part in float32, round once, write.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from app.core.errors import InputError
from converter.adapter import Adapter, Delta
from converter.checkpoint import Checkpoint
from converter.families import layout_of
from converter.families.family import Key, Layout, TensorRule
from converter.safetensors import StoredTensor
from converter.tokenizer import Vocabulary, read_vocabulary

if TYPE_CHECKING:
    import numpy as np

    from converter.safetensors import Array

DType = Literal["f32", "f16", "bf16"]

_ALIGNMENT = 32
_ITEM_BYTES = {"f32": 4, "f16": 2, "bf16": 2}
_GGUF_TYPES = {"f32": "F32", "f16": "F16", "bf16": "BF16"}
_FILE_TYPES = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16"}
_STORED = {"F32": "f32", "F16": "f16", "BF16": "bf16"}


@dataclass(frozen=True)
class OutputTensor:
    name: str
    source: StoredTensor
    delta: Delta | None

    def dtype(self, wanted: DType) -> DType:
        # As llama.cpp has it: what is no matrix stays in full precision; it is small and multiplied into everything.
        return wanted if len(self.source.shape) == 2 else "f32"

    def nbytes(self, wanted: DType) -> int:
        return math.prod(self.source.shape) * _ITEM_BYTES[self.dtype(wanted)]


@dataclass(frozen=True)
class Plan:
    """Everything that the file will hold, known to be complete and of one piece before the first byte is written."""

    architecture: str
    keys: tuple[Key, ...]
    vocabulary: Vocabulary
    tensors: tuple[OutputTensor, ...]

    @property
    def stored_dtype(self) -> DType:
        """The type in which the checkpoint keeps the embedding, hence most of its weights."""
        return _STORED.get(self.tensors[0].source.dtype, "f16")  # type: ignore[return-value]

    @property
    def parameters(self) -> int:
        return sum(math.prod(tensor.source.shape) for tensor in self.tensors)

    @property
    def header_bytes(self) -> int:
        """About, rather too many: each text with its length, each tensor's entry."""
        texts = (*self.vocabulary.tokens, *self.vocabulary.merges, self.vocabulary.chat_template)
        return sum(len(text.encode()) + 12 for text in texts) + 160 * len(self.tensors) + 4096

    def nbytes(self, dtype: DType) -> int:
        """Bytes of the tensors' data."""
        return sum(tensor.nbytes(dtype) for tensor in self.tensors)


def plan(checkpoint: Checkpoint, adapter: Adapter | None = None, template: Path | None = None) -> Plan:
    """Raises InputError for anything that does not fit together: names, shapes, tokenizer, adapter."""
    layout = layout_of(checkpoint)
    _check_names(checkpoint, layout)
    deltas = adapter.deltas if adapter else {}
    if adapter:
        _check_adapter(adapter, layout)
    tensors = tuple(
        OutputTensor(rule.target, _stored(checkpoint, rule), deltas.get(rule.source)) for rule in layout.tensors
    )
    vocabulary = read_vocabulary(checkpoint.folder, checkpoint.config, layout.vocabulary, template)
    return Plan(layout.architecture, layout.keys, vocabulary, tensors)


def write_gguf(
    path: Path, plan: Plan, name: str, dtype: DType, on_bytes: Callable[[int], None] = lambda count: None
) -> None:
    """Write the file; `on_bytes` is told how many bytes of data each step wrote. Raises InputError for bad weights."""
    _write_header(path, plan, name, dtype)
    with path.open("ab") as file:
        _pad(file)
        for tensor in plan.tensors:
            _write_tensor(file, tensor, tensor.dtype(dtype), on_bytes)


# --- checks -----------------------------------------------------------------------------------------------------------


def _check_names(checkpoint: Checkpoint, layout: Layout) -> None:
    expected = {rule.source for rule in layout.tensors}
    unknown = {name for name in checkpoint.tensors if name not in expected and not name.endswith(layout.ignored)}
    if layout.tied and layout.tied[0] in unknown:
        _check_tied(checkpoint, *layout.tied)
        unknown.discard(layout.tied[0])
    if unknown:
        raise InputError(f"{checkpoint.folder} holds weights that its architecture does not have: {_some(unknown)}.")
    if missing := expected - checkpoint.tensors.keys():
        raise InputError(f"{checkpoint.folder} is incomplete, weights are missing: {_some(missing)}.")


def _check_tied(checkpoint: Checkpoint, name: str, other: str) -> None:
    first, second = checkpoint.tensors[name], checkpoint.tensors.get(other)
    if second is None or not _equal(first, second):
        raise InputError(
            f"{checkpoint.folder} contradicts itself: config.json ties {name} to {other}, and the two differ."
        )


def _equal(first: StoredTensor, second: StoredTensor) -> bool:
    import numpy as np

    same = first.shape == second.shape
    return same and all(np.array_equal(rows, second.read(at, at + len(rows))) for at, rows in first.blocks())


def _check_adapter(adapter: Adapter, layout: Layout) -> None:
    shapes = {rule.source: rule.shape for rule in layout.tensors}
    for name, delta in adapter.deltas.items():
        if layout.tied and name in layout.tied:
            raise InputError(
                f"{adapter.folder} cannot be merged: it changes {name}, which this checkpoint ties to another weight."
            )
        if name not in shapes:
            raise InputError(f"{adapter.folder} is for another model: this one has no {name}.")
        if shapes[name] != delta.shape:
            raise InputError(
                f"{adapter.folder} is for another model: it changes {name} of the shape {delta.shape}, "
                f"which is {shapes[name]} here."
            )


def _stored(checkpoint: Checkpoint, rule: TensorRule) -> StoredTensor:
    tensor = checkpoint.tensors[rule.source]
    if tensor.shape != rule.shape:
        raise InputError(
            f"{checkpoint.folder}: {rule.source} has the shape {tensor.shape}, and config.json says {rule.shape}."
        )
    if tensor.dtype not in _STORED:
        raise InputError(
            f"{checkpoint.folder} stores {rule.source} as {tensor.dtype}; only F32, F16 and BF16 can be converted."
        )
    return tensor


def _some(names: set[str]) -> str:
    first = ", ".join(sorted(names)[:3])
    return first if len(names) <= 3 else f"{first} and {len(names) - 3} more"


# --- writing ----------------------------------------------------------------------------------------------------------


def _write_header(path: Path, plan: Plan, name: str, dtype: DType) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, plan.architecture)
    try:
        writer.add_type("model")
        writer.add_name(name)
        writer.add_file_type(gguf.LlamaFileType[_FILE_TYPES[dtype]])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        for key in plan.keys:
            add = writer.add_float32 if isinstance(key.value, float) else writer.add_uint32
            add(f"{plan.architecture}.{key.name}", key.value)
        _add_vocabulary(writer, plan.vocabulary)
        for tensor in plan.tensors:
            kind = gguf.GGMLQuantizationType[_GGUF_TYPES[tensor.dtype(dtype)]]
            writer.add_tensor_info(tensor.name, tensor.source.shape, _float32(), tensor.nbytes(dtype), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
    finally:
        writer.close()


def _float32() -> np.dtype[Any]:
    import numpy as np

    return np.dtype(np.float32)


def _add_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    writer.add_token_merges(vocabulary.merges)
    add = {
        "bos": writer.add_bos_token_id,
        "eos": writer.add_eos_token_id,
        "unk": writer.add_unk_token_id,
        "pad": writer.add_pad_token_id,
    }
    for name, number in vocabulary.special.items():
        add[name](number)
    writer.add_add_bos_token(vocabulary.add_bos)
    writer.add_chat_template(vocabulary.chat_template)


def _write_tensor(file: BinaryIO, tensor: OutputTensor, dtype: DType, on_bytes: Callable[[int], None]) -> None:
    import numpy as np

    for start, rows in tensor.source.blocks():
        if tensor.delta is not None:
            tensor.delta.add_to(rows, start)
        if not np.isfinite(rows).all():
            raise InputError(f"{tensor.source.path} holds {tensor.source.name} with values that are no finite numbers.")
        on_bytes(file.write(_rounded(rows, dtype, tensor.source.name).tobytes()))
    _pad(file)


def _rounded(rows: Array, dtype: DType, name: str) -> np.ndarray[Any, Any]:
    """`rows` in the wanted type, each value rounded to the nearest, ties to even."""
    import numpy as np

    if dtype == "f32":
        return rows.astype("<f4")
    if dtype == "f16":
        with np.errstate(over="ignore"):
            halves = rows.astype("<f2")
        if not np.isfinite(halves).all():
            raise InputError(f"{name} holds values beyond what f16 can hold (65,504); use --dtype bf16.")
        return halves
    bits = rows.view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype("<u2")


def _pad(file: BinaryIO) -> None:
    file.write(bytes(-file.tell() % _ALIGNMENT))
