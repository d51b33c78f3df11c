"""What each package may bring into a process, seen from a fresh interpreter rather than from its source."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

QT = ("PySide6", "shiboken6")
TRAINING = ("torch", "transformers", "peft")
MAKERS = ("trainer", "converter")
TOOLS = (*MAKERS, "evaluation")
ENGINE = ("llama_cpp",)
NETWORK = ("huggingface_hub", "httpx", "httpx2", "requests", "urllib3", "PySide6.QtNetwork")

FORBIDDEN = {
    "app.core": (*QT, *TRAINING, *TOOLS, *ENGINE, *NETWORK, "gguf"),
    "app.services": ("PySide6.QtWidgets", *TRAINING, *MAKERS, *ENGINE, *NETWORK, "scipy"),
    "app.ui": (*TRAINING, *TOOLS, *ENGINE, *NETWORK),
    "app.commands": (*QT, *TRAINING, *TOOLS, *ENGINE, *NETWORK),
    "app.cli": (*QT, *TRAINING, *TOOLS, *ENGINE, *NETWORK),
    "app.__main__": (*TRAINING, *TOOLS, *ENGINE, *NETWORK, "pyqtgraph", "yaml", "filelock"),
    "evaluation": (*QT, *TRAINING, *ENGINE, "trainer", "gguf", "scipy"),
    "converter": (*QT, *ENGINE, "trainer"),
    "trainer": (*QT, *ENGINE),
}
# The worker's, with the engine inside; the converter's writer imports the last when it quantizes.
NOT_IMPORTED = {f"app.core.engine.{name}" for name in ("llama", "sequences", "backends", "quantizer")}

PROGRAM = """
import importlib, sys
for name in sys.argv[1].split(","):
    importlib.import_module(name)
print("\\n".join(name for name in sys.argv[2].split(",") if name in sys.modules))
"""


def modules_of(package: str) -> list[str]:
    found = [package]
    module = __import__(package, fromlist=["_"])
    for info in pkgutil.walk_packages(getattr(module, "__path__", []), f"{package}."):
        found.append(info.name)
    return [name for name in found if name not in NOT_IMPORTED]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_fresh_process_stays_free_of_what_the_package_must_not_use(package: str) -> None:
    modules = modules_of(package)
    command = [sys.executable, "-P", "-c", PROGRAM, ",".join(modules), ",".join(FORBIDDEN[package])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_the_check_sees_a_forbidden_import() -> None:
    command = [sys.executable, "-P", "-c", PROGRAM, "PySide6.QtCore,app.core", "PySide6,torch"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PySide6"]
