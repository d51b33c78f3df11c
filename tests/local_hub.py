"""A stand-in of the Hugging Face hub on 127.0.0.1: as much of its protocol as downloading from a repository takes.

Large files (Git LFS) are those that end in .gguf or .safetensors. What goes wrong on networks is asked for by
attributes, which a test sets before or while it downloads.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
"""That of `main`."""

_LARGE = (".gguf", ".safetensors")
_RANGE = re.compile(r"bytes=(\d+)-")


@contextmanager
def local_hub(repositories: Mapping[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """Serve folders by their `owner/name`; yields the address and the list of paths asked for, which grows."""
    with LocalHub(repositories) as hub:
        yield hub.address, hub.asked


class LocalHub:
    """Entered, it serves; `address` is what HF_ENDPOINT takes.

    Attributes:
        asked: the paths asked for.
        served: bytes sent of each file, by its name.
        tokens: what came as Authorization, as ("hub" or "store", value).
        announced: changes of what is said of a file, by its name: `size`, `sha256`.
        cuts: by name, after how many bytes each next answer breaks off.
        stalls: by name, after how many bytes the next answer stops, with the connection open.
        busy: how many next requests for a file are answered with 503.
        ranges: False for a server that sends whole files only.
        blocked: the address to which the hub redirects answers with 403, as a firewall does.
        gated: repositories that are given for this token only.
        login_page: every request is answered with a page in HTML, as a guest network does.
    """

    def __init__(self, repositories: Mapping[str, Path], *, redirecting: bool = False) -> None:
        """`redirecting`: files come from another address, to which the hub redirects."""
        self.asked: list[str] = []
        self.served: Counter[str] = Counter()
        self.tokens: list[tuple[str, str | None]] = []
        self.announced: dict[str, dict[str, Any]] = {}
        self.cuts: dict[str, list[int]] = {}
        self.stalls: dict[str, int] = {}
        self.busy = 0
        self.ranges = True
        self.blocked = False
        self.gated: dict[str, str] = {}
        self.login_page = False
        self.released = threading.Event()
        self.address = self.store = ""
        self._folders = {(name, COMMIT): folder for name, folder in repositories.items()}
        self._revisions = {(name, "main"): COMMIT for name in repositories}
        self._redirecting = redirecting
        self._open = ExitStack()

    def add_revision(self, repository: str, revision: str, folder: Path) -> str:
        """A branch or tag with other content, and its commit."""
        commit = hashlib.sha1(f"{repository}@{revision}".encode()).hexdigest()
        self._folders[repository, commit] = folder
        self._revisions[repository, revision] = commit
        return commit

    def __enter__(self) -> LocalHub:
        self._open.callback(self.released.set)
        self.address = self._open.enter_context(_serving(_handler(self, "hub")))
        self.store = self._open.enter_context(_serving(_handler(self, "store"))) if self._redirecting else ""
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def folder(self, repository: str, revision: str) -> tuple[str, Path] | None:
        """The commit and the files of a branch, tag or commit."""
        commit = self._revisions.get((repository, revision), revision)
        folder = self._folders.get((repository, commit))
        return None if folder is None else (commit, folder)

    def has(self, repository: str) -> bool:
        return any(name == repository for name, _ in self._folders)

    def entry(self, folder: Path, path: Path) -> dict[str, Any]:
        """What is said of a file: as the list of a repository's files says it, with `files_metadata`."""
        size, name = path.stat().st_size, path.relative_to(folder).as_posix()
        changes = self.announced.get(path.name, {})
        blob = hashlib.sha1(f"blob {size}\0".encode() + path.read_bytes()).hexdigest()
        said: dict[str, Any] = {"rfilename": name, "size": changes.get("size", size), "blobId": blob}
        if path.name.endswith(_LARGE):
            sha256 = changes.get("sha256", _digest(path))
            said["lfs"] = {"sha256": sha256, "size": said["size"], "pointerSize": 130}
        return said


def _handler(hub: LocalHub, where: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _answer(self, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            hub.asked.append(path)
            hub.tokens.append((where, self.headers["Authorization"]))
            parts = [unquote(part) for part in path.strip("/").split("/")]
            if hub.login_page:
                self._send(200, b"<html>Welcome to our guest network</html>", "text/html")
            elif parts[:2] == ["api", "models"]:
                self._describe(parts[2:])
            elif len(parts) > 4 and parts[2] == "resolve":
                self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]), with_body)
            else:
                self._missing("EntryNotFound")

        def _describe(self, parts: list[str]) -> None:
            repository = "/".join(parts[:2])
            if not hub.has(repository):
                return self._missing("RepoNotFound")
            found = hub.folder(repository, parts[3] if len(parts) > 3 else "main")
            if found is None:
                return self._missing("RevisionNotFound")
            commit, folder = found
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            entries = [hub.entry(folder, path) for path in files]
            if "tree" in parts:
                tree = [
                    {"type": "file", "path": entry["rfilename"], "size": entry["size"], "oid": entry["blobId"]}
                    for entry in entries
                ]
                return self._send(200, json.dumps(tree).encode())
            described = {"id": repository, "sha": commit, "siblings": entries}
            return self._send(200, json.dumps(described).encode())

        def _file(self, repository: str, revision: str, name: str, with_body: bool) -> None:
            found = hub.folder(repository, revision)
            if found is None or not (found[1] / name).is_file():
                return self._missing("EntryNotFound")
            token = hub.gated.get(repository)
            if where == "hub" and token is not None and self.headers["Authorization"] != f"Bearer {token}":
                return self._missing("GatedRepo", 403 if self.headers["Authorization"] else 401)
            if where == "store" and hub.blocked:
                return self._missing("", 403)
            if hub.busy:
                hub.busy -= 1
                return self._missing("", 503)
            if where == "hub" and hub.store:
                self.send_response(302)
                self.send_header("Location", f"{hub.store}{self.path}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            return self._content(found[0], found[1] / name, with_body)

        def _content(self, commit: str, path: Path, with_body: bool) -> None:
            data = path.read_bytes()
            wanted = _RANGE.fullmatch(self.headers["Range"] or "") if hub.ranges else None
            begin = int(wanted[1]) if wanted else 0
            self.send_response(206 if wanted else 200)
            if wanted:
                self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{_digest(path)}"')
            self.send_header("Content-Length", str(len(data) - begin))
            self.end_headers()
            if with_body:
                self._body(path.name, data[begin:])

        def _body(self, name: str, data: bytes) -> None:
            stall = hub.stalls.pop(name, None)
            cuts = hub.cuts.get(name)
            sent = data[: cuts.pop(0) if cuts else stall]
            self.wfile.write(sent)
            hub.served[name] += len(sent)
            if stall is not None:
                hub.released.wait()

        def _send(self, status: int, data: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _missing(self, code: str, status: int = 404) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
