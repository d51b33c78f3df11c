"""The project's commands as they were installed, each in a process that may not make a socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

# A seccomp filter that ends every process which makes a socket, where there is one.
GUARD = [sys.executable, str(Path(__file__).with_name("without_sockets.py"))] if sys.platform == "linux" else []

PIN = "hinode-42\n"
"""The administrator's, as a line of standard input."""


def run(*command: str, stdin: str = "") -> str:
    """What the command printed; it must end well."""
    name, *arguments = command
    program = str(Path(sys.executable).with_name(name))
    # As in a login session: without a name, glibc asks its local cache daemon for the user's by a Unix socket.
    environment = {"LOGNAME": "tester", "USER": "tester", **os.environ}
    command = (*GUARD, program, *arguments)
    done = subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def inro(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command `inro`, however it ends."""
    command = [*GUARD, str(Path(sys.executable).with_name("inro")), *arguments]
    environment = {"LOGNAME": "tester", "USER": "tester", **os.environ}
    return subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True, check=False)


def run_json(*command: str, stdin: str = "") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(run(*command, "--json", stdin=stdin))
    return loaded


def write_yaml(path: Path, value: object) -> str:
    path.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    return str(path)
