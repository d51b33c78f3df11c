"""Bringing a file in: steps that can be shown and stopped, and nothing in the library before the last one.

header → memory → space → copy, hashing → manifest and signature → probe → in place, read-only
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from app.core.engine.client import EngineClient, EngineError
from app.core.engine.gauge import Gauge
from app.core.engine.hardware import default_context, free_memory
from app.core.engine.protocol import Measured
from app.core.errors import CheckRefused, ExitCode, NoSpace, UserFacingError
from app.core.files import write_atomically
from app.core.models.copying import copy_hashing
from app.core.models.examination import Examination, Objected, Objection, contradictions, examine
from app.core.models.fit import Fit, GpuFit, SpeedRange, fits, gpu_fit, speed, types_to_measure
from app.core.models.gguf_header import GgufHeader, model_files, read_header
from app.core.models.library import InstalledModel, ModelLibrary, parts_digest
from app.core.models.manifest import Manifest, manifest_path
from app.core.models.probe import Limits, limited_worker, probe, usual_limits
from app.core.models.signing import PublicKey, SignatureFinding, signature_path


@dataclass(frozen=True)
class HeaderRead:
    header: GgufHeader


@dataclass(frozen=True)
class MemoryCompared:
    """`speed` (of the processor alone) and `gpu` are None where the machine was not measured."""

    free_bytes: int
    fits: tuple[Fit, ...]
    speed: SpeedRange | None = None
    gpu: GpuFit | None = None


@dataclass(frozen=True)
class SpaceFound:
    needed_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Copying:
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class PapersChecked:
    """`manifest` is None where there is none."""

    manifest: Manifest | None
    signature: SignatureFinding


@dataclass(frozen=True)
class Probing:
    done: int
    steps: int


@dataclass(frozen=True)
class Placing:
    """What comes next can no longer be cancelled."""


@dataclass(frozen=True)
class Placed:
    """The last step."""

    model: InstalledModel


Step = HeaderRead | MemoryCompared | SpaceFound | Copying | PapersChecked | Probing | Placing | Placed


@dataclass(frozen=True)
class Prepared:
    """A checked copy that is about to get its place, for the record. `parts` as in `parts_digest`."""

    sha256: str
    name: str
    parts: str
    manifest_sha256: str
    key_id: str


class ImportCancelled(UserFacingError):
    exit_code = ExitCode.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("The import was cancelled; nothing of it is kept.")


class Import:
    """One import. `steps` runs in one thread; `cancel` may be called from another.

    Args:
        trusted: the keys whose signatures count, by key id.
        on_prepared: called before the model gets its place; what it raises ends the import.
        manifest: where that lies, if not beside the source.
        gauge: what measures this machine, for speed and GPU; one for all imports of a process.
        limits: of the probe, by the header.
        worker: the command of the process that tries the file, by its limits.
    """

    def __init__(
        self,
        library: ModelLibrary,
        source: Path,
        trusted: Mapping[str, PublicKey],
        on_prepared: Callable[[Prepared], None],
        *,
        manifest: Path | None = None,
        gauge: Gauge | None = None,
        limits: Callable[[GgufHeader], Limits] = usual_limits,
        worker: Callable[[Limits], Sequence[str]] = limited_worker,
    ) -> None:
        self._library, self._source, self._trusted = library, source, trusted
        self._on_prepared, self._manifest, self._gauge = on_prepared, manifest, gauge
        self._limits, self._worker = limits, worker
        self._cancelled = threading.Event()
        self._engine: EngineClient | None = None

    def cancel(self) -> None:
        """End the import soon; `steps` then raises ImportCancelled."""
        self._cancelled.set()
        if self._gauge is not None:
            self._gauge.cancel()
        if (engine := self._engine) is not None:
            engine.cancel()

    def steps(self) -> Generator[Step, None, None]:
        """Import; the last step is `Placed`. An iterator that is closed earlier leaves nothing either.

        Raises:
            InputError: the file or its manifest is not what the engine can use.
            CheckRefused: the file is not the one that its manifest describes, or its signature does not fit.
            MachineError: there is no space for it, or the machine could not try it.
            ImportCancelled: `cancel` was called.
        """
        with closing(self._steps()) as steps:
            for step in steps:
                yield step
                if not isinstance(step, Placed):
                    self._stop_if_cancelled()

    def _steps(self) -> Generator[Step, None, None]:
        examined = examine(self._source, self._trusted, self._manifest)
        _check_claims(examined, examined.header)
        files = model_files(self._source) if examined.header.part_count > 1 else [self._source]
        yield HeaderRead(examined.header)
        yield compare(examined.header, self._gauge)
        with self._library.scratch() as scratch:
            yield self._space(scratch, examined.header.file_bytes)
            folder = scratch / "model"
            folder.mkdir()
            hashes = yield from self._copied(files, folder, examined.header.file_bytes)
            copy = folder / _copy_name(files[0], len(files))
            # What is tried and kept is the copy: the source may have been exchanged since its header was read.
            header = read_header(copy)
            _check_claims(examined, header)
            _check_hashes(examined, files, hashes)
            yield PapersChecked(examined.manifest, examined.signature)
            yield from self._tried(copy, header, scratch)
            yield Placing()
            self._stop_if_cancelled()
            yield Placed(self._place(copy, hashes, examined))

    def _space(self, folder: Path, needed: int) -> SpaceFound:
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise NoSpace(f"The model needs {needed / 1e9:.2f} GB on the disk, and {free / 1e9:.2f} GB are free.")
        return SpaceFound(needed, free)

    def _copied(self, files: Sequence[Path], folder: Path, total: int) -> Generator[Copying, None, tuple[str, ...]]:
        done, hashes = 0, []
        for file in files:
            copying = copy_hashing(file, folder / _copy_name(file, len(files)))
            try:
                while True:
                    self._stop_if_cancelled()
                    try:
                        done += next(copying)
                    except StopIteration as end:
                        hashes.append(end.value)
                        break
                    if done > total:
                        raise CheckRefused(f"{file.name} was changed while it was copied.")
                    yield Copying(done, total)
            finally:
                copying.close()
        return tuple(hashes)

    def _tried(self, copy: Path, header: GgufHeader, scratch: Path) -> Iterator[Probing]:
        limits = self._limits(header)
        with EngineClient(self._worker(limits)) as engine:
            self._engine = engine
            try:
                self._stop_if_cancelled()
                for done, steps in probe(engine, copy, header, limits.seconds, self._cancelled, scratch):
                    yield Probing(done, steps)
            except EngineError as error:
                if self._cancelled.is_set():
                    raise ImportCancelled from error
                raise
            finally:
                self._engine = None

    def _place(self, copy: Path, hashes: tuple[str, ...], examined: Examination) -> InstalledModel:
        sha256 = hashes[0]
        there = self._library.installed(sha256)
        # One that was changed or is incomplete is replaced: that is how a damaged model is mended.
        sound = there is not None and there.hashes() == hashes
        if examined.manifest is None and there is not None and sound:
            examined = examine(there.path, self._trusted)  # Without papers, it keeps those that came before.
        valid = examined.signature.state == "valid"
        self._on_prepared(
            Prepared(
                sha256=sha256,
                name=examined.manifest.name if examined.manifest else copy.stem,
                parts=parts_digest(hashes[1:]),
                manifest_sha256=examined.manifest_sha256,
                key_id=examined.signature.key_id if valid else "",
            )
        )
        if there is not None and sound:
            _write_papers(examined, there.path)
            return InstalledModel(there.path, sha256, examined.manifest)
        _write_papers(examined, copy)
        for path in copy.parent.iterdir():
            path.chmod(0o444)
        return self._library.place(copy.parent, sha256)

    def _stop_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise ImportCancelled


def compare(header: GgufHeader, gauge: Gauge | None) -> MemoryCompared:
    """What the model needs with what this machine has; measuring takes about a second, once a process."""
    free, context_length = free_memory(), default_context(header)
    measured = _measured(header, gauge)
    if measured is None:
        return MemoryCompared(free, fits(header, free))
    expected, gpu = speed(header, measured, context_length), gpu_fit(header, measured.gpus, context_length)
    return MemoryCompared(free, fits(header, free), expected, gpu)


def _measured(header: GgufHeader, gauge: Gauge | None) -> Measured | None:
    if gauge is None:
        return None
    try:
        return gauge.measured(types_to_measure(header))
    except EngineError:
        return None  # Cancelled, or an engine that does not work here: the next step says so.


def _copy_name(file: Path, count: int) -> str:
    # The parts of a model are found by their names; a single file may have been called anything, even as a part.
    if count > 1:
        return file.name
    name = Path(f"{file.stem}.gguf")
    return name.name if model_files(name) == [name] else f"{file.stem}_.gguf"


def _check_claims(examined: Examination, header: GgufHeader) -> None:
    if examined.signature.state == "broken":
        sentence = "The signature does not fit: the manifest or the signature was changed."
        raise Objected(examined.path.name, "imported", Objection("broken_signature", sentence))
    if examined.manifest is not None:
        for sentence in contradictions(header, examined.manifest):
            raise Objected(examined.path.name, "imported", Objection("contradiction", sentence))


def _check_hashes(examined: Examination, files: Sequence[Path], hashes: Sequence[str]) -> None:
    if examined.manifest is None:
        return
    claimed = [
        (files[0].name, examined.manifest.sha256),
        *((part.file, part.sha256) for part in examined.manifest.parts),
    ]
    for file, sha256, (name, expected) in zip(files, hashes, claimed, strict=True):
        if (file.name, sha256) != (name, expected):
            sentence = "It is not the file its manifest describes: it was changed."
            raise Objected(file.name, "imported", Objection("other_file", sentence))


def _write_papers(examined: Examination, model: Path) -> None:
    """Manifest and signature beside the copy, byte for byte: the signature is one of bytes."""
    if examined.manifest is None:
        return
    path = manifest_path(model)
    # In this order, so that a signature never lies beside a manifest that it does not fit.
    signature_path(path).unlink(missing_ok=True)
    write_atomically(path, examined.manifest_bytes)
    if examined.signature_bytes is not None:
        write_atomically(signature_path(path), examined.signature_bytes)
