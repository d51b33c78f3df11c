"""Numbers as a person reads them: with units, intervals and the marks of the language of the interface."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import QCoreApplication, QLocale

from app.services.benchmark.views import Share

translate = QCoreApplication.translate


def size(count: int) -> str:
    """Bytes, as the makers of models write them: 4.58 GB, 6 MB."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count:,} B"


def number(value: int) -> str:
    return QLocale().toString(value)


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def interval(share: Share) -> str:
    return f"[{100 * share.low:.1f}, {100 * share.high:.1f}]"


def accuracy(share: Share | None) -> str:
    """52.4 % [49.5, 55.3]."""
    return "–" if share is None else f"{percent(share.value)} {interval(share)}"


def points(value: float) -> str:
    text = f"{100 * value:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def moment(iso: str) -> str:
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{when:%Y-%m-%d %H:%M}"


def rate(per_second: float) -> str:
    return f"{per_second:,.1f}"


def wait(seconds: float) -> str:
    """A short time, in seconds or milliseconds."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def duration(seconds: float) -> str:
    if seconds < 90:
        return translate("Benchmark", "{count} s").format(count=max(1, round(seconds)))
    minutes = round(seconds / 60)
    if minutes < 90:
        return translate("Benchmark", "{count} min").format(count=minutes)
    return translate("Benchmark", "{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)
