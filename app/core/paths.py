"""Where Inro keeps its files on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Folders of one user's data. They are made when something is first written to them."""

    data: Path
    """What must not be lost: history and models."""
    state: Path
    """What can be found out again: the engine's self-test."""

    @property
    def history(self) -> Path:
        return self.data / "history.sqlite3"

    @property
    def models(self) -> Path:
        return self.data / "models"

    @property
    def benchmarks(self) -> Path:
        """A folder: results of this machine, by the sha256 of the model that they are of."""
        return self.data / "benchmarks"

    @property
    def trusted_keys(self) -> Path:
        return self.data / "trusted_keys"

    @property
    def record(self) -> Path:
        """A folder: what was done to the models."""
        return self.data / "record"

    @property
    def administrator(self) -> Path:
        """A folder: the hash of the administrator's PIN."""
        return self.data / "administrator"

    @property
    def settings(self) -> Path:
        return self.data / "settings.json"

    @property
    def engine_state(self) -> Path:
        return self.state / "engine.json"


def user_paths() -> Paths:
    """The system's usual folders; everything under INRO_HOME instead where that is set (portable installs, tests)."""
    if home := os.environ.get("INRO_HOME"):
        return Paths(data=Path(home) / "data", state=Path(home) / "state")
    import platformdirs

    return Paths(
        data=Path(platformdirs.user_data_dir("inro", appauthor=False)),
        state=Path(platformdirs.user_state_dir("inro", appauthor=False)),
    )


def resources() -> Path:
    """The files that ship with the application."""
    return Path(__file__).resolve().parent.parent / "resources"


def demonstration_model() -> Path:
    return resources() / "demo" / "inro-demo-Q8_0.gguf"
