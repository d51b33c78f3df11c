"""Rules of the repository that no tool of its own checks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_packaging_is_no_package() -> None:
    # It would shadow the PyPI module `packaging` for every library.
    assert not list((ROOT / "packaging").rglob("__init__.py"))


def test_no_file_names_a_package_registry() -> None:
    host = re.compile(rb"https?://[^\s\"']*(pypi\.|pythonhosted|registry\.npmjs|/simple\b|deb\.debian)", re.IGNORECASE)
    naming = [
        path for path in tracked() if path.is_file() and path.suffix != ".gguf" and host.search(path.read_bytes())
    ]
    assert naming == []


def test_a_module_is_one_thing() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked()
        if path.suffix == ".py" and "tests" not in path.parts and path.is_file()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 420
    }
    assert long == {}


def test_every_model_file_in_the_repository_is_small() -> None:
    large = [path for path in tracked() if path.is_file() and path.stat().st_size > 8_000_000]
    assert large == []
