"""The manifest of a converted file: its hash, what it was made from, and what was found when it was checked."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from app.core.errors import CheckRefused, InputError
from app.core.files import sha256_file
from app.core.language import Language
from app.core.models.gguf_header import read_header
from app.core.models.manifest import Manifest, Part, ScoreCardReference, Source
from converter.adapters.adapter import read_adapter
from converter.checkpoint import read_checkpoint, read_json_object
from converter.inputs import Inputs
from converter.model_card import base_of, licence_of
from converter.proof.verify import Verification, quantization_of

UNKNOWN_LICENCE = "unknown"

_WRITTEN_WITH = ("inro", "gguf", "numpy")
_RECORD = "run_record.json"
_MAX_RECORD_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Facts:
    """What a manifest is made from; paths are read and hashed. `licence` None is what the checkpoint's card says.

    `sources` are the hashes of what the file was made from, of `sources_of`.

    `earlier` is the manifest that was beside the file: of the same file, it says how that was made and verified.
    """

    model: Path
    name: str
    inputs: Inputs
    licence: str | None = None
    parts: Sequence[Path] = ()
    sources: Sequence[Source] = ()
    recipe: Mapping[str, str] = field(default_factory=dict)
    verification: Verification | None = None
    earlier: Manifest | None = None
    score_cards: Sequence[Path] = ()
    examples: Path | None = None
    languages: tuple[Language, ...] = ("ja", "en")
    demonstration: bool = False
    intended_use: str = ""
    expires: datetime.date | None = None


def build_manifest(facts: Facts, target: Path) -> Manifest:
    """The manifest to be written to `target`. Score cards are named relative to it.

    Raises InputError for a file that cannot be read; CheckRefused for a verification or a score card of another file,
    and for a verification that was not passed.
    """
    header = read_header(facts.model)
    template = header.chat_template
    sha256 = sha256_file(facts.model)
    parts = tuple(_part(path) for path in facts.parts)
    found = facts.verification
    if found is not None:
        _check_verification(found, sha256, parts)
    if parts and facts.score_cards:
        raise InputError("A score card names one file, and this model lies in several; score and describe it as one.")
    earlier = facts.earlier
    if earlier and (earlier.sha256, earlier.parts) != (sha256, parts):
        earlier = None
    versions = {"python": platform.python_version(), **{name: version(name) for name in _WRITTEN_WITH}}
    return Manifest(
        name=facts.name,
        file=facts.model.name,
        file_bytes=facts.model.stat().st_size,
        sha256=sha256,
        architecture=header.architecture,
        quantization=quantization_of(header),
        parameters=header.parameters,
        context_length=header.number("context_length"),
        licence=facts.licence or licence_of(facts.inputs.checkpoint) or UNKNOWN_LICENCE,
        languages=facts.languages,
        demonstration=facts.demonstration,
        examples=_examples(facts.examples),
        base=base_of(facts.inputs.checkpoint, facts.inputs.adapters),
        recipe=dict(facts.recipe) or (earlier.recipe if earlier else {}),
        parts=parts,
        sources=(*facts.sources, *_matrix_of(earlier)),
        versions={**(earlier.versions if earlier else {}), **versions, **(found.versions if found else {})},
        verification=found.figures if found else earlier.verification if earlier else {},
        not_compared=found.skipped if found else earlier.not_compared if earlier else (),
        score_cards=tuple(_score_card(path, sha256, target) for path in facts.score_cards),
        verdict=earlier.verdict if earlier else None,
        intended_use=facts.intended_use or (earlier.intended_use if earlier else ""),
        expires=facts.expires or (earlier.expires if earlier else None),
        chat_template_sha256=hashlib.sha256(template.encode("utf-8")).hexdigest() if template is not None else "",
    )


def _part(path: Path) -> Part:
    return Part(file=path.name, file_bytes=path.stat().st_size, sha256=sha256_file(path))


def sources_of(inputs: Inputs, records: Sequence[Path] = (), importance: Path | None = None) -> list[Source]:
    """The hashes of the checkpoint, the adapters, the records of their training, the data that these name, and the
    importance matrix. Raises InputError for a record that is none."""
    found = [_source("checkpoint", inputs.checkpoint, path) for path in read_checkpoint(inputs.checkpoint).files]
    for folder in inputs.adapters:
        found += [_source("adapter", folder, path) for path in read_adapter(folder).files]
    beside = (folder / _RECORD for folder in (inputs.checkpoint, *inputs.adapters))
    given = {path.resolve(): path for path in (*(path for path in beside if path.is_file()), *records)}
    for record in given.values():
        found.append(Source(kind="record", name=record.name, sha256=sha256_file(record)))
        found += _data_of(record)
    if importance is not None:
        found.append(Source(kind="importance", name=importance.name, sha256=sha256_file(importance)))
    return found


def _matrix_of(earlier: Manifest | None) -> list[Source]:
    return [source for source in earlier.sources if source.kind == "importance"] if earlier else []


def _source(kind: Any, folder: Path, path: Path) -> Source:
    return Source(kind=kind, name=f"{folder.resolve().name}/{path.name}", sha256=sha256_file(path))


class _DataFile(msgspec.Struct, frozen=True):
    name: str
    sha256: str


class _Record(msgspec.Struct, frozen=True):
    data: tuple[_DataFile, ...] = ()


def _data_of(record: Path) -> Iterator[Source]:
    """The training data that a run record names."""
    if record.stat().st_size > _MAX_RECORD_BYTES:
        raise InputError(f"{record} is larger than a run record can be.")
    try:
        found = msgspec.json.decode(record.read_bytes(), type=_Record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{record} is no record of a training run: {error}.") from error
    for data in found.data:
        yield Source(kind="data", name=Path(data.name).name, sha256=data.sha256)


def _check_verification(found: Verification, sha256: str, parts: Sequence[Part]) -> None:
    if (found.model_sha256, found.part_sha256s) != (sha256, tuple(part.sha256 for part in parts)):
        raise CheckRefused("The verification is that of another file.")
    if found.refusals:
        raise CheckRefused(f"The file did not pass its verification: {found.refusals[0]}")


def _score_card(path: Path, sha256: str, target: Path) -> ScoreCardReference:
    model = read_json_object(path).get("model")
    if not isinstance(model, dict) or model.get("sha256") != sha256:
        raise CheckRefused(f"{path} is not a score card of this file.")
    relative = Path(os.path.relpath(path.resolve(), target.resolve().parent)).as_posix()
    return ScoreCardReference(file=path.name if relative.startswith("..") else relative, sha256=sha256_file(path))


def _examples(path: Path | None) -> dict[Language, tuple[str, ...]]:
    if path is None:
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[Language, tuple[str, ...]])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} holds no example questions by language: {error}.") from error
