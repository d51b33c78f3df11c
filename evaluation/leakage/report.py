"""What `inro-eval leakage` says: how many questions of a task a training set holds, and which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from app.core.language import Language
from evaluation.leakage.findings import Finding, find
from evaluation.leakage.grams import COMMON
from evaluation.leakage.index import LEAKED, Index
from evaluation.leakage.pieces import Text
from evaluation.leakage.questions import Questions, TaskQuestions, broken_records, questions
from evaluation.leakage.texts import SIZES
from evaluation.leakage.training_files import Reading, read_texts
from evaluation.output import Output

_SHOWN = 5


def leakage(
    paths: Sequence[Path], task: str, folder: Path, language: Language | None, on_bytes: Callable[[int], None]
) -> tuple[Output, tuple[Finding, ...]]:
    """Raises InputError for an unknown task, data without a question, or any file that cannot be read."""
    asked = questions(folder, task, language)
    index = Index(asked.items)
    reading = Reading()
    findings = find(index, _texts(paths, index, reading, on_bytes))
    json = _json(task, asked, index, reading, findings)
    return Output(json, _text(json, asked.tasks, findings)), findings


def _texts(paths: Sequence[Path], index: Index, reading: Reading, on_bytes: Callable[[int], None]) -> Iterator[Text]:
    for path in paths:
        yield from read_texts(path, index.longest, reading, on_bytes)


def _json(task: str, asked: Questions, index: Index, reading: Reading, findings: Sequence[Finding]) -> dict[str, Any]:
    leaked = [one for one in findings if one.leaked]
    return {
        "format": "inro-leakage/1",
        "task": task,
        "languages": sorted({item.language for item in asked.items}),
        "items": len(asked.items),
        "tasks": [msgspec.to_builtins(one) for one in asked.tasks],
        "lost": asked.lost,
        "leaked": len(leaked),
        "leaked_with_answer": sum(one.answered for one in leaked),
        "overlapping": len(findings) - len(leaked),
        "only_with_options": index.with_options,
        "untold_short": [item.id for item in index.untold.short],
        "untold_common": [item.id for item in index.untold.common],
        "method": {
            "ngram_words_en": SIZES["en"].gram,
            "ngram_characters_ja": SIZES["ja"].gram,
            "leaked_share": LEAKED,
            "ignored_if_in_more_questions_than": COMMON,
        },
        "training": {
            "files": reading.files,
            "texts": reading.texts,
            "characters": reading.characters,
            "unread": reading.unread,
            "unread_lines": reading.named,
        },
        "findings": [msgspec.to_builtins(one) for one in findings],
    }


def _text(json: dict[str, Any], tasks: Sequence[TaskQuestions], findings: Sequence[Finding]) -> str:
    training = json["training"]
    untold = len(json["untold_short"]) + len(json["untold_common"])
    amount = f"{training['files']:,} files, {training['texts']:,} texts, {training['characters']:,} characters"
    lines = [
        f"{json['task']} ({', '.join(json['languages'])}): {json['items']:,} questions",
        *(f"  {line}" for line in task_lines(tasks)),
        f"training set: {amount}",
        f"leaked       {json['leaked']:,}, of which {json['leaked_with_answer']:,} with the right answer beside them",
        *_examples([one for one in findings if one.leaked]),
        f"overlapping  {json['overlapping']:,}: some words in common, less than half of the question",
        *_examples([one for one in findings if not one.leaked]),
    ]
    if json["only_with_options"]:
        lines.append(f"short        {json['only_with_options']:,}: found only with all their options beside them")
    if untold:
        lines.append(f"not checked  {untold:,}: too short, or nothing but common phrases")
    if training["unread"]:
        lines += [
            f"NOT READ     {training['unread']:,} lines of the training set; they may hold anything:",
            *(f"  {one}" for one in training["unread_lines"][:_SHOWN]),
        ]
    return "\n".join(lines)


def task_lines(tasks: Sequence[TaskQuestions]) -> list[str]:
    """What of each task is looked for, and what cannot be."""
    return [line for one in tasks for line in _task_lines(one)]


def _task_lines(one: TaskQuestions) -> Iterator[str]:
    by_text = f", of them by the text alone {broken_records(one.by_text)}" if one.by_text else ""
    left_out = f"; {one.left_out:,} records are never asked" if one.left_out else ""
    yield f"{one.task} ({one.language}): {one.questions:,}{by_text}{left_out}"
    if one.lost:
        yield f"NOT LOOKED FOR: {broken_records(one.lost)} of {one.task} ({one.language}), such as {one.lost_first}"


def _examples(findings: Sequence[Finding]) -> list[str]:
    """The first of them; where they only overlap, those that do most."""
    first = sorted(findings, key=lambda one: -one.share) if findings and not findings[0].leaked else findings
    lines = [f"  {one}" for one in first[:_SHOWN]]
    return lines + ([f"  and {len(findings) - _SHOWN:,} more"] if len(findings) > _SHOWN else [])
