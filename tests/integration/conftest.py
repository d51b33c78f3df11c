"""Fixtures of several files here: one helper process for all trainings, since importing torch takes seconds."""

from __future__ import annotations

from tests.forked_trainings import trainings

__all__ = ["trainings"]
