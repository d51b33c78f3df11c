"""`inro models audit`: read, check and export the record of what was done to this machine's models."""

from __future__ import annotations

from pathlib import Path

import msgspec

from app.commands.administering import authority
from app.commands.terminal import plain
from app.core.command import print_json
from app.core.errors import ExitCode
from app.core.models import events
from app.core.models.administration import Administration
from app.core.models.chain import check_contains
from app.core.models.pin import PinGuard
from app.core.models.record import Record, read_export
from app.core.paths import user_paths

LIMITS = (
    "This finds changes, gaps, another order and cuts. It cannot find that someone who may write these files wrote all "
    "of them anew. Note the last hash elsewhere (on paper, in another system), and check later with: "
    "inro models audit verify --expect HASH"
)


def verify(export: Path | None, expected: str | None, *, as_json: bool) -> int:
    contents = _record().read() if export is None else read_export(export)
    number = check_contains(contents, expected) if expected is not None else None
    count = len(contents.lines)
    if as_json:
        print_json(
            {"lines": count, "last_hash": contents.last, "expected_line": number, "completed": contents.completed}
        )
        return ExitCode.DONE
    if not count:
        print("There is no record yet: nothing was done to models on this machine, or its files were removed.")
        return ExitCode.DONE
    if contents.completed:
        print("The last addition had been interrupted; it was completed.")
    print(f"The record is sound: {count} lines, the last one of {contents.lines[-1].time}.")
    if number is not None:
        print(f"Line {number} has the hash that was noted.")
    print(f"Last hash: {contents.last}")
    print(LIMITS)
    return ExitCode.DONE


def show(*, as_json: bool) -> int:
    lines = _record().read().lines
    if as_json:
        print_json({"lines": [msgspec.to_builtins(line) for line in lines]})
        return ExitCode.DONE
    if not lines:
        print("There is no record yet: nothing was done to models on this machine.")
    for line in lines:
        print(f"{line.number:5}  {line.time}  {plain(line.user)}: {plain(sentence(line.event))}")
    return ExitCode.DONE


def begin_anew(reason: str) -> int:
    paths = user_paths()
    guard = PinGuard(paths.administrator)
    given = authority(paths) if guard.is_set else None
    anew = Administration(paths).begin_anew(guard, given, reason)
    print(f"The record that was changed is kept in {paths.record / anew.aside}.")
    print("Another one begins: every key must be trusted and every model approved anew, and the policy set again.")
    print("Until a model is chosen, the demonstration model answers.")
    return ExitCode.DONE


def export(file: Path) -> int:
    last = _record().export_to(file)
    print(f"{file} holds the record up to now, one JSON object a line. Last hash: {last}")
    return ExitCode.DONE


def sentence(event: events.Event) -> str:
    """What happened, for a person."""
    match event:
        case events.Begun(installation=installation, computer=computer):
            return f"began the record of the installation {installation} on {computer}"
        case events.BegunAnew(aside=aside, record_sha256=digest, problem=problem, reason=reason, pin=pin):
            given = "with the PIN" if pin == "given" else "while no PIN was set"
            what = f"one that was changed ({problem}), kept in {aside} with the SHA-256 {digest or '-'}"
            return f"began this record {given}, in place of {what}: {reason}"
        case events.Imported(name=name, model=model, key_id=key_id):
            return f"imported {name} ({model[:12]}), {f'signed with the key {key_id}' if key_id else 'unsigned'}"
        case events.Approved(name=name, model=model, reason=reason):
            return f"approved {name} ({model[:12]}): {reason}"
        case events.Withdrawn(name=name, model=model, reason=reason):
            return f"withdrew {name} ({model[:12]}): {reason}"
        case events.Removed(name=name, model=model, reason=reason):
            return f"removed {name} ({model[:12]}): {reason}"
        case events.Switched(name=name, model=model):
            return f"switched to {name}{f' ({model[:12]})' if model else ''}"
        case events.RolledBack(name=name, model=model):
            return f"went back to {name}{f' ({model[:12]})' if model else ''}"
        case events.PolicyChanged(unsigned=unsigned, named=named):
            return f"changed the policy: unsigned models: {unsigned}, files named on the command line: {named}"
        case events.KeyTrusted(key_id=key_id, name=name):
            return f"trusted the key {key_id} of {name}"
        case events.KeyDistrusted(key_id=key_id, name=name):
            return f"no longer trusts the key {key_id} of {name}"
        case events.PinSet(before=before):
            was = {"none": "", "known": ", which replaces the one before", "lost": "; the one before was lost"}
            return f"set the administrator's PIN{was[before]}"
        case events.BackendChanged(backend=backend):
            return f"started the engine {backend} for the first time"


def _record() -> Record:
    return Record(user_paths().record)
