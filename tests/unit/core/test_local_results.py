"""What was measured here: kept by model, and believed only where it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.models.local_results import LocalResults, LocalSpeed, read_local_results, write_local_results

SHA256, OTHER = "a" * 64, "b" * 64


def results(sha256: str) -> LocalResults:
    speed = LocalSpeed(created="2026-11-20T10:00:00+09:00", threads=2, prompt_tokens=128, written=7.5, read=40.0)
    return LocalResults(sha256=sha256, speeds=(speed,))


def test_what_is_written_is_read_by_model(tmp_path: Path) -> None:
    write_local_results(tmp_path, results(SHA256))
    write_local_results(tmp_path, LocalResults(sha256=OTHER))
    assert read_local_results(tmp_path) == {SHA256: results(SHA256), OTHER: LocalResults(sha256=OTHER)}


def test_none_is_nothing(tmp_path: Path) -> None:
    assert read_local_results(tmp_path / "none") == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-20],
        lambda data: data.replace(b"7.5", b"-7.5"),
        lambda data: data.replace(b"a" * 64, b"b" * 64),
        lambda data: data.replace(b"/1", b"/2"),
        lambda data: data + b" " * 2_000_000,
        lambda data: b"[" * 100_000,
    ],
    ids=["cut", "negative", "of another model", "of another version", "too large", "nested"],
)
def test_a_file_that_was_changed_is_left_out(tmp_path: Path, change: object) -> None:
    write_local_results(tmp_path, results(SHA256))
    write_local_results(tmp_path, results("c" * 64))
    path = tmp_path / SHA256 / "results.json"
    assert callable(change)
    path.write_bytes(change(path.read_bytes()))
    assert read_local_results(tmp_path).keys() == {"c" * 64}
