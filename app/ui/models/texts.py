"""Models, what was done to them and what went wrong, in the language of the interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from app.core.engine.client import EngineError
from app.core.errors import NoSpace, NotApproved
from app.core.models import events
from app.core.models.administration import InUse
from app.core.models.examination import Objected
from app.core.models.manifest import BadManifest
from app.core.models.pin import LONGEST, SHORTEST, TooManyWrongPins, WrongPin
from app.core.models.sources import UnclearSource
from app.services.administrator import LockedMeanwhile
from app.services.library import DeedCancelled
from app.ui.controls import plain_line, plain_text
from app.ui.failures import failure_sentence
from app.ui.panels import Tone

if TYPE_CHECKING:
    from app.core.errors import UserFacingError
    from app.core.models.examination import Objection
    from app.core.models.overview import Entry, Mark
    from app.core.models.standing import Cause
    from app.services.import_progress import ImportProgress, Stage


translate = QCoreApplication.translate

_LONGEST_NAME = 120
_LONGEST_DETAILS = 600


def state(entry: Entry) -> tuple[str, Tone]:
    if entry.demonstration_model:
        return (translate("Models", "in use"), "good") if entry.in_use else (translate("Models", "available"), "plain")
    match entry.standing.state:
        case "approved":
            return (
                (translate("Models", "in use"), "good") if entry.in_use else (translate("Models", "approved"), "good")
            )
        case "to_reapprove":
            return translate("Models", "to be approved again"), "check"
        case "waiting" if entry.standing.cause == "withdrawn":
            return translate("Models", "approval withdrawn"), "check"
        case _:
            return translate("Models", "waiting for approval"), "check"


def mark(kind: Mark) -> tuple[str, Tone]:
    match kind:
        case "demonstration":
            return translate("Models", "demonstration"), "check"
        case "unsigned":
            return translate("Models", "unsigned"), "check"
        case "broken_signature":
            return translate("Models", "signature does not fit"), "bad"
        case "not_scored":
            return translate("Models", "not scored"), "check"
        case "failed_gate":
            return translate("Models", "failed its scoring"), "bad"
        case "expired":
            return translate("Models", "expired"), "bad"
        case "damaged":
            return translate("Models", "damaged"), "bad"


def cause(kind: Cause) -> str:
    """Why a model must be approved again."""
    match kind:
        case "":
            return ""
        case "withdrawn":
            return translate("Models", "The approval was withdrawn.")
        case "manifest":
            return translate("Models", "It came with another manifest since it was approved.")
        case "engine":
            return translate("Models", "The engine was updated since it was approved.")
        case "key":
            return translate("Models", "The key that its manifest is signed with is no longer trusted.")
        case "policy":
            return translate("Models", "The policy now asks for a trusted signature.")


def problem(error: UserFacingError | OSError) -> str:
    """What went wrong and the way out; in the program's own words where there is no other sentence for it."""
    match error:
        case WrongPin():
            return translate("Models", "The PIN is wrong.")
        case TooManyWrongPins(seconds=seconds):
            return translate("Models", "Wrong PINs were given. Wait {seconds} seconds, then try again.").format(
                seconds=seconds
            )
        case InUse():
            return translate("Models", "The model is in use. Choose another one first.")
        case Objected(objection=objection):
            return with_details(objected(objection), objection)
        case NotApproved():
            return translate("Models", "The model is not approved for use on this PC.")
        case LockedMeanwhile():
            return translate("Models", "It was locked in the meantime; nothing was done.")
        case DeedCancelled():
            return translate("Models", "It was cancelled; nothing was changed.")
        case NoSpace():
            return with_details(translate("Models", "There is no space left on the disk."), error)
    return with_details(translate("Models", "This could not be done."), error)


def with_details(sentence: str, error: UserFacingError | OSError | Objection) -> str:
    message = plain_text(str(error), _LONGEST_DETAILS)
    details = translate("Models", "Details: {message}").format(message=message)
    return f"{sentence}\n{details}"


def pin_rule() -> str:
    return translate("Models", "{shortest} to {longest} characters").format(shortest=SHORTEST, longest=LONGEST)


def import_problem(progress: ImportProgress) -> str:
    """Why an import ended without a model."""
    from app.core.models.importing import ImportCancelled

    error = progress.error
    assert error is not None
    nothing = translate("Models", "Nothing of the file is kept.")
    match error:
        case ImportCancelled():
            cancelled = translate("Models", "The import was cancelled.")
            return f"{cancelled} {nothing}"
        case Objected(objection=objection):
            sentence = objected(objection)
        case BadManifest():
            sentence = translate("Models", "The manifest beside the file is damaged, or none that this version knows.")
        case UnclearSource():
            sentence = translate(
                "Models",
                "It is not clear which file is the model. Choose one GGUF file, or drop the folder of one model.",
            )
        case NoSpace():
            sentence = translate("Models", "There is not enough space on the disk for this file.")
        case FileNotFoundError():
            sentence = translate("Models", "The file is not there any more. Is the stick or the share still connected?")
        case EngineError(failure=failure):
            sentence = failure_sentence(failure)
        case _:
            sentence = _stage_problem(progress.stage)
    return with_details(f"{sentence} {nothing}", error)


