"""The folder that goes on the stick: the model's files, sums that can be checked anywhere, and how to go on."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.files import sha256_file, write_atomically
from app.core.hub.download import content_of
from app.core.hub.names import HubModel
from app.core.hub.remote import RemoteFile, Snapshot

SUMS = "SHA256SUMS"
ABOUT = "README.txt"


@dataclass(frozen=True)
class FetchedFile:
    name: str
    file_bytes: int
    sha256: str


def write_papers(folder: Path, model: HubModel, snapshot: Snapshot, files: Sequence[FetchedFile], vouched: str) -> None:
    """Add the sums, as `sha256sum -c` reads them, and the text; `vouched` is what is known of the manifest."""
    write_atomically(folder / ABOUT, about(model, snapshot, files, vouched).encode("utf-8"))
    sums = {file.name: file.sha256 for file in files} | {ABOUT: sha256_file(folder / ABOUT)}
    write_atomically(folder / SUMS, "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items()).encode("utf-8"))


def about(model: HubModel, snapshot: Snapshot, files: Sequence[FetchedFile], vouched: str) -> str:
    described = "\n".join(f"  {file.name}\n    {file.file_bytes:,} bytes, SHA-256 {file.sha256}" for file in files)
    first = f"{model.name}/{model.path.name}"
    return f"""\
{model.name}

Repository (Hugging Face hub) · 取得元: {model.repository}
Path · パス: {model.path}
Revision · リビジョン: {model.revision}
Commit · コミット: {snapshot.commit}
Manifest · マニフェスト: {vouched}
Files · ファイル:
{described}

English
1. Copy this folder as it is to the stick. To check the copy, in the folder: sha256sum -c {SUMS}
2. On the hospital PC, which needs no network, drop the folder on Inro's page Models, or: inro models import {first}
3. An administrator approves it there, or: inro models approve NAME --reason TEXT

日本語
1. このフォルダーをそのまま USB メモリーにコピーします。コピーを検査するには、フォルダー内で次を実行します：
   sha256sum -c {SUMS}
2. 病院の PC（ネットワーク接続は不要）で、Inro の「モデル」の画面にフォルダーをドロップして取り込みます。
   端末では：inro models import {first}
3. 管理者が画面で承認します。端末では：inro models approve 名前 --reason 理由
"""


def compare(folder: Path, files: Mapping[str, RemoteFile]) -> Generator[int, None, bool]:
    """Read a folder; yield the bytes of each step and return whether it is complete and holds these very files."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    # What a file manager leaves there begins with a dot.
    there = {entry.name: entry for entry in folder.iterdir() if not entry.name.startswith(".")}
    if there.keys() != {*files, SUMS, ABOUT} or not all(entry.is_file() for entry in there.values()):
        return False
    for name, file in files.items():
        if not (yield from content_of(there[name], file)):
            return False
    return True


def size_of(folder: Path) -> int:
    """The bytes of the files in it; 0 if it is not there."""
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat().st_size for entry in entries if entry.is_file())
    except FileNotFoundError:
        return 0
