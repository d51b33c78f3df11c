"""`inro models`: list, import and choose model files."""

from __future__ import annotations

import datetime
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import to_builtins

from app.commands.expectation import sentences
from app.commands.terminal import plain
from app.core.command import print_json
from app.core.engine.gauge import Gauge
from app.core.errors import ExitCode
from app.core.models.administration import Administration
from app.core.models.importing import (
    Copying,
    HeaderRead,
    Import,
    MemoryCompared,
    PapersChecked,
    Placed,
    Placing,
    Probing,
    SpaceFound,
    Step,
)
from app.core.models.library import InstalledModel, ModelLibrary
from app.core.models.local_results import read_local_results
from app.core.models.standing import ModelStanding, Standing, State
from app.core.paths import user_paths
from app.core.settings import read_settings

_STATES: dict[State, str] = {
    "waiting": "waiting for approval",
    "approved": "approved",
    "to_reapprove": "to be approved again",
    "removed": "removed",
}


def list_models(*, as_json: bool) -> int:
    paths = user_paths()
    chosen = read_settings(paths.settings).model
    administration = Administration(paths)
    library = ModelLibrary(paths.models)
    library.sweep()
    models = library.models()
    standing = administration.standing() if models else Standing()
    described = [_described(model, standing.of(model.sha256, model.name), chosen) for model in models]
    if as_json:
        measured = read_local_results(paths.benchmarks)
        for model, facts in zip(models, described, strict=True):
            facts["measured_here"] = to_builtins(measured.get(model.sha256))
        print_json({"models": described})
        return ExitCode.DONE
    if not models:
        print("The library is empty; the demonstration model answers. Bring a file with: inro models import FILE")
    for model, facts in zip(models, described, strict=True):
        mark = "*" if facts["chosen"] else " "
        state = _STATES[standing.of(model.sha256, model.name).state]
        signed = "signed" if facts["signed"] else "UNSIGNED"
        expired = "  EXPIRED" if facts["expired"] else ""
        size = model.file_bytes / 1e9
        print(f"{mark} {plain(model.name)}  {size:.2f} GB  {model.sha256[:12]}  {state}  {signed}{expired}")
    return ExitCode.DONE


def import_model(file: Path, manifest: Path | None, *, as_json: bool) -> int:
    paths = user_paths()
    administration = Administration(paths)
    told = sys.stderr is not None and sys.stderr.isatty()
    model = _brought_in(administration.bring_in(file, manifest, Gauge() if told else None), told=told)
    standing = administration.standing().of(model.sha256, model.name)
    facts = _described(model, standing, read_settings(paths.settings).model)
    if as_json:
        print_json(facts)
        return ExitCode.DONE
    print(f"{plain(model.name)} is in the library.{_remark(model, standing)}")
    if standing.state == "approved":
        print(f"It is approved already. Use it with: inro models use {model.sha256[:12]}")
    else:
        print(f"It waits for approval: inro models approve {model.sha256[:12]} --reason TEXT")
    return ExitCode.DONE


def _brought_in(bringing: Import, *, told: bool) -> InstalledModel:
    """Run the import; its steps are `told` to a person at a terminal. Raises ImportCancelled for Ctrl-C."""
    with _cancelled_by_ctrl_c(bringing), closing(bringing.steps()) as steps:
        for step in steps:
            if isinstance(step, Placed):
                return step.model
            if told:
                _tell(step)
    raise AssertionError("an import ends with Placed or an exception")


@contextmanager
def _cancelled_by_ctrl_c(bringing: Import) -> Iterator[None]:
    """Ctrl-C and SIGTERM cancel, so that what is said of the import is true at any moment; a second one just ends."""
    pressed, ended = threading.Event(), threading.Event()

    def press(number: int, _frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        pressed.set()

    def cancel() -> None:
        # In a thread: a handler must not wait for a lock that is held by what it interrupts.
        pressed.wait()
        if not ended.is_set():
            bringing.cancel()

    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, press) for number in numbers}
    threading.Thread(target=cancel, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        pressed.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(step: Step) -> None:
    """A line or a few for a step, on stderr."""
    match step:
        case HeaderRead(header=header):
            text = f"{header.architecture}, {header.parameters:,} parameters, {header.part_count} file(s)"
        case MemoryCompared():
            for sentence in sentences(step):
                print(plain(sentence), file=sys.stderr)
            return
        case SpaceFound(needed_bytes=needed, free_bytes=free):
            text = f"{needed / 1e9:.2f} GB of {free / 1e9:.2f} GB free on the disk are needed"
        case Copying(done_bytes=done, total_bytes=total):
            end = "\n" if done >= total else ""
            print(f"\rcopying {done / 1e6:,.0f} of {total / 1e6:,.0f} MB", end=end, file=sys.stderr, flush=True)
            return
        case PapersChecked(manifest=manifest, signature=signature):
            text = f"manifest: {signature}" if manifest else "there is no manifest"
        case Probing(done=done, steps=steps):
            text = f"trying it in a process of its own: {done} of {steps}"
        case Placing():
            text = "putting it into place"
        case Placed():
            text = "in place"
    print(plain(text), file=sys.stderr)


def use_model(name: str) -> int:
    print(f"{Administration(user_paths()).use(name)} answers from the next start on.")
    return ExitCode.DONE


def _described(model: InstalledModel, standing: ModelStanding, chosen: str | None) -> dict[str, object]:
    expires = model.manifest.expires if model.manifest else None
    return {
        "name": model.name,
        "sha256": model.sha256,
        "path": str(model.path),
        "file_bytes": model.file_bytes,
        "manifest": model.manifest is not None,
        "demonstration": bool(model.manifest and model.manifest.demonstration),
        "chosen": model.sha256 == chosen,
        "state": standing.state,
        "cause": standing.cause,
        "reason": standing.reason,
        "signed": bool(standing.key_id),
        "expires": expires.isoformat() if expires else None,
        "expired": bool(model.manifest and model.manifest.expired(datetime.date.today())),
    }


def _remark(model: InstalledModel, standing: ModelStanding) -> str:
    if model.manifest is None:
        return " It has no manifest: nobody says what it is or how it scored."
    return "" if standing.key_id else " Its manifest has no signature that this machine trusts."
