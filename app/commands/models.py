"""`inro models`: list, import and choose model files."""

from __future__ import annotations

import sys
from pathlib import Path

from app.core.command import print_json
from app.core.engine.client import EngineClient
from app.core.engine.protocol import Turn
from app.core.errors import ExitCode
from app.core.models.administration import Administration
from app.core.models.keys import TrustedKeys
from app.core.models.library import InstalledModel, ModelLibrary
from app.core.paths import user_paths
from app.core.settings import read_settings


def list_models(*, as_json: bool) -> int:
    paths = user_paths()
    chosen = read_settings(paths.settings).model
    models = ModelLibrary(paths.models).models()
    if as_json:
        print_json({"models": [_described(model, chosen) for model in models]})
        return ExitCode.DONE
    if not models:
        print("The library is empty; the demonstration model answers. Bring a file with: inro models import FILE")
    for model in models:
        mark = "*" if model.sha256 == chosen else " "
        print(f"{mark} {model.name}  {model.path.stat().st_size / 1e9:.2f} GB  {model.sha256[:12]}")
    return ExitCode.DONE


def import_model(file: Path, *, as_json: bool) -> int:
    total = file.stat().st_size
    copied = 0

    def on_bytes(count: int) -> None:
        nonlocal copied
        copied += count
        if sys.stderr.isatty():
            print(f"\rcopying {copied / 1e6:,.0f} of {total / 1e6:,.0f} MB", end="", file=sys.stderr, flush=True)

    paths = user_paths()
    model = ModelLibrary(paths.models).add(file, _probe, on_bytes, TrustedKeys(paths.trusted_keys).all())
    Administration(paths).imported(model)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if as_json:
        print_json(_described(model, None))
    else:
        unsigned = "" if model.manifest else " It has no manifest: nobody says what it is or how it scored."
        print(f"{model.name} is in the library.{unsigned} Use it with: inro models use {model.sha256[:12]}")
    return ExitCode.DONE


def use_model(name: str) -> int:
    print(f"{Administration(user_paths()).use(name)} answers from the next start on.")
    return ExitCode.DONE


def _probe(path: Path) -> None:
    """Load the file and let it answer, in a worker process of its own."""
    with EngineClient() as engine:
        engine.load(path, context_length=512)
        for _ in engine.generate([Turn("user", "発熱の原因を一つ挙げてください。")], max_tokens=8):
            pass


def _described(model: InstalledModel, chosen: str | None) -> dict[str, object]:
    return {
        "name": model.name,
        "sha256": model.sha256,
        "path": str(model.path),
        "file_bytes": model.path.stat().st_size,
        "manifest": model.manifest is not None,
        "demonstration": bool(model.manifest and model.manifest.demonstration),
        "chosen": model.sha256 == chosen,
    }
