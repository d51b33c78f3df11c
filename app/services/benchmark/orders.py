"""What a person ordered, and where its results are kept: one folder for each model, by its sha256.

`<sha256>/<name>/` is the folder of a run, byte for byte as `inro-eval run` writes it; `<name>.order.json` beside it
says how to go on with it. Results stay when their model is removed: they are of the file, not of its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from app.core.errors import InputError
from app.core.files import read_bounded, write_atomically
from app.core.language import Language
from app.core.models.events import Sha256
from app.services.benchmark.views import How, Wanted

_ORDER = ".order.json"
_SPEED = ".speed.json"
_LARGEST_ORDER = 64 * 1024
_SHA256 = re.compile("[0-9a-f]{64}")


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run: a model, questions, a language and a way of scoring. `limit` questions are drawn; None asks all."""

    format: Literal["inro-benchmark-order/1"] = "inro-benchmark-order/1"
    model: str
    """Its name, for a person."""
    model_path: str
    """Where it was. The library, and a model that moved with it, are found by the hash."""
    model_sha256: Sha256
    task: str
    data: str | None = None
    """The folder (or file) of the benchmark; None for the demonstration task."""
    language: Language
    how: How = "letter"
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seed: int = 0
    created: str = ""


def order(wanted: Wanted) -> Order:
    return Order(
        model=wanted.model.name,
        model_path=wanted.model.path,
        model_sha256=wanted.model.sha256,
        task=wanted.task,
        data=wanted.data,
        language=wanted.language,
        how=wanted.how,
        limit=wanted.limit,
        seed=wanted.seed,
    )


@dataclass(frozen=True)
class Kept:
    """An order with the folder of its run, which is there once the run has begun."""

    order: Order
    folder: Path

    @property
    def id(self) -> str:
        return f"{self.order.model_sha256}/{self.folder.name}"


class OrderBook:
    """Args: folder: is made when something is first written to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        return self._folder

    def add(self, order: Order) -> Kept:
        """Write down a new order. Raises OSError."""
        now = datetime.now().astimezone()
        order = msgspec.structs.replace(order, created=now.isoformat(timespec="seconds"))
        home = self._home(order.model_sha256)
        home.mkdir(parents=True, exist_ok=True)
        folder = _free(home, f"{order.task}-{order.language}-{order.how}-{now:%Y%m%d-%H%M%S}", _ORDER)
        write_atomically(_beside(folder, _ORDER), msgspec.json.format(msgspec.json.encode(order), indent=2) + b"\n")
        return Kept(order, folder)

    def find(self, id_: str) -> Kept:
        """Raises InputError for a run that is not kept, or whose order was changed."""
        sha256, _, name = id_.partition("/")
        if not _SHA256.fullmatch(sha256) or Path(name).name != name:
            raise InputError(f"{id_} is no run that is kept.")
        return self._read(self._folder / sha256 / f"{name}{_ORDER}")

    def all(self, sha256: str | None = None) -> list[Kept]:
        """Every run, or those of one model, the newest first. What is no order is not listed."""
        found = [kept for path in self._files(_ORDER, sha256) if (kept := self._readable(path))]
        return sorted(found, key=lambda kept: (kept.order.created, kept.folder.name), reverse=True)

    def remove(self, kept: Kept) -> None:
        import shutil

        _beside(kept.folder, _ORDER).unlink(missing_ok=True)
        shutil.rmtree(kept.folder, ignore_errors=True)

    def add_speed(self, sha256: str, data: bytes) -> Path:
        """Keep a measurement of speed; returns its file."""
        home = self._home(sha256)
        home.mkdir(parents=True, exist_ok=True)
        path = _beside(_free(home, f"{datetime.now().astimezone():%Y%m%d-%H%M%S}", _SPEED), _SPEED)
        write_atomically(path, data)
        return path

    def speeds(self, sha256: str | None = None) -> list[Path]:
        """The files of every measurement of speed, or of those of one model, the newest first."""
        return sorted(self._files(_SPEED, sha256), key=lambda path: path.name, reverse=True)

    def _home(self, sha256: str) -> Path:
        return self._folder / sha256

    def _files(self, ending: str, sha256: str | None) -> Iterator[Path]:
        if self._folder.is_dir():
            for home in self._folder.iterdir():
                if _SHA256.fullmatch(home.name) and sha256 in (None, home.name):
                    yield from (path for path in home.glob(f"*{ending}") if path.is_file())

    def _readable(self, path: Path) -> Kept | None:
        try:
            return self._read(path)
        except (InputError, OSError):
            return None

    def _read(self, path: Path) -> Kept:
        if not path.is_file():
            raise InputError(f"{path.name.removesuffix(_ORDER)} is no run that is kept.")
        try:
            order = msgspec.json.decode(read_bounded(path, _LARGEST_ORDER, "an order"), type=Order)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"{path.name} is no order of this version of Inro.") from error
        if order.model_sha256 != path.parent.name:
            raise InputError(f"{path.name} lies among the results of another model.")
        return Kept(order, path.with_name(path.name.removesuffix(_ORDER)))


def _beside(folder: Path, ending: str) -> Path:
    return folder.with_name(f"{folder.name}{ending}")


def _free(home: Path, name: str, ending: str) -> Path:
    """A path in `home` that nothing has yet: two may begin in one second."""
    number, folder = 1, home / name
    while _beside(folder, ending).exists() or folder.exists():
        number += 1
        folder = home / f"{name}-{number}"
    return folder
