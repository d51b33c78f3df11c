"""No process of Inro makes a socket, except of the one command that downloads: the kernel would end it at once."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.without_sockets import ARCHITECTURES

GUARD = [sys.executable, str(Path(__file__).with_name("without_sockets.py"))]
INRO = [sys.executable, "-m", "app.cli"]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ARCHITECTURES, reason="the guard is the Linux kernel's"
)


def guarded(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*GUARD, *command], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX"])
def test_the_guard_ends_what_makes_a_socket(family: str) -> None:
    done = guarded(sys.executable, "-c", f"import socket; socket.socket(socket.{family})")
    assert done.returncode == -signal.SIGSYS


def test_a_question_from_the_terminal(tiny_model: Path) -> None:
    done = guarded(*INRO, "ask", "--model", str(tiny_model), "--max-tokens", "5", "--json", "熱の原因は？")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["completion_tokens"] == 5


def test_importing_and_looking_after_models(tiny_model: Path) -> None:
    for command in (["models", "import", str(tiny_model)], ["models", "list"], ["doctor"]):
        assert guarded(*INRO, *command).returncode >= 0


def test_fetching_is_what_makes_one(tmp_path: Path) -> None:
    command = [*INRO, "models", "fetch", "clinic/model", "model.gguf", "-o", str(tmp_path / "out")]
    # Other tests of this process keep the libraries that train from the hub.
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    assert guarded(*command, env=environment).returncode == -signal.SIGSYS
    refused = guarded(*INRO, "models", "fetch", "clinic/model", "../model.gguf", "-o", str(tmp_path / "out"))
    assert refused.returncode == 2


def test_the_window_asks_and_answers(tiny_model: Path) -> None:
    program = str(Path(__file__).with_name("window_session.py"))
    done = guarded(sys.executable, program, str(tiny_model))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["complete", "20"]
