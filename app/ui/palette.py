"""The colours of the window by the role they play, for a light and a dark desktop.

One accent; amber only for "check this"; red only for what is lost or refused. Every pair of text and ground that is
used keeps a contrast of at least 4.5 (WCAG 2.2, AA).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """Colours as `#rrggbb`."""

    window: str
    side: str
    surface: str
    line: str
    """Hairlines between parts."""
    edge: str
    """The outline of something that can be operated."""
    text: str
    muted: str
    accent: str
    on_accent: str
    accent_hover: str
    accent_text: str
    """The accent as the colour of text."""
    selected: str
    hover: str
    bubble: str
    code: str
    amber: str
    amber_ground: str
    amber_strong: str
    amber_line: str
    red: str
    red_ground: str
    red_line: str
    green: str
    disabled: str
    second: str
    """Beside the accent, where two models are compared."""


LIGHT = Palette(
    window="#fbfcfd",
    side="#ecf0f3",
    surface="#ffffff",
    line="#dde3e8",
    edge="#c6d0d8",
    text="#1f2933",
    muted="#5a6775",
    accent="#0f766e",
    on_accent="#ffffff",
    accent_hover="#0c635c",
    accent_text="#0f6a63",
    selected="#d9e9e6",
    hover="#e1e8ec",
    bubble="#e5f0ee",
    code="#eef2f5",
    amber="#855700",
    amber_ground="#fdf7e7",
    amber_strong="#f9e7b8",
    amber_line="#efdca9",
    red="#b42318",
    red_ground="#fdf1ef",
    red_line="#f0c8c3",
    green="#12924a",
    disabled="#e3e8ec",
    second="#b4500b",
)

DARK = Palette(
    window="#151a1f",
    side="#101418",
    surface="#1a2026",
    line="#2a323a",
    edge="#3d4853",
    text="#e3e8ed",
    muted="#9ba8b5",
    accent="#2ab5a5",
    on_accent="#04211d",
    accent_hover="#3fc7b7",
    accent_text="#5bd0c2",
    selected="#16332f",
    hover="#20272e",
    bubble="#17312e",
    code="#222a32",
    amber="#f0c66f",
    amber_ground="#29231a",
    amber_strong="#463717",
    amber_line="#54441f",
    red="#ff9d92",
    red_ground="#2c1b1a",
    red_line="#5e302c",
    green="#35c46d",
    disabled="#262e36",
    second="#ff9d5c",
)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours by WCAG 2.2: from 1 (the same) to 21 (black on white)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