def _stage_problem(stage: Stage) -> str:
    match stage:
        case "header":
            return translate("Models", "The file is not a model that this application can use, or it is damaged.")
        case "memory":
            return translate("Models", "This PC could not be compared with what the model needs.")
        case "copy":
            return translate("Models", "The file could not be copied. Is the stick or the share still connected?")
        case "papers":
            return translate("Models", "The copy of the file could not be checked.")
        case "probe":
            return translate("Models", "The model did not pass its trial: it cannot be loaded, or does not answer.")
        case "place":
            return translate("Models", "The model could not be put into the library.")


def time_left(seconds: float | None) -> str:
    """Empty where it cannot be told."""
    if seconds is None:
        return ""
    whole = max(1, round(seconds))
    if whole < 90:
        return translate("Models", "about {seconds} s left").format(seconds=whole)
    return translate("Models", "about {minutes} min left").format(minutes=round(whole / 60))


def shown(text: str) -> str:
    """A name from outside, in one line."""
    return plain_line(text, _LONGEST_NAME)


def happened(event: events.Event) -> str:
    """A line of the record, for a person."""
    match event:
        case events.Begun(computer=computer):
            return translate("Models", "The record of this installation begins, on {computer}").format(
                computer=computer
            )
        case events.BegunAnew(reason=reason):
            return translate(
                "Models", "Began this record in place of one that was changed, and is kept: {reason}"
            ).format(reason=reason)
        case events.Imported(name=name, key_id=""):
            return translate("Models", "Imported {name}, unsigned").format(name=name)
        case events.Imported(name=name, key_id=key_id):
            return translate("Models", "Imported {name}, signed with the key {key}").format(name=name, key=key_id)
        case events.Approved(name=name, reason=reason):
            return translate("Models", "Approved {name}: {reason}").format(name=name, reason=reason)
        case events.Withdrawn(name=name, reason=reason):
            return translate("Models", "Withdrew the approval of {name}: {reason}").format(name=name, reason=reason)
        case events.Removed(name=name, reason=reason):
            return translate("Models", "Removed {name}: {reason}").format(name=name, reason=reason)
        case events.Switched(name=name):
            return translate("Models", "Switched to {name}").format(name=name)
        case events.RolledBack(name=name):
            return translate("Models", "Went back to {name}").format(name=name)
        case events.PolicyChanged(unsigned=unsigned, named=named):
            return translate(
                "Models", "Changed the policy. Unsigned models: {unsigned}. Files named at the start: {named}"
            ).format(unsigned=rule(unsigned), named=rule(named))
        case events.KeyTrusted(key_id=key_id, name=name):
            return translate("Models", "Trusted the key {key} of {name}").format(key=key_id, name=name)
        case events.KeyDistrusted(key_id=key_id, name=name):
            return translate("Models", "No longer trusts the key {key} of {name}").format(key=key_id, name=name)
        case events.PinSet(before="lost"):
            return translate("Models", "Set the administrator's PIN; the one before was lost")
        case events.PinSet():
            return translate("Models", "Set the administrator's PIN")
        case events.BackendChanged(backend=backend):
            return translate("Models", "The engine was updated: {engine}").format(engine=backend)


def rule(value: events.Rule) -> str:
    return translate("Models", "allowed") if value == "allow" else translate("Models", "refused")


def policy(unsigned: events.Rule) -> str:
    """For the status line."""
    return (
        translate("Models", "Policy: signed files only")
        if unsigned == "refuse"
        else translate("Models", "Policy: unsigned files allowed")
    )


def objected(objection: Objection) -> str:
    """What speaks against a model."""
    match objection.kind:
        case "broken_signature":
            return translate("Models", "The signature does not fit: the manifest or the signature was changed.")
        case "contradiction":
            return translate("Models", "The manifest describes another file than this one.")
        case "expired":
            return translate("Models", "The day until which its maker stands by the model is past.")
        case "unsigned":
            return translate(
                "Models", "The model is not signed, and the policy of this PC asks for a trusted signature."
            )
        case "unknown_key":
            return translate(
                "Models",
                "The model is signed with a key that this PC does not trust, "
                "and the policy asks for a trusted signature.",
            )
        case "changed":
            return translate("Models", "The file is not the one that was imported: it was changed or is incomplete.")
        case "other_file":
            return translate(
                "Models", "The file is not the one that its manifest and signature describe: it was changed."
            )
        case "other_manifest":
            return translate(
                "Models",
                "The model came with another manifest in the meantime. Look at it again before you approve it.",
            )
