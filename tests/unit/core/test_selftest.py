"""The self-test: made once, remembered for this processor and build, and its failure switches repacking off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.core.engine import selftest
from app.core.engine.client import EngineClient
from app.core.engine.llama import Build
from app.core.engine.selftest import Outcome, Verdict
from app.core.paths import Paths

BUILD = Build("0.0", "abc", ("AVX2",), False)


def test_this_machine_survives_and_it_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = tmp_path / "engine.json"
    found = selftest.verdict(BUILD, remembered)
    assert found.repack
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")  # a second test could not be made
    assert selftest.verdict(BUILD, remembered) == found


def python_that(folder: Path, script: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_child_that_dies_of_repacking_switches_it_off_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'case "$*" in *repack*) kill -SEGV $$;; esac'
    monkeypatch.setattr(sys, "executable", python_that(tmp_path, script))
    remembered = tmp_path / "engine.json"
    found = selftest.verdict(BUILD, remembered)
    assert not found.repack
    assert "signal 11" in found.sentence
    assert selftest.read_verdict(remembered) == found


@pytest.mark.parametrize("script", ["kill -SEGV $$", "kill -KILL $$", "exit 1"])
def test_a_child_that_dies_of_something_else_is_tried_again_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(sys, "executable", python_that(tmp_path, script))
    remembered = tmp_path / "engine.json"
    assert not selftest.verdict(BUILD, remembered).repack
    assert selftest.read_verdict(remembered) is None


def test_another_build_or_processor_is_tested_again(tmp_path: Path) -> None:
    remembered = tmp_path / "engine.json"
    selftest.write(remembered, Verdict("another", False, "It failed."))
    assert selftest.verdict(BUILD, remembered).repack


def test_a_child_that_hangs_counts_as_failed() -> None:
    assert not selftest.decide("key", Outcome(None)).repack


def test_the_engine_obeys_a_failed_test_and_doctor_says_so(home: Paths, tiny_model: Path) -> None:
    known = selftest.read_verdict(home.engine_state)
    assert known is not None
    assert known.repack
    selftest.write(home.engine_state, Verdict(known.key, False, "The self-test failed (signal 11)."))
    with EngineClient() as engine:
        assert not engine.load(tiny_model).repacked
        assert engine.status().self_test == "The self-test failed (signal 11)."
    command = [sys.executable, "-m", "app.cli", "doctor"]
    doctor = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "The self-test failed (signal 11)." in doctor.stdout
    assert "repacked" in doctor.stdout
