"""What a model file says of itself, what its manifest says of it, who vouches for that, and what speaks against it."""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.core.errors import CheckRefused
from app.core.models.gguf_header import GgufHeader, read_header
from app.core.models.manifest import Manifest, check_file, manifest_path, parse_manifest, read_manifest_bytes
from app.core.models.signing import UNSIGNED, PublicKey, SignatureFinding, check_signature, find_signature


@dataclass(frozen=True)
class Examination:
    """`manifest_bytes` and `signature_bytes` are what lies on the disk, and what was judged."""

    path: Path
    header: GgufHeader
    manifest: Manifest | None
    manifest_bytes: bytes
    signature_bytes: bytes | None
    signature: SignatureFinding

    @property
    def name(self) -> str:
        return self.manifest.name if self.manifest else self.path.stem

    @property
    def manifest_sha256(self) -> str:
        """Empty without a manifest."""
        return hashlib.sha256(self.manifest_bytes).hexdigest() if self.manifest else ""

    @property
    def template_sha256(self) -> str:
        """Of the chat template in the file; empty without one."""
        return template_sha256(self.header)

    @property
    def quantization(self) -> dict[str, float]:
        """The share of the weights' bytes in each type, the largest first: what is there, not what is claimed."""
        sizes: Counter[str] = Counter()
        for tensor in self.header.tensors:
            sizes[tensor.type] += tensor.nbytes
        total = sum(sizes.values()) or 1
        return {kind: size / total for kind, size in sizes.most_common()}


@dataclass(frozen=True)
class Objection:
    """As text, its sentence."""

    kind: Literal[
        "broken_signature",
        "contradiction",
        "expired",
        "unsigned",
        "unknown_key",
        "changed",
        "other_file",
        "other_manifest",
    ]
    sentence: str

    def __str__(self) -> str:
        return self.sentence


class Objected(CheckRefused):
    """Something speaks against a model that a person wanted to approve or use."""

    def __init__(self, name: str, what: str, objection: Objection) -> None:
        super().__init__(f"{name} cannot be {what}. {objection}")
        self.objection = objection


def examine(model: Path, trusted: Mapping[str, PublicKey], manifest: Path | None = None) -> Examination:
    """Read header, manifest and signature; the weights are not touched.

    Args:
        manifest: where it lies; by default beside `model`, where it may be missing.

    Raises InputError for a file that is no usable model, manifest or signature.
    """
    header = read_header(model)
    path = manifest or manifest_path(model)
    if manifest is None and not path.is_file():
        return Examination(model, header, None, b"", None, UNSIGNED)
    data = read_manifest_bytes(path)
    parsed = parse_manifest(data, path)
    signature = find_signature(path)
    found = UNSIGNED if signature is None else check_signature(data, signature, trusted)
    return Examination(model, header, parsed, data, signature, found)


def template_sha256(header: GgufHeader) -> str:
    """Of the chat template, in UTF-8; empty without one."""
    template = header.chat_template
    return "" if template is None else hashlib.sha256(template.encode("utf-8")).hexdigest()


def contradictions(header: GgufHeader, manifest: Manifest) -> list[str]:
    """What the manifest says otherwise than the file's header, each as a sentence."""
    found, template = [], template_sha256(header)
    for what, claimed, held in (
        ("architecture", manifest.architecture, header.architecture),
        ("number of parameters", manifest.parameters, header.parameters),
        ("context length", manifest.context_length, header.number("context_length")),
        ("chat template", manifest.chat_template_sha256 or template, template),
        ("number of files", len(manifest.parts) + 1, header.part_count),
    ):
        if claimed != held:
            found.append(f"Its manifest names another {what} than the file has.")
    return found


def objections(examined: Examination, today: datetime.date, *, unsigned_allowed: bool) -> list[Objection]:
    """Why the file should not be used, the weightiest first; the weights are not looked at."""
    manifest, signature = examined.manifest, examined.signature
    found = []
    if signature.state == "broken":
        found.append(Objection("broken_signature", f"{_capital(signature)}."))
    if manifest is not None:
        found += [Objection("contradiction", sentence) for sentence in contradictions(examined.header, manifest)]
        if manifest.expired(today):
            sentence = f"Its maker stands by it until {manifest.expires} only, and that day is past."
            found.append(Objection("expired", sentence))
    if signature.state in ("none", "unknown_key") and not unsigned_allowed:
        what = "It has no manifest" if manifest is None else f"Its manifest is {signature}"
        sentence = f"{what}, and this machine's policy asks for a trusted signature."
        found.append(Objection("unsigned" if signature.state == "none" else "unknown_key", sentence))
    return found


def check_contents(examined: Examination, on_bytes: Callable[[int], None] | None = None) -> str | None:
    """Hash the file against its manifest; what is wrong as a sentence, or None."""
    if examined.manifest is None:
        return None
    try:
        check_file(examined.manifest, examined.path, on_bytes)
    except CheckRefused as error:
        return str(error)
    return None


def _capital(value: object) -> str:
    text = str(value)
    return text[:1].upper() + text[1:]
