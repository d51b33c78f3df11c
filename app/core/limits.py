"""Bounds that several layers know."""

from __future__ import annotations

MAX_QUESTION_CHARACTERS = 100_000
