"""How many numbers are trained, module by module."""

from __future__ import annotations

from app.core.errors import InputError
from trainer.config import MpeftConfig
from trainer.config_checks import EMBEDDINGS
from trainer.planning.shapes import Matrix, Shape


def adapted_matrices(config: MpeftConfig, shape: Shape) -> tuple[Matrix, ...]:
    """The linear layers of a block that get an adapter. Raises InputError for a module that the base does not have."""
    matrices = shape.matrices()
    if config.target_modules == "all-linear":
        return matrices
    known = {matrix.name for matrix in matrices} | set(EMBEDDINGS)
    for name in config.target_modules:
        if _last(name) not in known:
            raise InputError(f"target_modules: the base has no module {name}; it has {', '.join(sorted(known))}.")
    wanted = {_last(name) for name in config.target_modules}
    return tuple(matrix for matrix in matrices if matrix.name in wanted)


def adapter_parameters(config: MpeftConfig, shape: Shape) -> int:
    """Of the adapter's factors: rank x (inputs + outputs) for each module, and with DoRA the length of each row."""
    inside = sum(_factors(config, matrix.inputs, matrix.outputs) for matrix in adapted_matrices(config, shape))
    named = () if config.target_modules == "all-linear" else {_last(name) for name in config.target_modules}
    outside = sum(_factors(config, shape.hidden, shape.vocabulary) for name in EMBEDDINGS if name in named)
    return shape.layers * inside + outside


def whole_parameters(config: MpeftConfig, shape: Shape) -> int:
    """Of the modules that are trained and saved whole."""
    return shape.embedding_parameters if config.train_embeddings else 0


def row_parameters(config: MpeftConfig, shape: Shape) -> int:
    """Of the rows of added tokens, where they alone are trained."""
    return 0 if config.train_embeddings else len(config.added_tokens) * shape.hidden * (1 if shape.tied else 2)


def copied_parameters(config: MpeftConfig, shape: Shape, *, grown: bool) -> int:
    """Saved beside what is trained: the embeddings of a vocabulary that has `grown`, both of them even if they are one
    (see `trainer.adapters`); and where they are trained and are one, the other."""
    matrix = shape.vocabulary * shape.hidden
    if config.train_embeddings:
        return matrix if shape.tied else 0
    return 2 * matrix if grown else 0


def _factors(config: MpeftConfig, inputs: int, outputs: int) -> int:
    return config.rank * (inputs + outputs) + (outputs if config.dora else 0)


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]
