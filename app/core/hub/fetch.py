"""Fetching a model for the stick: steps that can be shown, and nothing under its name before the last one.

repository at a commit → space → manifest and signature → model files, hashing → header → in place

What is half done lies in `.NAME.partial` beside the folder NAME and stays when the command ends early, however it ends,
so that the next one goes on from there. What was refused does not stay.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import msgspec

from app.core.errors import CheckRefused, ExitCode, InputError, MachineError, UserFacingError
from app.core.files import flush_folder, sha256_file, write_atomically
from app.core.hub.download import PAUSES_SECONDS, download
from app.core.hub.folder import FetchedFile, compare, size_of, write_papers
from app.core.hub.names import HubModel
from app.core.hub.remote import Hub, RemoteFile, Snapshot
from app.core.locks import exclusive
from app.core.models.examination import Examination, contradictions, examine
from app.core.models.manifest import MAX_MANIFEST_BYTES, Manifest, Part, read_manifest
from app.core.models.signing import MAX_SIGNATURE_BYTES, PublicKey


@dataclass(frozen=True)
class Found:
    commit: str
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True)
class Comparing:
    """A folder of this name is there and is read."""

    done_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class SpaceFound:
    """`kept_bytes` an earlier attempt has downloaded."""

    needed_bytes: int
    free_bytes: int
    kept_bytes: int


@dataclass(frozen=True)
class Downloading:
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Fetched:
    """The last step. `downloaded_bytes` is 0 for a folder that was there already, complete and the same."""

    folder: Path
    commit: str
    files: tuple[FetchedFile, ...]
    examined: Examination
    was_there: bool


Step = Found | Comparing | SpaceFound | Downloading | Fetched


class FetchInterrupted(UserFacingError):
    exit_code = ExitCode.INTERRUPTED

    def __init__(self, kept_bytes: int) -> None:
        kept = f"{kept_bytes / 1e6:,.0f} MB are kept, and the same command goes on from there"
        super().__init__(f"The download was interrupted; {kept if kept_bytes else 'nothing of it is kept'}.")


class Fetch:
    """One fetch; `steps` runs it.

    Args:
        into: the folder in which the folder NAME is made.
        trusted: the keys whose signatures count, by key id.
        pauses: between attempts, in seconds, as in `download`.
    """

    def __init__(
        self,
        hub: Hub,
        model: HubModel,
        into: Path,
        trusted: Mapping[str, PublicKey],
        pauses: Sequence[float] = PAUSES_SECONDS,
    ) -> None:
        self._hub, self._model, self._trusted, self._pauses = hub, model, trusted, pauses
        self._target, self._partial = into / model.name, into / f".{model.name}.partial"
        self._files = self._partial / "files"

    @property
    def kept_bytes(self) -> int:
        """What lies there of a download that has not ended."""
        return size_of(self._files)

    def steps(self) -> Generator[Step, None, None]:
        """Fetch; the last step is `Fetched`. Ended earlier, by an error or by closing the iterator, it can go on.

        Raises:
            InputError: the hub does not have or give the model, another folder of its name is there, or it is no
                usable model.
            CheckRefused: a file is not what the hub or the manifest says, or the signature does not fit.
            MachineError: there is no space or no connection, or another process fetches the same.
        """
        snapshot = self._hub.snapshot(self._model.repository, self._model.revision)
        papers, models = self._papers(snapshot), self._models(snapshot)
        yield Found(snapshot.commit, (*papers, *models))
        self._partial.mkdir(parents=True, exist_ok=True)
        busy = f"Another process is fetching {self._model.name} into this folder; wait until it has ended."
        with exclusive(self._partial / "lock", busy):
            try:
                if os.path.lexists(self._target):
                    yield from self._compared(snapshot, (*papers, *models))
                else:
                    yield from self._fetched(snapshot, papers, models)
            finally:
                if not self.kept_bytes:
                    shutil.rmtree(self._partial, ignore_errors=True)

    def _models(self, snapshot: Snapshot) -> tuple[RemoteFile, ...]:
        for path in self._model.model_paths:
            if str(path) not in snapshot.files:
                raise InputError(f"{snapshot.repository} has no file {path} at the revision {self._model.revision}.")
        return tuple(snapshot.files[str(path)] for path in self._model.model_paths)

    def _papers(self, snapshot: Snapshot) -> tuple[RemoteFile, ...]:
        """Manifest and signature, as far as there are such."""
        manifest = _small(snapshot, self._model.manifest_path, MAX_MANIFEST_BYTES)
        if manifest is None:
            return ()
        signature = _small(snapshot, self._model.signature_path, MAX_SIGNATURE_BYTES)
        return (manifest,) if signature is None else (manifest, signature)

    def _compared(self, snapshot: Snapshot, files: Sequence[RemoteFile]) -> Generator[Step, None, None]:
        comparing = compare(self._target, {file.name: file for file in files})
        done, total = 0, sum(file.size for file in files)
        while True:
            try:
                done += next(comparing)
            except StopIteration as end:
                same: bool = end.value
                break
            yield Comparing(done, total)
        if not same:
            raise InputError(
                f"{self._target} is there and is not this model, or not all of it: move it away, or choose another "
                "folder with -o."
            )
        shutil.rmtree(self._files, ignore_errors=True)
        fetched = tuple(_described(self._target / file.name, file) for file in files)
        yield Fetched(self._target, snapshot.commit, fetched, self._examined(self._target), was_there=True)

    def _fetched(
        self, snapshot: Snapshot, papers: Sequence[RemoteFile], models: Sequence[RemoteFile]
    ) -> Generator[Step, None, None]:
        self._keep_only((*papers, *models))
        total = sum(file.size for file in (*papers, *models))
        yield self._space(total)
        fetched = yield from self._downloaded(snapshot, papers, total)
        if papers:
            # Before the large files: what the hub announces of them is known.
            with self._discarding():
                _check_claims(self._manifest(), [FetchedFile(file.name, file.size, file.sha256) for file in models])
        fetched += yield from self._downloaded(snapshot, models, total, sum(file.size for file in papers))
        with self._discarding():
            if papers:
                _check_claims(self._manifest(), fetched[len(papers) :])
            examined = self._examined(self._files)
        write_papers(self._files, self._model, snapshot, fetched, _vouched(examined))
        flush_folder(self._files)
        self._files.rename(self._target)
        flush_folder(self._target.parent)
        examined = replace(examined, path=self._target / examined.path.name)
        yield Fetched(self._target, snapshot.commit, fetched, examined, was_there=False)

    def _keep_only(self, files: Sequence[RemoteFile]) -> None:
        """Delete what an earlier attempt left of other contents, and note what the files are to become."""
        self._files.mkdir(exist_ok=True)
        note = self._partial / "expected.json"
        try:
            before = msgspec.json.decode(note.read_bytes(), type=dict[str, str])
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            before = {}
        expected = {file.name: file.content_id for file in files}
        for entry in self._files.iterdir():
            if entry.name not in expected or before.get(entry.name) != expected[entry.name]:
                entry.unlink()
        write_atomically(note, msgspec.json.encode(expected))

    def _space(self, total: int) -> SpaceFound:
        kept, free = self.kept_bytes, shutil.disk_usage(self._partial).free
        if free < total - kept:
            needed = (total - kept) / 1e9
            raise MachineError(f"The download needs {needed:,.2f} GB on the disk, and {free / 1e9:,.2f} GB are free.")
        return SpaceFound(total - kept, free, kept)

    def _downloaded(
        self, snapshot: Snapshot, files: Sequence[RemoteFile], total: int, done: int = 0
    ) -> Generator[Step, None, tuple[FetchedFile, ...]]:
        fetched = []
        for file in files:
            with closing(download(self._hub, snapshot, file, self._files / file.name, self._pauses)) as downloading:
                while True:
                    try:
                        done += next(downloading)
                    except StopIteration as end:
                        fetched.append(FetchedFile(file.name, file.size, end.value))
                        break
                    yield Downloading(done, total)
        return tuple(fetched)

    def _manifest(self) -> Manifest:
        return read_manifest(self._files / self._model.manifest_path.name)

    def _examined(self, folder: Path) -> Examination:
        examined = examine(folder / self._model.path.name, self._trusted)
        if examined.signature.state == "broken":
            raise CheckRefused(f"{examined.path.name}: {examined.signature}.")
        if examined.manifest is not None:
            for sentence in contradictions(examined.header, examined.manifest):
                raise CheckRefused(f"{examined.path.name}: {sentence}")
        return examined

    @contextmanager
    def _discarding(self) -> Iterator[None]:
        """Keep nothing of what is refused: another attempt would bring the same."""
        try:
            yield
        except (CheckRefused, InputError):
            shutil.rmtree(self._files, ignore_errors=True)
            raise


def _small(snapshot: Snapshot, path: PurePosixPath, limit: int) -> RemoteFile | None:
    file = snapshot.files.get(str(path))
    if file is not None and file.size > limit:
        raise InputError(f"{path} in {snapshot.repository} is larger than such a file can be.")
    return file


def _check_claims(manifest: Manifest, files: Sequence[FetchedFile]) -> None:
    """Raises CheckRefused unless the files, in order, are those of the manifest; a hash that is empty is not known."""
    first = Part(file=files[0].name, file_bytes=manifest.file_bytes, sha256=manifest.sha256)
    claims = (first, *manifest.parts)
    if len(claims) != len(files) or any(
        (claim.file, claim.file_bytes) != (file.name, file.file_bytes) or file.sha256 not in ("", claim.sha256)
        for claim, file in zip(claims, files, strict=False)
    ):
        raise CheckRefused(f"{first.file} on the hub is not the file that the manifest beside it describes.")


def _described(path: Path, file: RemoteFile) -> FetchedFile:
    return FetchedFile(file.name, file.size, file.sha256 or sha256_file(path))


def _vouched(examined: Examination) -> str:
    return "none" if examined.manifest is None else str(examined.signature)
