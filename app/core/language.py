"""The languages of the interface, of questions and of answers."""

from __future__ import annotations

from typing import Literal

Language = Literal["ja", "en"]
