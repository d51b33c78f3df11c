"""Every task and what is on the disk of it: for `inro-eval tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.core.errors import InputError
from app.core.language import Language
from evaluation.output import Output
from evaluation.tasks.benchmark import Benchmark
from evaluation.tasks.own import JSONL
from evaluation.tasks.problems import problem_lines, some, told
from evaluation.tasks.registry import BENCHMARKS


def tasks(folder: Path | None) -> Output:
    """Every task; with a folder also what is in it. Raises InputError if the folder is not there."""
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give the one that holds the benchmarks' files.")
    described = [_described(known, folder) for known in BENCHMARKS]
    text = "\n\n".join(map(_text, [_demo(), *described]))
    return Output({"tasks": [_demo(), *described]}, text)


def _demo() -> dict[str, Any]:
    return {
        "name": "demo",
        "title": "facts and five-choice questions of the demonstration corpus",
        "languages": ["ja", "en"],
        "licence": "Apache-2.0",
        "source": "built in",
        "size": "about 160 facts and 64 questions",
    }


def _described(known: Benchmark, folder: Path | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": known.name,
        "title": known.title,
        "languages": list(known.languages),
        "licence": known.licence,
        "source": known.source,
        "size": known.size,
    }
    if folder is not None and known is not JSONL:
        facts["data"] = {language: _on_disk(known, folder, language) for language in known.languages}
    return facts


def _on_disk(known: Benchmark, folder: Path, language: Language) -> dict[str, Any]:
    found: dict[str, Any] = {"items": 0, "missing": list(known.missing(folder, language))}
    try:
        loaded = known.load(folder, language)
    except InputError as error:
        return found if found["missing"] else {**found, "error": str(error)}
    return {**found, "items": len(loaded.items), **told(loaded)}


def _text(facts: dict[str, Any]) -> str:
    lines = [
        f"{facts['name']}: {facts['title']}",
        f"  languages {', '.join(facts['languages'])} · {facts['size']}",
        f"  licence {facts['licence']} · from {facts['source']}",
    ]
    for language, data in facts.get("data", {}).items():
        lines += _data_text(language, data)
    return "\n".join(lines)


def _data_text(language: str, data: dict[str, Any]) -> list[str]:
    if not data["items"]:
        return [f"  {language}: {data.get('error') or 'not here; expected ' + some(data['missing'])}"]
    lines = [f"  {language}: {data['items']:,} questions can be asked"]
    if data["missing"]:
        lines.append(f"      missing: {some(data['missing'])}")
    return lines + [f"      {line}" for line in problem_lines(data)]
