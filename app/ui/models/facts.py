"""What a model file is and who vouches for it, as pairs of a name and a text."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QDate, QLocale

from app.services.benchmark.views import Share
from app.ui import quantities
from app.ui.benchmark import naming
from app.ui.controls import plain_line, plain_text
from app.ui.models import texts
from app.ui.models.fact_table import Fact

if TYPE_CHECKING:
    from app.core.models.examination import Examination
    from app.core.models.fit import Fit
    from app.core.models.gguf_header import GgufHeader
    from app.core.models.local_results import LocalResults, LocalScore
    from app.core.models.manifest import Manifest
    from app.core.models.overview import Entry
    from app.core.models.signing import SignatureFinding

translate = QCoreApplication.translate

_HASH_DIGITS = 16
_MOST_ITEMS = 20
_LONGEST_CONDITION = 300


def of_header(header: GgufHeader) -> list[Fact]:
    """What the file says of itself."""
    template = header.chat_template
    tokenizer = plain_line(header.text("tokenizer.ggml.model") or "")
    return [
        Fact(
            translate("Facts", "Architecture"),
            translate("Facts", "{architecture}, {parameters} parameters").format(
                architecture=plain_line(header.architecture), parameters=_billions(header.parameters)
            ),
        ),
        Fact(
            translate("Facts", "Tokenizer"),
            translate("Facts", "{tokenizer}, {count} tokens").format(
                tokenizer=tokenizer, count=quantities.number(header.vocabulary)
            ),
        ),
        Fact(
            translate("Facts", "Chat template"),
            translate("Facts", "none in the file") if template is None else translate("Facts", "in the file"),
            "check" if template is None else "plain",
        ),
        Fact(
            translate("Facts", "Context"),
            translate("Facts", "{count} tokens").format(count=quantities.number(header.number("context_length"))),
        ),
    ]


def of_memory(fits: Sequence[Fit], free_bytes: int) -> Fact:
    """Which contexts fit into the memory that is free."""
    parts = [
        translate("Facts", "{count} tokens: {need} GB").format(
            count=quantities.number(fit.context_length), need=f"{fit.needed_bytes / 1e9:.1f}"
        )
        + ("" if fit.fits else translate("Facts", " (does not fit)"))
        for fit in fits
    ]
    text = translate("Facts", "{contexts} ({free} GB are free)").format(
        contexts=" · ".join(parts), free=f"{free_bytes / 1e9:.1f}"
    )
    none = not any(fit.fits for fit in fits)
    return Fact(translate("Facts", "Memory by context"), text, "check" if none else "plain")


def of_examination(examined: Examination) -> list[Fact]:
    """What the file is, what its manifest says, and who signed that."""
    shares = ", ".join(f"{kind} {share:.0%}" for kind, share in examined.quantization.items())
    facts = [*of_header(examined.header), Fact(translate("Facts", "Types of the weights"), shares)]
    if examined.template_sha256:
        facts.append(Fact(translate("Facts", "SHA-256 of the template"), _short(examined.template_sha256)))
    return [*facts, *of_papers(examined.manifest, examined.signature)]


def of_papers(manifest: Manifest | None, signature: SignatureFinding) -> list[Fact]:
    if manifest is None:
        nobody = translate("Facts", "none: nobody says what the file is, where it came from or how it scored")
        return [Fact(translate("Facts", "Manifest"), nobody, "check")]
    sources = (
        f"{source.kind}: {plain_line(source.name)} ({plain_line(source.sha256[:12])})" for source in manifest.sources
    )
    base = " ".join(filter(None, (manifest.base.name, manifest.base.revision[:12]))) if manifest.base else ""
    facts = [
        Fact("SHA-256", _short(manifest.sha256)),
        Fact(translate("Facts", "Base model"), plain_line(base)),
        Fact(translate("Facts", "Made from"), "\n".join(_first(sources))),
        Fact(translate("Facts", "Made with"), _pairs(manifest.versions)),
        Fact(translate("Facts", "Recipe"), _pairs(manifest.recipe)),
        Fact(translate("Facts", "Licence"), plain_text(manifest.licence)),
        Fact(translate("Facts", "Intended use"), plain_text(manifest.intended_use)),
        _signature(signature),
        *_verdict(manifest),
    ]
    if manifest.expires is not None:
        last = QLocale().toString(_day(manifest.expires), QLocale.FormatType.LongFormat)
        facts.append(Fact(translate("Facts", "Last day of use"), last))
    return [fact for fact in facts if fact.text]


def of_entry(entry: Entry, measured: LocalResults | None) -> list[Fact]:
    """A model of the library, with what was measured of it on this PC before the long list of what it was made from."""
    facts = [] if measured is None else of_results(measured)
    if entry.examined is not None:
        facts += of_examination(entry.examined)
    if entry.standing.reason and not entry.demonstration_model:
        facts.insert(0, Fact(translate("Facts", "Reason given"), plain_text(entry.standing.reason)))
    if why := texts.cause(entry.standing.cause):
        facts.insert(0, Fact(translate("Facts", "State"), why, "check"))
    return facts


def of_results(measured: LocalResults) -> list[Fact]:
    """The latest of each kind: of the same questions in the same language, scored the same way."""
    latest: dict[tuple[str, str, str, str], LocalScore] = {}
    for score in measured.scores:
        latest.setdefault((score.task, score.part, score.language, score.how), score)
    facts = []
    if latest:
        lines = "\n".join(_first(_score(score) for score in latest.values()))
        facts.append(Fact(translate("Facts", "Accuracy on this PC"), lines))
    for speed in measured.speeds[:1]:
        text = translate(
            "Facts", "{written} tokens/s of an answer, {read} tokens/s of the prompt, with {threads} threads ({day})"
        ).format(
            written=quantities.rate(speed.written),
            read=quantities.rate(speed.read),
            threads=speed.threads,
            day=quantities.moment(speed.created),
        )
        facts.append(Fact(translate("Facts", "Speed on this PC"), text))
    return facts


def _score(score: LocalScore) -> str:
    questions = naming.task(score.task) if not score.part else f"{naming.task(score.task)}, {naming.group(score.part)}"
    share = Share(score.correct, score.n, score.low, score.high)
    return translate("Facts", "{questions}, {language}: {accuracy} of {count} ({how}, {day})").format(
        questions=plain_line(questions),
        language=naming.language(score.language),
        accuracy=quantities.accuracy(share),
        count=quantities.number(score.n),
        how=plain_line(naming.how(score.how)),
        day=plain_line(quantities.moment(score.created)),
    )


def _signature(signature: SignatureFinding) -> Fact:
    name, signer = translate("Facts", "Signature"), plain_line(signature.signer)
    match signature.state:
        case "valid":
            signed = translate("Facts", "by {signer} (key {key}), whom this PC trusts")
            return Fact(name, signed.format(signer=signer, key=signature.key_id), "good")
        case "unknown_key":
            unknown = translate("Facts", "with the key {key}, which this PC does not trust; it claims to be {signer}")
            return Fact(name, unknown.format(signer=signer, key=signature.key_id), "check")
        case "none":
            return Fact(name, translate("Facts", "none"), "check")
        case "broken":
            return Fact(name, translate("Facts", "does not fit: manifest or signature was changed"), "bad")


def _verdict(manifest: Manifest) -> list[Fact]:
    name = translate("Facts", "Verdict of the scoring")
    verdict = manifest.verdict
    if verdict is None:
        return [Fact(name, translate("Facts", "none: the file was not scored"), "check")]
    passed = translate("Facts", "passed") if verdict.passed else translate("Facts", "not passed")
    # Those that were not met come first: if any are left out, not they.
    conditions = (
        f"{'✓' if each.passed else '✗'} {plain_line(f'{each.name}: {each.reason}', _LONGEST_CONDITION)}"
        for each in sorted(verdict.conditions, key=lambda each: each.passed)
    )
    return [
        Fact(name, passed, "good" if verdict.passed else "bad"),
        Fact(translate("Facts", "Conditions"), "\n".join(_first(conditions))),
    ]


def _billions(count: int) -> str:
    if count >= 1e9:
        return translate("Facts", "{count} billion").format(count=f"{count / 1e9:.2f}")
    return translate("Facts", "{count} million").format(count=f"{count / 1e6:.1f}")


def _day(day: datetime.date) -> QDate:
    return QDate(day.year, day.month, day.day)


def _short(digest: str) -> str:
    return f"{plain_line(digest[:_HASH_DIGITS])}…"


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(_first(plain_line(f"{name} {value}") for name, value in values.items()))


def _first(items: Iterable[str]) -> list[str]:
    """As many as a person reads; whether there are more is said by a …"""
    first = list(islice(items, _MOST_ITEMS + 1))
    return first if len(first) <= _MOST_ITEMS else [*first[:_MOST_ITEMS], "…"]
