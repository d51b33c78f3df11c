"""Measuring what quantization changed: both files predict the same text, and their predictions are compared.

The reference's logits are kept as they are, in float32, until the candidate's are there. If both files fit into memory,
that is one part of a chunk at a time. If they do not, rounds of as many parts as `Bounds.round` holds are made, and the
files take each other's place in between: the disk that is needed stays bounded whatever the length of the text, nothing
is rounded as it would be in 16 bits, and loading a file again takes little beside the tokens of a round.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.core.engine.hardware import free_memory
from app.core.errors import InputError, MachineError
from app.core.models.gguf_header import read_header
from app.core.scratch import scratch_folder
from evaluation.measured_model import Progress, measured, sha256s
from evaluation.quantization_loss.divergence import Divergences, NotNumbers, divergences_of_files, joined
from evaluation.quantization_loss.pair import Loadable, Pair, opened
from evaluation.quantization_loss.parts import LEAST_CONTEXT, Part, parts
from evaluation.quantization_loss.result import (
    MeasuredText,
    Perplexity,
    QuantizationLoss,
    divergence,
    perplexities,
    same_top,
)

MAX_TEXT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Bounds:
    """Bytes."""

    part: int = 256 * 1024**2
    """Of the logits that a file writes at once: a chunk of 512 tokens with a vocabulary of 151,936 has 155 MB."""
    round: int = 2 * 1024**3
    """Of the reference's logits that wait on the disk for a candidate that does not fit into memory beside it."""
    memory: int = field(default_factory=free_memory)
    """That is free on this machine."""


def measure(
    reference: Path,
    candidate: Path,
    text: Path,
    context: int,
    threads: int | None,
    progress: Progress,
    bounds: Bounds | None = None,
) -> QuantizationLoss:
    """Both are run with attention in 32 bits, so that only the weights' rounding differs.

    Raises InputError for files that cannot be compared, a text that cannot be used, or logits that are no numbers;
    MachineError for want of space; EngineError if the engine refuses.
    """
    bounds = bounds or Bounds()
    words = _words(text)
    headers = (read_header(reference), read_header(candidate))
    _check_sizes(reference, candidate, headers[0].vocabulary, headers[1].vocabulary)
    longest = min(header.number("context_length") for header in headers)
    if not LEAST_CONTEXT <= context <= longest:
        raise InputError(f"--context must be from {LEAST_CONTEXT} to {longest:,}, for which these files were made.")
    digests = tuple(sha256s(path, progress) for path in (reference, candidate))
    with opened((reference, candidate), headers, context, threads, bounds.memory) as pair:
        # The candidate first, so that the reference is loaded when the comparison begins with it.
        theirs = pair.tokens(pair.candidate, words)
        described = pair.info(pair.candidate)
        tokens, bos = pair.tokens(pair.reference, words)
        if theirs != (tokens, bos):
            raise InputError(
                f"{reference.name} and {candidate.name} split the text into other tokens, so their predictions cannot "
                "be compared: give two files of the same model."
            )
        row = 4 * headers[0].vocabulary
        work = parts(tokens, bos, context, max(1, bounds.part // row))
        infos = (pair.info(pair.reference), described)
        chunks = _compared(pair, work, row, bounds.round, progress)
        commit = pair.hello.llama_cpp_commit
    models = [
        measured(path, digest, info) for path, digest, info in zip((reference, candidate), digests, infos, strict=True)
    ]
    return QuantizationLoss(
        reference=models[0],
        candidate=models[1],
        text=MeasuredText(file=text.name, sha256=hashlib.sha256(text.read_bytes()).hexdigest(), tokens=len(tokens)),
        context=context,
        chunks=len(chunks),
        kl=divergence(chunks),
        same_top=same_top(chunks),
        perplexity=_perplexities(chunks),
        llama_cpp_commit=commit,
    )


def _perplexities(chunks: Mapping[int, Divergences]) -> Perplexity:
    try:
        return perplexities(chunks)
    except OverflowError as error:
        raise InputError(
            "One of the files gives the text a probability of nought, so it has no perplexity: it is damaged, or the "
            "text is not of a kind that it was made for."
        ) from error


def _words(path: Path) -> str:
    if (size := path.stat().st_size) > MAX_TEXT_BYTES:
        raise InputError(f"{path} has {size:,} bytes, and {MAX_TEXT_BYTES:,} are read at most: give a part of it.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a UTF-8 file: save it as UTF-8 first.") from error
    if not text.strip():
        raise InputError(f"{path} is empty: give a text that the files can predict.")
    return text


def _check_sizes(reference: Path, candidate: Path, ours: int, theirs: int) -> None:
    if ours != theirs:
        raise InputError(
            f"{reference.name} has a vocabulary of {ours:,} tokens and {candidate.name} one of {theirs:,}, so their "
            "predictions cannot be compared: give two files of the same model."
        )


def _compared(
    pair: Pair, work: Sequence[Part], row: int, round_bytes: int, progress: Progress
) -> dict[int, Divergences]:
    """The divergences of each chunk, by its number; `row` is the bytes of the logits at one position."""
    size = row * max(len(part.following) for part in work)
    at_once = 1 if pair.together else max(1, round_bytes // size)
    found: dict[int, list[Divergences]] = defaultdict(list)
    with scratch_folder(_beside(pair.candidate.path)) as folder:
        _check_space(folder, (min(at_once, len(work)) + 1) * size)
        with progress("comparing", 2 * len(work), "part") as advance:
            for first in range(0, len(work), at_once):
                for part, one in _round(pair, work[first : first + at_once], folder, row // 4, advance):
                    found[part.chunk].append(one)
    return {chunk: joined(ones) for chunk, ones in found.items()}


def _round(
    pair: Pair, work: Sequence[Part], folder: Path, vocabulary: int, advance: Callable[[int], None]
) -> list[tuple[Part, Divergences]]:
    files = [folder / f"reference-{number}" for number in range(len(work))]
    for part, file in zip(work, files, strict=True):
        _predict(pair, pair.reference, part, file)
        advance(1)
    found = []
    for part, file in zip(work, files, strict=True):
        theirs = folder / "candidate"
        _predict(pair, pair.candidate, part, theirs)
        try:
            found.append((part, divergences_of_files(file, theirs, vocabulary, part.following)))
        except NotNumbers as error:
            broken = pair.reference if error.of_reference else pair.candidate
            raise InputError(
                f"{broken.path.name} gives logits that are no numbers in chunk {part.chunk + 1} of the text: the file "
                "is damaged, or was made from a damaged one; make it again."
            ) from error
        file.unlink()
        advance(1)
    return found


def _predict(pair: Pair, one: Loadable, part: Part, file: Path) -> None:
    pair.ask(one).logits(part.tokens, file, part.first, exact=True)


def _beside(model: Path) -> Path:
    """Where there is room for logits: near a file, unless that is on a medium which is only read."""
    return model if os.access(model.parent, os.W_OK) else Path(tempfile.gettempdir()) / model.name


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise MachineError(
            f"There is not enough space for the comparison: {needed / 1e6:,.0f} MB are needed for a while in "
            f"{folder.parent}, and {free / 1e6:,.0f} MB are free."
        )
