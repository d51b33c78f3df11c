"""What a page shows, as a document for a printer, a browser or a spreadsheet."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QUrl
from PySide6.QtGui import QFont, QPageLayout, QPageSize, QPdfWriter, QPixmap, QTextDocument

from app.core.files import replacing, write_atomically
from app.ui.benchmark.table import csv_text

_WIDTH = 620
"""Of a picture on the page at most, in pixels of 1/96 inch: what the margins of A4 leave is 642."""
_BROWSER = "body { font-family: sans-serif; max-width: 960px; margin: 2em auto; }"
_STYLE = (
    "body { color: #1f2933; } h1 { font-size: 18pt; } h2 { font-size: 13pt; }"
    "table { border-collapse: collapse; } td, th { padding: 3px 10px; border-bottom: 1px solid #dde3e8;"
    "text-align: left; } p { line-height: 140%; margin-top: 4px; margin-bottom: 4px; }"
)


@dataclass(frozen=True)
class Picture:
    title: str
    pixmap: QPixmap
    text: str
    """What it shows, for those who do not see it."""


@dataclass(frozen=True)
class Document:
    title: str
    lines: tuple[str, ...]
    pictures: tuple[Picture, ...]
    tables: tuple[Sequence[Sequence[str]], ...]
    """Headings first."""

    def html(self) -> str:
        """One file that loads nothing from elsewhere."""
        return self._html(
            lambda picture: f"data:image/png;base64,{base64.b64encode(_png(picture)).decode()}", _STYLE + _BROWSER
        )

    def write_html(self, path: Path) -> None:
        write_atomically(path, self.html().encode())

    def write_csv(self, path: Path) -> None:
        """With a byte-order mark, without which Excel takes Japanese for another encoding."""
        write_atomically(path, csv_text(self.tables).encode("utf-8-sig"))

    def write_pdf(self, path: Path, font: QFont) -> None:
        """A4. Raises OSError where it cannot be written."""
        with replacing(path) as temporary:
            writer = QPdfWriter(str(temporary))
            writer.setTitle(self.title)
            writer.setCreator("Inro")
            writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
            writer.setPageMargins(QMarginsF(0, 0, 0, 0), QPageLayout.Unit.Millimeter)  # printing leaves 2 cm by itself
            document = QTextDocument()
            printed = QFont(font)
            printed.setPointSizeF(9.5)
            document.setDefaultFont(printed)
            for number, picture in enumerate(self.pictures):
                name = QUrl(f"inro:{number}")
                image = picture.pixmap.toImage()
                image.setDevicePixelRatio(1)  # at any other ratio only a corner of it is printed
                document.addResource(QTextDocument.ResourceType.ImageResource, name, image)
            document.setHtml(self._html(lambda picture: f"inro:{self.pictures.index(picture)}", _STYLE))
            document.print_(writer)
            del writer  # ends the file
            if not temporary.stat().st_size:
                raise OSError(f"{path} could not be written")

    def _html(self, source: Callable[[Picture], str], style: str) -> str:
        parts = [f"<h1>{escape(self.title)}</h1>", *(f"<p>{escape(line)}</p>" for line in self.lines)]
        for picture in self.pictures:
            parts.append(f"<h2>{escape(picture.title)}</h2>")
            size = picture.pixmap.deviceIndependentSize()
            width = min(_WIDTH, round(size.width()))
            height = round(width * size.height() / max(1.0, size.width()))
            size_of = f'width="{width}" height="{height}"'
            parts.append(f'<div><img src="{source(picture)}" {size_of} alt="{escape(picture.text)}"></div>')
        parts += [_table(table) for table in self.tables if table]
        return (
            f'<!doctype html><html><head><meta charset="utf-8"><title>{escape(self.title)}</title>'
            f"<style>{style}</style></head><body>{''.join(parts)}</body></html>"
        )


def _table(table: Sequence[Sequence[str]]) -> str:
    heading, *rows = table
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<table width="100%"><tr>{head}</tr>{body}</table><p>&nbsp;</p>'


def _png(picture: Picture) -> bytes:
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture.pixmap.save(buffer, "PNG")
    return bytes(data.data())
