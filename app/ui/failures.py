"""Failures in the language of the interface: what happened and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from PySide6.QtCore import QCoreApplication

if TYPE_CHECKING:
    from app.core.engine.protocol import Failed, FailureCode

_NOT_HELPED_BY_ASKING_AGAIN = frozenset(
    {
        "prompt_too_long",
        "worker_unusable",
        "bad_model",
        "model_missing",
        "model_changed",
        "model_not_approved",
        "bad_template",
    }
)


def failure_sentence(failure: Failed) -> str:
    """For a failure that the engine just reported."""
    if failure.code == "not_enough_memory" and failure.needed_bytes is not None and failure.free_bytes is not None:
        return QCoreApplication.translate(
            "Failure",
            "Not enough memory: the model needs {needed} GB, and {free} GB are free. "
            "Close other programs and try again.",
        ).format(needed=gigabytes(failure.needed_bytes), free=gigabytes(failure.free_bytes))
    return code_sentence(failure.code)


def saved_failure_sentence(failure: str | None) -> str:
    """For the failure kept with an answer: a code, or a sentence of its own."""
    if failure is None:
        return code_sentence("compute_failed")
    # Not at the top: the window opens before it needs the engine's messages.
    from app.core.engine.protocol import FailureCode

    for code in get_args(FailureCode):
        if failure == code:
            return code_sentence(code)
    return failure


def asking_again_helps(failure: str | None) -> bool:
    return failure not in _NOT_HELPED_BY_ASKING_AGAIN


def gigabytes(count: int) -> str:
    """Bytes as a number of 10^9 bytes with one decimal."""
    return f"{count / 1e9:.1f}"


def code_sentence(code: FailureCode) -> str:
    translate = QCoreApplication.translate
    match code:
        case "bad_request":
            return translate("Failure", "The engine did not understand the request. Restart it and ask again.")
        case "no_model":
            return translate("Failure", "No model is loaded. Restart the engine to load it again.")
        case "bad_model":
            return translate(
                "Failure",
                "The model file cannot be used: it is damaged or of an unknown kind. "
                "Ask your administrator to import it again.",
            )
        case "model_crashed":
            return translate(
                "Failure",
                "The engine ended while loading the model file, which may be damaged. "
                "Try again; if it happens again, ask your administrator to import the file again.",
            )
        case "model_missing":
            return translate("Failure", "There is no model file. Ask your administrator to import one.")
        case "model_changed":
            return translate(
                "Failure",
                "The model file is not the one that was checked: it was changed or is incomplete. "
                "Ask your administrator to import it again.",
            )
        case "model_not_approved":
            return translate(
                "Failure",
                "The chosen model is not approved for use on this PC, or not any more. "
                "Ask your administrator to approve it or to choose another one.",
            )
        case "not_enough_memory":
            return translate("Failure", "There is not enough memory. Close other programs and try again.")
        case "bad_template":
            return translate(
                "Failure",
                "The model file does not say correctly how questions are put to it. "
                "Ask your administrator for a corrected file.",
            )
        case "prompt_too_long":
            return translate(
                "Failure", "The question is longer than the model can read. Shorten it, or begin a new question."
            )
        case "compute_failed":
            return translate("Failure", "The engine could not finish the answer. Ask again.")
        case "cancelled":
            return translate("Failure", "The answer was stopped.")
        case "worker_died":
            return translate("Failure", "The engine ended unexpectedly. What was written so far is saved. Try again.")
        case "worker_hung":
            return translate(
                "Failure", "The engine no longer responded and was ended. What was written so far is saved. Ask again."
            )
        case "worker_unusable":
            return translate(
                "Failure", "The engine cannot be started on this PC. Ask your administrator to run “inro doctor”."
            )
