"""What cannot be trained on, and how a person is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import InputError
from trainer.data.documents import Unit
from trainer.data.formats import FaultKind

_NAMED = 3


@dataclass(frozen=True)
class Fault:
    """Why a record, or a whole file, cannot be trained on."""

    kind: FaultKind
    file: str
    line: int
    """As a record's; 0 where it is the file."""
    what: str
    unit: Unit = "line"

    def __str__(self) -> str:
        return f"{self.file}, {self.unit} {self.line}: {self.what}" if self.line else f"{self.file} {self.what}"


def refusal(faults: Sequence[Fault], at_fault: int, records: int) -> InputError | None:
    """The first few of `faults`, which hold all files but only the first of the `at_fault` records, of `records`."""
    files, others = [one for one in faults if not one.line], [one for one in faults if one.line]
    parts = [*([_files(files)] if files else []), *([_records(others, at_fault, records)] if others else [])]
    return InputError(f"{'; and '.join(parts)}.") if parts else None


def _files(faults: Sequence[Fault]) -> str:
    first, *others = faults
    if not others:
        return str(first)
    names = ", ".join(fault.file for fault in others[:_NAMED])
    return f"{len(faults):,} files cannot be read: {first}; nor can {names}{_more(len(others))}"


def _records(faults: Sequence[Fault], at_fault: int, records: int) -> str:
    if at_fault == 1:
        return f"{faults[0]}; mend or remove this record"
    reasons: dict[tuple[str, str, Unit], list[int]] = {}
    for fault in faults:
        reasons.setdefault((fault.file, fault.what, fault.unit), []).append(fault.line)
    first = list(reasons.items())[:_NAMED]
    named = [f"{file}, {_numbers(unit, lines)}: {what}" for (file, what, unit), lines in first]
    others = "" if len(first) == len(reasons) else "; and others"
    return (
        f"{at_fault:,} of {records:,} records cannot be used: {'; '.join(named)}{others}; mend or remove them "
        "(inro-train check-data lists them)"
    )


def _numbers(unit: Unit, numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"{unit} {numbers[0]}"
    return f"{unit}s {', '.join(map(str, numbers[:_NAMED]))}{_more(len(numbers))}"


def _more(count: int) -> str:
    return f" and {count - _NAMED:,} more" if count > _NAMED else ""
