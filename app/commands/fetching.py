"""`inro models fetch`: a model from the Hugging Face hub, on a connected machine. No other command uses a network."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

from app.commands.terminal import plain
from app.core.command import print_json
from app.core.errors import ExitCode
from app.core.hub.client import HuggingFaceHub
from app.core.hub.fetch import Comparing, Downloading, Fetch, Fetched, FetchInterrupted, Found, SpaceFound, Step
from app.core.hub.names import hub_model
from app.core.models.administration import Administration
from app.core.paths import user_paths


def fetch_model(repository: str, file: str, revision: str, out: Path, *, as_json: bool) -> int:
    model = hub_model(repository, file, revision)
    fetch = Fetch(HuggingFaceHub(), model, out, Administration(user_paths()).trusted())
    last: Step | None = None
    with _Teller() as teller, closing(fetch.steps()) as steps:
        try:
            for last in steps:
                teller.tell(last)
        except KeyboardInterrupt:
            raise FetchInterrupted(fetch.kept_bytes) from None
    assert isinstance(last, Fetched)
    if as_json:
        print_json({"repository": repository, "revision": revision, **_described(last)})
    else:
        _print(last)
    return ExitCode.DONE


class _Teller:
    """Says on stderr, at a terminal, how far the download has come; a number that grows stays on its line."""

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        self._line = ""

    def __enter__(self) -> _Teller:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_line()

    def tell(self, step: Step) -> None:
        if not self._shown:
            return
        match step:
            case Found(commit=commit, files=files):
                size = sum(file.size for file in files) / 1e9
                self._say(f"the hub has it: {len(files)} file(s), {size:,.2f} GB, commit {commit[:12]}")
            case Comparing(done_bytes=done, total_bytes=total):
                self._rewrite(f"reading what is there: {done // 10**6:,} of {total // 10**6:,} MB")
            case SpaceFound(needed_bytes=needed, free_bytes=free, kept_bytes=kept):
                before = f", {kept / 1e6:,.0f} MB are there from before" if kept else ""
                self._say(f"{needed / 1e9:,.2f} GB of {free / 1e9:,.2f} GB free on the disk are needed{before}")
            case Downloading(done_bytes=done, total_bytes=total):
                self._rewrite(f"downloading {done // 10**6:,} of {total // 10**6:,} MB")
            case Fetched():
                pass

    def _say(self, text: str) -> None:
        self._end_line()
        print(plain(text), file=sys.stderr)

    def _rewrite(self, text: str) -> None:
        if text != self._line:
            print(f"\r{text}", end="", file=sys.stderr, flush=True)
            self._line = text

    def _end_line(self) -> None:
        if self._line:
            print(file=sys.stderr)
            self._line = ""


def _described(fetched: Fetched) -> dict[str, object]:
    examined = fetched.examined
    return {
        "commit": fetched.commit,
        "folder": str(fetched.folder),
        "file": examined.path.name,
        "files": [{"name": file.name, "file_bytes": file.file_bytes, "sha256": file.sha256} for file in fetched.files],
        "name": examined.name,
        "manifest": examined.manifest is not None,
        "signature": examined.signature.state,
        "was_there": fetched.was_there,
    }


def _print(fetched: Fetched) -> None:
    examined, folder = fetched.examined, plain(str(fetched.folder))
    if fetched.was_there:
        print(f"{folder} is there already, complete and the same as on the hub.")
        return
    size = sum(file.file_bytes for file in fetched.files)
    manifest = "There is no manifest" if examined.manifest is None else f"The manifest is {examined.signature}"
    print(f"{folder} is complete: {len(fetched.files)} file(s), {size / 1e9:,.2f} GB, checked by the hub's hashes.")
    print(f"{plain(manifest)}.")
    name = plain(f"{fetched.folder.name}/{examined.path.name}")
    print(f"Copy the folder to the stick; on the hospital PC: inro models import {name}")
