"""`inro models inspect` and `verify`: what a file says of itself, who vouches for it, and whether it all fits."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

from app.commands import expectation
from app.commands.terminal import Counter, plain
from app.core.command import print_json
from app.core.engine.gauge import Gauge
from app.core.errors import ExitCode
from app.core.models.administration import Administration
from app.core.models.examination import Examination, check_contents, examine, objections
from app.core.models.importing import compare
from app.core.paths import user_paths


def inspect(file: Path, manifest: Path | None, *, as_json: bool) -> int:
    """Show, with what to expect of it on this machine; judge nothing."""
    examined = _examined(file, manifest)
    facts, compared = described(examined, datetime.date.today()), compare(examined.header, Gauge())
    if as_json:
        print_json({**facts, "machine": expectation.facts(compared)})
    else:
        _print(facts)
        for sentence in expectation.sentences(compared):
            print(f"{'on this machine':24} {plain(sentence)}")
    return ExitCode.DONE


def verify(file: Path, manifest: Path | None, *, as_json: bool) -> int:
    """Judge: exit code 1 if anything speaks against the file."""
    examined = _examined(file, manifest)
    allowed = Administration(user_paths()).standing().policy.unsigned == "allow"
    found = [str(each) for each in objections(examined, datetime.date.today(), unsigned_allowed=allowed)]
    if changed := check_contents(examined, Counter("reading", examined.header.file_bytes)):
        found.insert(0, changed)
    if examined.manifest is None and not found:
        found.append("It has no manifest, so that there is nothing to check it against.")
    if as_json:
        print_json({**described(examined, datetime.date.today()), "passed": not found, "objections": found})
    elif found:
        print("\n".join(f"error: {plain(sentence)}" for sentence in found), file=sys.stderr)
    else:
        print(f"{file.name} is the file that its manifest describes; the manifest is {plain(str(examined.signature))}.")
    return ExitCode.REFUSED if found else ExitCode.DONE


def described(examined: Examination, today: datetime.date) -> dict[str, object]:
    """The facts about a file, for `--json`."""
    header, manifest = examined.header, examined.manifest
    claims: dict[str, object] | None = None
    if manifest is not None:
        claims = {
            "name": manifest.name,
            "sha256": manifest.sha256,
            "quantization": manifest.quantization,
            "languages": list(manifest.languages),
            "base": manifest.base.name if manifest.base else None,
            "intended_use": manifest.intended_use,
            "gate_passed": manifest.verdict.passed if manifest.verdict else None,
            "demonstration": manifest.demonstration,
        }
    expires = manifest.expires if manifest else None
    return {
        "file": examined.path.name,
        "file_bytes": header.file_bytes,
        "files": header.part_count,
        "name": header.name,
        "architecture": header.architecture,
        "parameters": header.parameters,
        "quantization": {kind: round(share, 4) for kind, share in examined.quantization.items()},
        "context_length": header.number("context_length"),
        "tokenizer": header.text("tokenizer.ggml.model"),
        "vocabulary": header.vocabulary,
        "chat_template": header.chat_template is not None,
        "chat_template_sha256": examined.template_sha256 or None,
        "licence": header.text("general.license") or (manifest.licence if manifest else None),
        "manifest": claims,
        "signature": examined.signature.state,
        "signer": examined.signature.signer or None,
        "key_id": examined.signature.key_id or None,
        "expires": expires.isoformat() if expires else None,
        "expired": bool(manifest and manifest.expired(today)),
    }


def _print(facts: dict[str, object]) -> None:
    for name, value in facts.items():
        if isinstance(value, dict) and name == "manifest":
            for key, inner in value.items():
                print(f"{'manifest ' + key.replace('_', ' '):24} {_shown(inner)}")
        else:
            print(f"{name.replace('_', ' '):24} {_shown(value)}")


def _shown(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case dict():
            return ", ".join(f"{kind} {share:.0%}" for kind, share in value.items())
        case list():
            return ", ".join(map(plain, value))
    return plain(str(value))


def _examined(file: Path, manifest: Path | None) -> Examination:
    return examine(file, Administration(user_paths()).trusted(), manifest)
