"""Which engine the application runs, found without starting or importing it."""

from __future__ import annotations


def installed_build() -> str:
    """The release of llama-cpp-python, of which each holds one commit of llama.cpp."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"llama-cpp-python {version('llama-cpp-python')}"
    except PackageNotFoundError:
        return "llama-cpp-python"
