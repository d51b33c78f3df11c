"""How fast the model in use answers on this PC, with how many threads, and behind how long a prompt."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.services.benchmark.service import BenchmarkService
from app.services.benchmark.views import BenchmarkState, SpeedPoint, SpeedView, Spread
from app.ui import quantities
from app.ui.benchmark import texts
from app.ui.benchmark.plot_card import PlotCard
from app.ui.benchmark.plots import SpeedPlot
from app.ui.benchmark.running_card import RunningCard
from app.ui.benchmark.side_by_side import SideBySide
from app.ui.benchmark.table import Cell, Row, Table
from app.ui.controls import Button, FailurePanel
from app.ui.panels import Card
from app.ui.theme import Theme


class SpeedPage(QWidget):
    """`changed` tells that another measurement is shown."""

    changed = Signal()

    def __init__(self, service: BenchmarkService, theme: Theme) -> None:
        super().__init__()
        self._service = service
        self._measured: tuple[SpeedView, ...] = ()
        self.failure = FailurePanel(theme)
        self.failure.hide()
        self.running = RunningCard(service, "speed", theme)
        self.hint = QLabel()
        self.best = Card(theme)
        self.headline, self.advice, self.machine = QLabel(), QLabel(), QLabel()
        self.keep = Button(theme, "primary")
        self.written = PlotCard(theme, SpeedPlot(theme, reading=False))
        self.read = PlotCard(theme, SpeedPlot(theme, reading=True))
        self.contexts, self.threads, self.table = Table(theme), Table(theme), Table(theme)
        self.threads_title, self.table_title = QLabel(), QLabel()
        self._plots = SideBySide(theme, self.written, self.read)
        self._lay_out(theme)
        service.state_changed.connect(self._show_state)
        self.table.chosen.connect(self._show_chosen)
        self.keep.clicked.connect(self._keep)
        self.retranslate()

    @property
    def shown(self) -> SpeedView | None:
        return next((one for one in self._measured if one.id == self.table.current_key()), None)

    def show_measured(self, measured: Sequence[SpeedView]) -> None:
        newest = measured[0].id if measured else ""
        came = newest not in {one.id for one in self._measured}
        self._measured = tuple(measured)
        self._show_table()
        if came or self.shown is None:
            self.table.choose(newest)
        self._show_chosen()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.hint.setText(
            self.tr(
                "Measures the model in use: how fast it reads prompts of several lengths and writes answers, and with "
                "how many threads it is fastest. Takes a few minutes; nothing else should run meanwhile. A question "
                "in between is answered."
            )
        )
        self.threads_title.setText(self.tr("By the number of threads"))
        self.table_title.setText(self.tr("All measurements on this PC"))
        self.contexts.setAccessibleName(self.tr("Speed by the length of the prompt"))
        self.threads.setAccessibleName(self.tr("Speed by the number of threads"))
        self.table.setAccessibleName(self.tr("All measurements on this PC"))
        self._show_table()
        self._show_chosen()
        self._show_state(self._service.state)

    def lines(self) -> list[str]:
        """What is said of the measurement that is shown, the heading first."""
        return [line for label in (self.headline, self.advice, self.machine) for line in label.text().split("\n")]

    def tables(self) -> list[list[list[str]]]:
        return [self.contexts.texts(), self.threads.texts()] if self.shown else []

    def plots(self) -> list[PlotCard]:
        return [self.written, self.read] if self.shown else []

    # --- parts --------------------------------------------------------------------------------------------------------

    def _lay_out(self, theme: Theme) -> None:
        px = theme.px
        for label, role in (
            (self.hint, "muted"),
            (self.headline, "headline"),
            (self.advice, ""),
            (self.machine, "muted"),
            (self.threads_title, "title"),
            (self.table_title, "title"),
        ):
            label.setProperty("role", role)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        deeds = QHBoxLayout()
        deeds.addWidget(self.keep)
        deeds.addStretch(1)
        for label in (self.headline, self.advice, self.machine):
            self.best.body.addWidget(label)
        self.best.body.addLayout(deeds)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(px(14))
        for part in (
            self.failure,
            self.running,
            self.hint,
            self.best,
            self._plots,
            self.contexts,
            self.threads_title,
            self.threads,
            self.table_title,
            self.table,
        ):
            layout.addWidget(part)
        layout.addStretch(1)

    def _keep(self) -> None:
        if (shown := self.shown) is not None:
            self._service.keep_threads(shown.best)
            self.keep.setEnabled(False)
            self.keep.setText(self.tr("Questions are answered with {count} threads").format(count=shown.best))

    def _show_state(self, state: BenchmarkState) -> None:
        if state.failure and state.kind == "speed":
            self.failure.show_failure(texts.problem(state), "")
        else:
            self.failure.hide()
        self.hint.setVisible(state.phase == "idle")

    def _show_chosen(self) -> None:
        shown = self.shown
        for part in (self.best, self._plots, self.contexts, self.threads_title, self.threads):
            part.setVisible(shown is not None)
        self.table_title.setVisible(len(self._measured) > 1)
        self.table.setVisible(len(self._measured) > 1)
        if shown is not None:
            self._show_best(shown)
            self._show_plots(shown)
            self._show_points(shown)
        self.changed.emit()

    def _show_best(self, shown: SpeedView) -> None:
        at = shown.contexts[0]
        self.headline.setText(
            self.tr("{model}: {speed} tokens/s").format(model=shown.model, speed=quantities.rate(at.written.median))
        )
        lines = [
            self.tr("The first token comes after {time}, behind a prompt of {tokens} tokens.").format(
                time=quantities.wait(at.first.median), tokens=quantities.number(at.prompt_tokens)
            )
        ]
        if shown.expected is not None:
            text = self.tr("Expected from the memory bandwidth of this PC and the size of the file: {low} to {high}.")
            lines.append(text.format(low=quantities.rate(shown.expected[0]), high=quantities.rate(shown.expected[1])))
        other = shown.best != shown.used
        if other:
            text = self.tr("Fastest with {best} threads; questions were answered with {used}.")
        else:
            text = self.tr("No other number of threads is clearly faster than the one in use: {used}.")
        lines.append(text.format(best=shown.best, used=shown.used))
        self.advice.setText("\n".join(lines))
        self.machine.setText(
            self.tr("{processor}, {cores} cores · file {file} · memory held {memory} · {when}").format(
                processor=shown.processor,
                cores=shown.cores,
                file=quantities.size(shown.file_bytes),
                memory=quantities.size(shown.resident_bytes),
                when=quantities.moment(shown.created),
            )
        )
        self.keep.setVisible(other)
        self.keep.setEnabled(True)
        self.keep.setText(self.tr("Answer with {count} threads from now on").format(count=shown.best))

    def _show_plots(self, shown: SpeedView) -> None:
        for card, expected in ((self.written, shown.expected), (self.read, None)):
            plot = card.plot
            assert isinstance(plot, SpeedPlot)
            plot.show_points(shown.contexts, expected)
        self.written.set_title(self.tr("Writing an answer (median, range of the repeats)"))
        self.read.set_title(self.tr("Reading a prompt (median, range of the repeats)"))

    def _show_points(self, shown: SpeedView) -> None:
        measured = [self.tr("Written, tokens/s"), self.tr("Read, tokens/s"), self.tr("First token, s")]
        self.contexts.show_rows(
            [self.tr("Tokens of the prompt"), *measured],
            [Row((_count(point.prompt_tokens), *_cells(point))) for point in shown.contexts],
        )
        self.threads.show_rows(
            [self.tr("Threads"), *measured], [Row((_count(point.threads), *_cells(point))) for point in shown.threads]
        )

    def _show_table(self) -> None:
        headings = [
            self.tr("Model"),
            self.tr("Written, tokens/s"),
            self.tr("Fastest threads"),
            self.tr("Memory"),
            self.tr("Measured"),
        ]
        rows = [
            Row(
                (
                    Cell(one.model),
                    _spread(one.contexts[0].written),
                    _count(one.best),
                    Cell(quantities.size(one.resident_bytes), float(one.resident_bytes), right=True),
                    Cell(quantities.moment(one.created)),
                ),
                one.id,
            )
            for one in self._measured
        ]
        self.table.show_rows(headings, rows)


def _count(value: int) -> Cell:
    return Cell(quantities.number(value), float(value), right=True)


def _cells(point: SpeedPoint) -> tuple[Cell, ...]:
    return _spread(point.written), _spread(point.read), _spread(point.first, 3)


def _spread(spread: Spread, digits: int = 1) -> Cell:
    text = f"{spread.median:,.{digits}f} ({spread.low:,.{digits}f}–{spread.high:,.{digits}f})"
    return Cell(text, spread.median, right=True)
