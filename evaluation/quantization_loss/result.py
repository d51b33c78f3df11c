"""The figures of a quantization loss, from one value for each position, and their table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from evaluation.measured_model import MeasuredModel
from evaluation.quantization_loss.divergence import Divergences, joined
from evaluation.statistics import Mean, mean, perplexity, wilson


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    value: float
    error: float
    """Standard error, from the differences between the chunks: neighbouring tokens are not independent."""


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """KL(reference ‖ candidate) of the next token's distributions, in nats."""

    mean: Estimate
    median: float
    percentile_99: float
    maximum: float


class SameTop(msgspec.Struct, frozen=True, kw_only=True):
    """Positions at which both files have the same most likely token."""

    same: int
    positions: int
    share: float
    interval_95: tuple[float, float]
    """Wilson's, as if positions were independent."""
    error: float
    """Standard error of the share, from the chunks."""


class Perplexity(msgspec.Struct, frozen=True, kw_only=True):
    reference: Estimate
    candidate: Estimate
    ratio: Estimate
    """Candidate by reference. Its error is of the chunks' differences, so it is far smaller than those of the two."""


class MeasuredText(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    sha256: str
    tokens: int


class QuantizationLoss(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal["inro-quantization-loss/1"] = "inro-quantization-loss/1"
    reference: MeasuredModel
    candidate: MeasuredModel
    text: MeasuredText
    context: int
    """Tokens of a chunk; predictions of its second half count."""
    chunks: int
    kl: Divergence
    same_top: SameTop
    perplexity: Perplexity
    llama_cpp_commit: str


def divergence(chunks: Mapping[int, Divergences]) -> Divergence:
    import numpy as np

    values = joined(chunks.values()).kl
    median, percentile = np.quantile(values, (0.5, 0.99))
    return Divergence(
        mean=_estimate(mean([float(one.kl.mean()) for one in chunks.values()])),
        median=float(median),
        percentile_99=float(percentile),
        maximum=float(values.max()),
    )


def same_top(chunks: Mapping[int, Divergences]) -> SameTop:
    values = joined(chunks.values()).same_top
    same, positions = int(values.sum()), len(values)
    interval = wilson(same, positions)
    assert interval is not None
    return SameTop(
        same=same,
        positions=positions,
        share=same / positions,
        interval_95=(interval.low, interval.high),
        error=_estimate(mean([float(one.same_top.mean()) for one in chunks.values()])).error,
    )


def perplexities(chunks: Mapping[int, Divergences]) -> Perplexity:
    reference = [float(one.reference_loss.mean()) for one in chunks.values()]
    candidate = [float(one.candidate_loss.mean()) for one in chunks.values()]
    differences = [theirs - ours for ours, theirs in zip(reference, candidate, strict=True)]
    return Perplexity(
        reference=_estimate(perplexity(reference)),
        candidate=_estimate(perplexity(candidate)),
        ratio=_estimate(perplexity(differences)),
    )


def _estimate(found: Mean | None) -> Estimate:
    """Of at least two chunks."""
    assert found is not None
    assert found.error is not None
    return Estimate(value=found.value, error=found.error)


def table(loss: QuantizationLoss) -> str:
    kl, same, text = loss.kl, loss.same_top, loss.text
    low, high = same.interval_95
    return "\n".join(
        [
            *(_named(name, one) for name, one in (("reference", loss.reference), ("candidate", loss.candidate))),
            f"{text.file}: {text.tokens:,} tokens; {loss.chunks:,} chunks of {loss.context:,}, {same.positions:,} "
            "predictions compared",
            "",
            f"KL divergence, nats    mean {_shown(kl.mean, 6)} · median {kl.median:.6f} · "
            f"99 % below {kl.percentile_99:.6f} · maximum {kl.maximum:.6f}",
            f"same most likely token {100 * same.share:.2f} % ({100 * low:.2f} to {100 * high:.2f})",
            f"perplexity             reference {_shown(loss.perplexity.reference, 4)} · "
            f"candidate {_shown(loss.perplexity.candidate, 4)} · ratio {_shown(loss.perplexity.ratio, 5)}",
        ]
    )


def _named(name: str, model: MeasuredModel) -> str:
    return f"{name}: {model.file} ({model.description}), {model.file_bytes / 1e9:.2f} GB, sha256 {model.sha256}"


def _shown(one: Estimate, digits: int) -> str:
    return f"{one.value:.{digits}f} ± {one.error:.{digits}f}"
