"""Shows an answer's Markdown in a text document: inert (no HTML, image, link or resource), in the theme's type."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFrameFormat,
    QTextLength,
    QTextListFormat,
    QTextTable,
)

from app.ui.markdown import readable, unfinished
from app.ui.theme import Theme

CURSOR = "▍"
_FEATURES = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
_LINE_HEIGHT = 1.65
_HEADING_SCALE = {1: 1.25, 2: 1.15}
_MARK_SCALE = 0.7
_MARK_STRETCH = 300  # percent; the room between the mark and the text is one space of the mark's font
_BULLETS = (
    QTextListFormat.Style.ListDisc,
    QTextListFormat.Style.ListCircle,
    QTextListFormat.Style.ListSquare,
)
_OBJECT = "\ufffc"


def show_markdown(
    document: QTextDocument, text: str, theme: Theme, *, complete: bool = True, writing: bool = False
) -> None:
    """Replace what `document` shows; `writing` adds a cursor at the end."""
    document.setMarkdown(readable(text if complete else unfinished(text)), _FEATURES)
    document.setIndentWidth(theme.px(20))
    edit = QTextCursor(document)
    edit.beginEditBlock()
    _make_inert(document)
    _set_type(document, theme)
    if writing:
        _add_cursor(document, theme)
    edit.endEditBlock()


def set_line_height(document: QTextDocument) -> None:
    """The line height of answers, for plain text."""
    for block in _blocks(document):
        QTextCursor(block).mergeBlockFormat(_line_height(document))


def _make_inert(document: QTextDocument) -> None:
    """Images become their description, links become their text and address: nothing is loaded, nothing opens."""
    marks = [fragment for fragment in _fragments(document) if fragment[2].isImageFormat() or fragment[2].isAnchor()]
    for start, length, shape in reversed(marks):
        cursor = QTextCursor(document)
        cursor.setPosition(start)
        cursor.setPosition(start + length, QTextCursor.MoveMode.KeepAnchor)
        written = cursor.selectedText()
        plain = QTextCharFormat(shape)
        if shape.isImageFormat():
            plain = QTextCharFormat()
            written = str(shape.property(QTextFormat.Property.ImageAltText) or shape.toImageFormat().name())
        elif shape.anchorHref() not in ("", written):
            written = f"{written} ({shape.anchorHref()})"
        for name in (QTextFormat.Property.IsAnchor, QTextFormat.Property.AnchorHref, QTextFormat.Property.AnchorName):
            plain.clearProperty(name)
        for name in (QTextFormat.Property.ForegroundBrush, QTextFormat.Property.TextUnderlineStyle):
            plain.clearProperty(name)
        plain.setFontUnderline(False)
        cursor.insertText(written.replace(_OBJECT, ""), plain)


def _set_type(document: QTextDocument, theme: Theme) -> None:
    font = document.defaultFont()
    code = QTextCharFormat()
    code.setFontFamilies([QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family(), *font.families()])
    code.setBackground(QColor(theme.colors.code))
    for start, length, shape in list(_fragments(document)):
        if shape.fontFixedPitch():
            _select(document, start, length).mergeCharFormat(code)
    for block in list(_blocks(document)):
        QTextCursor(block).mergeBlockFormat(_block_format(document, block, theme))
        if block.textList() and block.textList().format().style() in _BULLETS:
            # Qt draws the mark of an item in the block's own font; at full size it is a blot beside Japanese text.
            mark = QTextCharFormat()
            mark.setProperty(QTextFormat.Property.FontPixelSize, round(font.pixelSize() * _MARK_SCALE))
            mark.setFontStretch(_MARK_STRETCH)
            QTextCursor(block).mergeBlockCharFormat(mark)
        if level := block.blockFormat().headingLevel():
            heading = QTextCharFormat()
            # Qt's importer enlarges headings by a property that would add to the size set here.
            heading.setProperty(QTextFormat.Property.FontSizeAdjustment, 0)
            pixels = round(font.pixelSize() * _HEADING_SCALE.get(level, 1))
            heading.setProperty(QTextFormat.Property.FontPixelSize, pixels)
            heading.setFontWeight(QFont.Weight.DemiBold)
            _select(document, block.position(), block.length() - 1).mergeCharFormat(heading)
    for table in _tables(document):
        _style_table(table, theme)


def _block_format(document: QTextDocument, block: QTextBlock, theme: Theme) -> QTextBlockFormat:
    shape = _line_height(document)
    if QTextCursor(block).currentTable():
        shape.setTopMargin(0)
        shape.setBottomMargin(0)
    elif block.blockFormat().headingLevel():
        shape.setTopMargin(0 if block.blockNumber() == 0 else theme.px(14))
        shape.setBottomMargin(theme.px(4))
    elif block.textList():
        shape.setTopMargin(0)
        shape.setBottomMargin(theme.px(3))
    elif block.blockFormat().hasProperty(QTextFormat.Property.BlockCodeFence):
        shape.setBackground(QColor(theme.colors.code))
    else:
        shape.setTopMargin(0)
        shape.setBottomMargin(theme.px(8) if block.next().isValid() else 0)
    return shape


def _line_height(document: QTextDocument) -> QTextBlockFormat:
    """At least that many pixels: a percentage would multiply the height of the face, which for Japanese is large."""
    shape = QTextBlockFormat()
    height = round(document.defaultFont().pixelSize() * _LINE_HEIGHT)
    shape.setLineHeight(height, QTextBlockFormat.LineHeightTypes.MinimumHeight.value)
    return shape


def _style_table(table: QTextTable, theme: Theme) -> None:
    shape = table.format()
    shape.setBorder(1)
    shape.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
    shape.setBorderBrush(QColor(theme.colors.edge))
    shape.setBorderCollapse(True)
    shape.setCellPadding(theme.px(6))
    shape.setCellSpacing(0)
    shape.setTopMargin(theme.px(4))
    shape.setBottomMargin(theme.px(8))
    shape.setWidth(QTextLength())
    table.setFormat(shape)


def _add_cursor(document: QTextDocument, theme: Theme) -> None:
    cursor = QTextCursor(document)
    cursor.movePosition(QTextCursor.MoveOperation.End)
    shape = QTextCharFormat()
    shape.setForeground(QColor(theme.colors.accent))
    cursor.insertText(CURSOR, shape)


def _select(document: QTextDocument, start: int, length: int) -> QTextCursor:
    cursor = QTextCursor(document)
    cursor.setPosition(start)
    cursor.setPosition(start + length, QTextCursor.MoveMode.KeepAnchor)
    return cursor


def _blocks(document: QTextDocument) -> Iterator[QTextBlock]:
    block = document.begin()
    while block.isValid():
        yield block
        block = block.next()


def _fragments(document: QTextDocument) -> Iterator[tuple[int, int, QTextCharFormat]]:
    """Position, length and format of every run of text."""
    for block in _blocks(document):
        position = block.begin()
        while not position.atEnd():
            fragment = position.fragment()
            yield fragment.position(), fragment.length(), fragment.charFormat()
            position += 1


def _tables(document: QTextDocument) -> Iterator[QTextTable]:
    for frame in document.rootFrame().childFrames():
        if isinstance(frame, QTextTable):
            yield frame
