from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QImage, QTextDocument
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.ui.growing_text import GrowingText
from app.ui.markdown import LINE_SEPARATOR, readable, unfinished
from app.ui.palette import DARK
from app.ui.theme import Theme


@pytest.fixture
def theme(qapp: QApplication) -> Theme:
    return Theme(qapp, scale=1.0)


@pytest.fixture
def text(qtbot: QtBot, theme: Theme) -> GrowingText:
    text = GrowingText(theme)
    qtbot.addWidget(text)
    text.resize(600, 40)
    text.show()
    return text


def shown(text: GrowingText, markdown: str) -> str:
    text.show_markdown(markdown, complete=True, writing=False)
    return text.toPlainText()


def formats(document: QTextDocument) -> list[tuple[str, bool, bool, int]]:
    """Text, whether it is an image, whether it is a link, weight, of every run."""
    runs = []
    block = document.begin()
    while block.isValid():
        position = block.begin()
        while not position.atEnd():
            fragment = position.fragment()
            shape = fragment.charFormat()
            runs.append((fragment.text(), shape.isImageFormat(), shape.isAnchor(), shape.fontWeight()))
            position += 1
        block = block.next()
    return runs


def test_markdown_is_rendered(text: GrowingText) -> None:
    assert shown(text, "## 要点\n- **筋注** する\n- 次") == "要点\n筋注 する\n次"
    weights = {run: weight for run, _, _, weight in formats(text.document())}
    assert weights["筋注"] > weights[" する"]


def test_html_is_shown_as_the_text_it_is(text: GrowingText) -> None:
    hostile = "<script>alert(1)</script> <b>x</b> <style>* { color: red }</style>\n\n<div onclick='x'>block</div>"
    plain = shown(text, hostile)
    assert "<script>alert(1)</script>" in plain
    assert "<b>x</b>" in plain
    assert "<div onclick='x'>block</div>" in plain


def test_an_image_is_not_read_and_its_description_is_shown(text: GrowingText, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    image = QImage(500, 500, QImage.Format.Format_RGB32)
    image.fill(0)
    assert image.save(str(picture))
    one_line = text.height()
    plain = shown(text, f"before ![an ECG]({picture.as_uri()}) ![]({picture}) after")
    assert plain.startswith("before an ECG ")
    assert plain.endswith(" after")
    assert not any(is_image for _, is_image, _, _ in formats(text.document()))
    assert text.height() < 5 * one_line


def test_a_link_shows_its_address_and_does_not_open(text: GrowingText) -> None:
    assert shown(text, "see [the label](http://example.org/x)") == "see the label (http://example.org/x)"
    assert not any(is_link for _, _, is_link, _ in formats(text.document()))
    assert shown(text, "https://example.org") == "https://example.org"
    assert not any(is_link for _, _, is_link, _ in formats(text.document()))


def test_a_table_and_code_keep_every_cell_and_line(text: GrowingText) -> None:
    plain = shown(text, "| 薬剤 | 用量 |\n|---|---|\n| A | 1 mg |\n\n```\nx = 1\ny = 2\n```")
    for part in ("薬剤", "用量", "A", "1 mg", "x = 1\ny = 2"):
        assert part in plain


def test_what_looks_like_a_document_header_is_not_swallowed(text: GrowingText) -> None:
    assert "dose: 5 mg" in shown(text, "---\ndose: 5 mg\n---\nrest")


def test_each_option_keeps_its_line(text: GrowingText) -> None:
    assert shown(text, "答えは b です。\n理由は次のとおり。") == "答えは b です。\n理由は次のとおり。"


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("a\nb", f"a{LINE_SEPARATOR}b"),
        ("- a\n  more\n- b", f"- a{LINE_SEPARATOR}more\n- b"),
        ("a\n\nb", "a\n\nb"),
        ("# H\ntext", "# H\ntext"),
        ("a\n- b", "a\n- b"),
        ("a\n1. b", "a\n1. b"),
        ("| a |\n|---|\n| b |", "| a |\n|---|\n| b |"),
        ("```\na\nb\n```\nc\nd", f"```\na\nb\n```\nc{LINE_SEPARATOR}d"),
        ("a\r\nb", f"a{LINE_SEPARATOR}b"),
        ("a\n---", "a\n---"),
    ],
)
def test_line_breaks_of_paragraphs_are_kept(markdown: str, expected: str) -> None:
    assert readable(markdown) == "\n" + expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("text\n-", "text"),
        ("text\n##", "text"),
        ("text\n1.", "text"),
        ("text\n|--", "text"),
        ("a **bold", "a **bold**"),
        ("a **bold*", "a **bold**"),
        ("a **", "a "),
        ("a **bold** b", "a **bold** b"),
        ("- item", "- item"),
        ("", ""),
    ],
)
def test_the_beginning_of_a_mark_waits_for_its_text(written: str, expected: str) -> None:
    assert unfinished(written) == expected


def test_a_selection_survives_the_next_piece(text: GrowingText) -> None:
    text.show_markdown("first **second** third", complete=False, writing=True)
    cursor = text.textCursor()
    cursor.setPosition(6)
    cursor.setPosition(12, cursor.MoveMode.KeepAnchor)
    text.setTextCursor(cursor)
    text.show_markdown("first **second** third fourth", complete=False, writing=True)
    assert text.textCursor().selectedText() == "second"


def test_the_text_is_as_tall_as_what_it_holds(text: GrowingText) -> None:
    text.show_markdown("\n\n".join(["paragraph"] * 40), complete=True, writing=False)
    assert text.height() >= text.document().size().height()
    assert text.verticalScrollBar().maximum() == 0


def test_a_text_is_laid_out_in_its_own_size_before_it_is_shown(qtbot: QtBot, theme: Theme) -> None:
    unseen = GrowingText(theme)
    qtbot.addWidget(unseen)
    assert unseen.document().defaultFont().pixelSize() == 15


def test_colours_follow_the_theme(text: GrowingText, theme: Theme) -> None:
    theme.use_palette(DARK)
    text.show_markdown("`code`", complete=True, writing=False)
    assert DARK.code in text.document().toHtml()
