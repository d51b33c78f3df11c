"""Questions, their languages and parts, and ways of scoring by their names in the language of the interface."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from app.core.language import Language
from app.services.benchmark.views import DEMONSTRATION_TASK, TaskChoice

translate = QCoreApplication.translate


def task(name: str) -> str:
    """A short name for lists; those of benchmarks are not translated."""
    if name == DEMONSTRATION_TASK:
        return translate("Benchmark", "Built-in questions")
    if name == "jsonl":
        return translate("Benchmark", "Own questions")
    known = {
        "igakuqa": "IgakuQA",
        "jmmlu": "JMMLU",
        "mmlu": "MMLU",
        "medqa": "MedQA",
        "medmcqa": "MedMCQA",
        "pubmedqa": "PubMedQA",
        "yakugakuqa": "YakugakuQA",
    }
    return known.get(name, name)


def task_title(choice: TaskChoice) -> str:
    """For choosing: what the questions are."""
    match choice.name:
        case "demo":
            return translate("Benchmark", "Built-in questions (demonstration, 392 short ones)")
        case "jsonl":
            return translate("Benchmark", "Own questions (JSON Lines)")
        case "igakuqa":
            return translate("Benchmark", "IgakuQA: Japanese medical licensing examination, 2018–2022")
        case "yakugakuqa":
            return translate("Benchmark", "YakugakuQA: Japanese pharmacists' examination, 2012–2024")
        case "jmmlu":
            return translate("Benchmark", "JMMLU: medical subjects")
        case "mmlu":
            return translate("Benchmark", "MMLU: medical subjects")
    return choice.title


def how(name: str) -> str:
    match name:
        case "letter":
            return translate("Benchmark", "Probability of the letters")
        case "option":
            return translate("Benchmark", "Probability of the options' texts")
        case "generate":
            return translate("Benchmark", "Written answers")
    return name


def language(name: Language) -> str:
    return translate("Benchmark", "Japanese") if name == "ja" else translate("Benchmark", "English")


def group(name: str) -> str:
    """A category as its data calls it, or a part of the demonstration task."""
    match name:
        case "trained":
            return translate("Benchmark", "Facts, words of the training")
        case "second_wordings":
            return translate("Benchmark", "Facts, in other words")
        case "choices_trained":
            return translate("Benchmark", "Choices of the training")
        case "choices_held_out":
            return translate("Benchmark", "Choices not in the training")
        case "" | "-":
            return translate("Benchmark", "Without a category")
    return name
