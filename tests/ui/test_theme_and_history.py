from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.engine.protocol import Failed, FailureCode
from app.ui.dated_rows import DatedRows, Entry, Heading, Role, day_name, group_by_day
from app.ui.failures import code_sentence, failure_sentence, saved_failure_sentence
from app.ui.palette import DARK, LIGHT, Palette, contrast
from app.ui.theme import Theme, style_sheet
from tests.ui.stage import Stage


@dataclass(frozen=True)
class Past:
    id: str
    title: str
    updated_at: datetime


def pairs(colors: Palette) -> dict[str, tuple[str, str]]:
    """Every colour of text with every ground it stands on."""
    grounds = ("window", "side", "surface", "selected", "hover", "bubble", "code", "disabled")
    on_neutral = dict.fromkeys(product(("text", "muted"), grounds))
    special = [
        ("accent_text", "selected"),
        ("accent_text", "surface"),
        ("on_accent", "accent"),
        ("on_accent", "accent_hover"),
        ("amber", "amber_ground"),
        ("amber", "side"),
        ("text", "amber_strong"),
        ("red", "red_ground"),
    ]
    names = [*on_neutral, *special]
    return {f"{text} on {ground}": (getattr(colors, text), getattr(colors, ground)) for text, ground in names}


@pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(colors: Palette) -> None:
    too_faint = {name: round(contrast(*pair), 2) for name, pair in pairs(colors).items() if contrast(*pair) < 4.5}
    assert too_faint == {}


@pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
def test_focus_rings_and_the_network_mark_can_be_seen(colors: Palette) -> None:
    for mark, ground in product((colors.accent, colors.green), (colors.side,)):
        assert contrast(mark, ground) >= 3
    assert contrast(colors.accent, colors.surface) >= 3


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_style_sheet_is_filled_in_and_grows_with_the_text() -> None:
    plain, large = style_sheet(LIGHT, 1.0), style_sheet(LIGHT, 2.0)
    assert "$" not in plain
    assert "font-size: 15px" in plain
    assert "font-size: 30px" in large
    assert "border: 1px solid" in large


@pytest.mark.parametrize("colors", [LIGHT, DARK])
def test_what_the_style_sheet_draws_with_is_there(colors: Palette) -> None:
    files = re.findall(r'url\("([^"]+)"\)', style_sheet(colors, 1.0))
    assert len(files) == style_sheet(colors, 1.0).count("url(") > 0
    assert all(Path(file).is_file() for file in files)


def test_the_window_changes_between_light_and_dark(stage: Stage, qtbot: QtBot) -> None:
    stage.window.show()
    for palette in (DARK, LIGHT):
        stage.theme.use_palette(palette)
        picture = stage.window.grab().toImage()
        assert picture.pixelColor(3, 300).name() == palette.side


def test_small_desktop_fonts_do_not_shrink_the_text(qapp: QApplication) -> None:
    assert Theme(qapp).scale >= 1.0


def past(name: str, day: datetime) -> Past:
    return Past(name, f"title of {name}", day)


def test_conversations_are_grouped_by_day_the_latest_first() -> None:
    now = datetime.now().astimezone().replace(hour=12)
    rows = group_by_day(
        [past("old", now - timedelta(days=9)), past("b", now), past("y", now - timedelta(days=1)), past("a", now)]
    )
    today = now.date()
    assert rows == (
        Heading(today),
        Entry("b", "title of b"),
        Entry("a", "title of a"),
        Heading(today - timedelta(days=1)),
        Entry("y", "title of y"),
        Heading(today - timedelta(days=9)),
        Entry("old", "title of old"),
    )


def test_days_are_those_of_this_pc_whatever_zone_was_saved() -> None:
    at = datetime(2026, 10, 2, 20, 30, tzinfo=UTC)
    assert group_by_day([past("x", at)])[0] == Heading(at.astimezone().date())


def test_days_have_names() -> None:
    today = date(2026, 10, 2)
    assert day_name(today, today) == "Today"
    assert day_name(date(2026, 10, 1), today) == "Yesterday"
    assert day_name(date(2026, 9, 5), today) == "5 September 2026"


def test_a_heading_cannot_be_chosen() -> None:
    model = DatedRows()
    model.show([past("x", datetime.now(UTC))])
    assert model.flags(model.index(0)) == Qt.ItemFlag.NoItemFlags
    assert model.index(0).data(Role.ID) is None
    assert model.index(1).data(Role.ID) == "x"
    assert model.row_of("x") == 1
    assert model.row_of("unknown") == -1


def test_every_failure_has_a_sentence_of_its_own() -> None:
    codes: tuple[FailureCode, ...] = get_args(FailureCode)
    sentences = {code_sentence(code) for code in codes}
    assert len(sentences) == len(codes)
    assert all(saved_failure_sentence(code) == code_sentence(code) for code in codes)


def test_missing_memory_is_told_in_numbers() -> None:
    failure = Failed(code="not_enough_memory", message="", needed_bytes=5_449_000_000, free_bytes=3_100_000_000)
    assert "needs 5.4 GB, and 3.1 GB are free" in failure_sentence(failure)


def test_an_open_connection_is_shown(stage: Stage, qtbot: QtBot) -> None:
    line = stage.window.status_line
    qtbot.waitUntil(lambda: line.network.text() == "Offline · 0 connections")
    stage.connections = 2
    line.poll()
    assert line.network.text() == "2 connections open"
    stage.connections = 1
    line.poll()
    assert line.network.text() == "1 connection open"
    stage.connections = 0
    line.poll()
    assert line.network.text() == "Offline · 0 connections"
