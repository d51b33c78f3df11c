"""The manifest beside a model file: what it is, what it was made from, and the hash that ties the two together."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from app.core.errors import CheckRefused, InputError, excerpt
from app.core.files import read_bounded, sha256_file, write_atomically
from app.core.language import Language

MAX_MANIFEST_BYTES = 1024 * 1024
MAX_NAME_CHARACTERS = 200

Text = Annotated[str, msgspec.Meta(max_length=4000)]
"""Long enough for a sentence or a few; short enough to be shown."""
Item = TypeVar("Item")
Many = Annotated[tuple[Item, ...], msgspec.Meta(max_length=1000)]
Sha256OrNone = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]


class BadManifest(InputError):
    """A manifest that is too large, no JSON, or not of the schema."""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input of the file: a checkpoint, an adapter, a data set, a run record, an importance matrix."""

    kind: Literal["checkpoint", "adapter", "data", "record", "importance"]
    name: Text
    sha256: Text


class ScoreCardReference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    file: Text
    sha256: Text


class Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base model, as its publisher calls it, and the commit; empty where it is not known."""

    name: Text
    revision: Text = ""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A further file of a model that is split; the first is the one that the manifest names."""

    file: Text
    file_bytes: int
    sha256: Text


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was asked of the file before its release."""

    name: Text
    passed: bool
    reason: Text
    """A sentence."""


class ScoredRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of the evaluation that scored the file."""

    task: Text
    language: Language
    how: Text
    """letter, option, generate, paper or paper-fixed."""
    n: int
    correct: int
    accuracy: float
    interval_95: tuple[float, float]
    """Wilson's."""
    items_sha256: Text
    """Of the run's items.jsonl."""
    llama_cpp_commit: Text
    """Of the engine that scored it."""
    baseline_model_sha256: Text = ""
    """Of the file that it was compared with; empty without one."""
    baseline_items_sha256: Text = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the file may ship, and why: what `inro-eval gate` said last."""

    passed: bool
    conditions: Many[Condition]
    runs: Many[ScoredRun]
    thresholds_sha256: Text


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`examples` are questions that the model can answer, offered to the person who opens an empty window.

    `recipe` says how the file was made: types, importance matrix, rounding of the base. `not_compared` are sentences on
    what its verification left out. `intended_use` says for whom and for what the model was made; after the day
    `expires` its maker no longer stands by it. `chat_template_sha256` is of the template in the file, in UTF-8; empty
    where it was not written down.
    """

    format: Literal["inro-model-manifest/1"] = "inro-model-manifest/1"
    name: Text
    file: Text
    file_bytes: int
    sha256: Text
    architecture: Text
    quantization: Text
    parameters: int
    context_length: int
    licence: Text
    languages: Many[Language]
    demonstration: bool = False
    examples: dict[Language, Many[Text]] = {}
    base: Base | None = None
    recipe: dict[Text, Text] = {}
    parts: Many[Part] = ()
    sources: Many[Source] = ()
    versions: dict[Text, Text] = {}
    verification: dict[Text, float] = {}
    not_compared: Many[Text] = ()
    score_cards: Many[ScoreCardReference] = ()
    verdict: Verdict | None = None
    intended_use: Text = ""
    expires: datetime.date | None = None
    chat_template_sha256: Sha256OrNone = ""

    def expired(self, today: datetime.date) -> bool:
        return self.expires is not None and self.expires < today


def manifest_path(model: Path) -> Path:
    """`x.gguf` → `x.manifest.json`."""
    return model.with_suffix(".manifest.json")


def read_manifest(path: Path) -> Manifest:
    """Raises BadManifest."""
    return parse_manifest(read_manifest_bytes(path), path)


def read_manifest_bytes(path: Path) -> bytes:
    """For what is said of the exact bytes: a signature, a hash. Raises BadManifest for a file that is too large."""
    try:
        return read_bounded(path, MAX_MANIFEST_BYTES, "a manifest")
    except InputError as error:
        raise BadManifest(str(error)) from None


def parse_manifest(data: bytes, path: Path) -> Manifest:
    """Raises BadManifest, which names `path`, for what is no JSON or not of this schema."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadManifest(f"{path} is not a valid manifest: {excerpt(error)}.") from error
    if not manifest.name.isprintable() or len(manifest.name) > MAX_NAME_CHARACTERS:
        # It is shown in terminals and in the window, where control characters move what a person reads.
        raise BadManifest(f"{path} is not a valid manifest: its name is too long or no printable text.")
    return manifest


def find_manifest(model: Path) -> Manifest | None:
    """The manifest beside `model`, or None if there is none."""
    path = manifest_path(model)
    return read_manifest(path) if path.is_file() else None


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Raises InputError for one that is too large to be read again."""
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    if len(data) > MAX_MANIFEST_BYTES:
        raise InputError(f"{path} would be larger than a manifest can be.")
    write_atomically(path, data)


def check_file(manifest: Manifest, model: Path, on_bytes: Callable[[int], None] | None = None) -> None:
    """Raises CheckRefused unless `model`, and its parts beside it, are byte for byte what the manifest describes.

    `on_bytes` is told how many bytes each step read.
    """
    first = Part(file=model.name, file_bytes=manifest.file_bytes, sha256=manifest.sha256)
    for part in (first, *manifest.parts):
        path = model.parent / part.file
        if Path(part.file).name != part.file or not path.is_file():
            raise CheckRefused(f"{part.file}, which the manifest names, is not beside {model.name}.")
        if path.stat().st_size != part.file_bytes or sha256_file(path, on_bytes) != part.sha256:
            raise CheckRefused(f"{part.file} is not the file its manifest describes: it was changed or is incomplete.")
