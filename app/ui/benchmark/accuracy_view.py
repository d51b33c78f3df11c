"""Runs: ordering one, watching it, what is kept, and what the chosen one shows."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.services.benchmark.service import BenchmarkService
from app.services.benchmark.views import DEMONSTRATION_TASK, BenchmarkState, ModelChoice, RunView, TaskChoice, Wanted
from app.ui import quantities
from app.ui.benchmark import naming, texts
from app.ui.benchmark.order_form import OrderForm
from app.ui.benchmark.plot_card import PlotCard
from app.ui.benchmark.plots import AccuracyPlot, HistoryPlot, Moment, ReliabilityPlot, Series
from app.ui.benchmark.running_card import RunningCard
from app.ui.benchmark.side_by_side import SideBySide
from app.ui.benchmark.table import Cell, Row, Table
from app.ui.controls import Button, FailurePanel
from app.ui.file_dialogs import FileDialogs
from app.ui.panels import Card, Chip
from app.ui.theme import Theme

_TALLEST = 420
"""Of the table of runs, in pixels at the base size of text."""


class AccuracyView(QWidget):
    """`changed` tells that another run is shown."""

    changed = Signal()

    def __init__(self, service: BenchmarkService, dialogs: FileDialogs, theme: Theme) -> None:
        super().__init__()
        self._service = service
        self._runs: tuple[RunView, ...] = ()
        self._models: dict[str, ModelChoice] = {}
        self._going_on = ""
        self.failure = FailurePanel(theme)
        self.form = OrderForm(dialogs, theme)
        self.running = RunningCard(service, "accuracy", theme)
        self.hint = Card(theme)
        self._hint_title, self._hint_text = QLabel(), QLabel()
        self.table = Table(theme, tallest=_TALLEST)
        self.details = QWidget()
        self.title, self.score = QLabel(), QLabel()
        self.mark, self.state = Chip(), Chip()
        self.resume, self.remove = Button(theme, "chip", "retry", icon_pixels=13), Button(theme, "chip")
        self.remark = QLabel()
        self.accuracy = PlotCard(theme, AccuracyPlot(theme))
        self.reliability = PlotCard(theme, ReliabilityPlot(theme))
        self.history = PlotCard(theme, HistoryPlot(theme))
        self.groups = Table(theme)
        self._lay_out(theme)
        self._connect()
        for part in (self.failure, self.form, self.details):
            part.hide()
        self.retranslate()

    @property
    def run(self) -> RunView | None:
        """The one that is shown below the table."""
        return next((run for run in self._runs if run.id == self.table.current_key()), None)

    def new_run(self) -> None:
        self.form.failure.hide()
        self.form.show()
        self.form.model.setFocus()
        self._show_hint()

    def show_all(self, models: Sequence[ModelChoice], tasks: Sequence[TaskChoice], runs: Sequence[RunView]) -> None:
        newest = runs[0].id if runs else ""
        came = newest not in {run.id for run in self._runs}
        self._models = {model.sha256: model for model in models}
        self._runs = tuple(runs)
        self.form.show_choices(models, tasks)
        self._show_runs()
        if came or self.run is None:
            self.table.choose(newest)
        self._show_run()
        self._show_hint()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.form.retranslate()
        self._hint_title.setText(self.tr("How well does a model answer here?"))
        self._hint_text.setText(
            self.tr(
                "Ask a model the built-in questions, or those of a benchmark that you have as files, and see how many "
                "it answers rightly, with the interval that so few questions allow. None of these numbers says "
                "anything about fitness for clinical use."
            )
        )
        self.table.setAccessibleName(self.tr("Runs"))
        self.groups.setAccessibleName(self.tr("Right answers by category"))
        self.resume.setText(self.tr("Resume"))
        self.remove.setText(self.tr("Delete this run"))
        self._show_runs()
        self._show_run()
        self._show_state(self._service.state)

    def lines(self) -> list[str]:
        """What is said of the run that is shown, the heading first."""
        labels = (self.title, self.score, self.state, self.mark, self.remark)
        return [line for label in labels if not label.isHidden() for line in label.text().split("\n")]

    def tables(self) -> list[list[list[str]]]:
        """What is shown, for a file."""
        return [self.table.texts(), self.groups.texts()] if self.run else [self.table.texts()]

    def plots(self) -> list[PlotCard]:
        return [card for card in (self.accuracy, self.reliability, self.history) if not card.isHidden()]

    # --- parts --------------------------------------------------------------------------------------------------------

    def _lay_out(self, theme: Theme) -> None:
        px = theme.px
        for label, role in (
            (self._hint_title, "title"),
            (self._hint_text, "muted"),
            (self.title, "title"),
            (self.score, "headline"),
            (self.remark, "muted"),
        ):
            label.setProperty("role", role)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.hint.body.addWidget(self._hint_title)
        self.hint.body.addWidget(self._hint_text)
        facts = QHBoxLayout()
        facts.setSpacing(px(8))
        for chip in (self.state, self.mark):
            chip.setWordWrap(False)
            chip.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            facts.addWidget(chip)
        facts.addStretch(1)
        deeds = QHBoxLayout()
        deeds.setSpacing(px(8))
        deeds.addWidget(self.resume)
        deeds.addWidget(self.remove)
        deeds.addStretch(1)
        inner = QVBoxLayout(self.details)
        inner.setContentsMargins(0, px(6), 0, 0)
        inner.setSpacing(px(12))
        inner.addWidget(self.title)
        inner.addWidget(self.score)
        inner.addLayout(facts)
        inner.addWidget(self.remark)
        inner.addLayout(deeds)
        inner.addWidget(SideBySide(theme, self.accuracy, self.reliability))
        inner.addWidget(self.groups)
        inner.addWidget(self.history)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(px(14))
        for part in (self.failure, self.form, self.running, self.hint, self.table, self.details):
            layout.addWidget(part)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.form.ordered.connect(self._order)
        self.form.cancelled.connect(self._close_form)
        self.table.chosen.connect(self._show_run)
        self.resume.clicked.connect(self._resume)
        self.remove.clicked.connect(self._remove)
        self._service.state_changed.connect(self._show_state)

    def _order(self, wanted: Sequence[Wanted]) -> None:
        self._close_form()
        self._service.start(wanted)

    def _close_form(self) -> None:
        self.form.hide()
        self._show_hint()

    def _resume(self) -> None:
        if (run := self.run) is not None:
            self._service.resume(run.id)

    def _remove(self) -> None:
        if (run := self.run) is not None:
            self._service.remove(run.id)

    def _show_hint(self) -> None:
        self.hint.setVisible(not self._runs and self.form.isHidden() and self.running.isHidden())
        self.table.setVisible(bool(self._runs))

    def _show_state(self, state: BenchmarkState) -> None:
        if state.failure and state.kind == "accuracy":
            self.failure.show_failure(texts.problem(state), "")
        else:
            self.failure.hide()
        going_on = state.run.id if state.run is not None else ""
        if going_on != self._going_on:
            self._going_on = going_on
            self._show_runs()
            if (run := self.run) is not None:
                self._show_facts(run)
        self._show_deeds()
        self._show_hint()

    def _show_runs(self) -> None:
        headings = [
            self.tr("Model"),
            self.tr("Questions"),
            self.tr("Language"),
            self.tr("Accuracy (95 % interval)"),
            self.tr("Asked"),
            self.tr("State"),
            self.tr("Begun"),
        ]
        self.table.show_rows(headings, [self._row(run) for run in self._runs])

    def _row(self, run: RunView) -> Row:
        share = run.headline
        return Row(
            (
                Cell(run.model),
                Cell(naming.task(run.task)),
                Cell(naming.language(run.language)),
                Cell(quantities.accuracy(share), share.value if share else -1.0, right=True),
                Cell(quantities.number(run.done), float(run.done), right=True),
                Cell(texts.run_state(run, self._service.state)[0]),
                Cell(quantities.moment(run.created)),
            ),
            run.id,
        )

    def _show_run(self) -> None:
        run = self.run
        self.details.setVisible(run is not None)
        if run is not None:
            self._show_facts(run)
            self._show_plots(run)
            self._show_groups(run)
            self._show_history(run)
            self._show_deeds()
        self.changed.emit()

    def _show_facts(self, run: RunView) -> None:
        self.title.setText(f"{run.model} · {naming.task(run.task)} · {naming.language(run.language)}")
        self.score.setText(quantities.accuracy(run.share))
        self.score.setVisible(run.share is not None)
        self.state.show_fact(*texts.run_state(run, self._service.state))
        mark = texts.verdict_mark(self._models.get(run.sha256))
        self.mark.setVisible(mark is not None)
        if mark is not None:
            self.mark.show_fact(*mark)
        self.remark.setText("\n".join(self._remarks(run)))

    def _remarks(self, run: RunView) -> list[str]:
        if run.damaged:
            return [texts.with_details(run.damaged)]
        lines = []
        if run.task == DEMONSTRATION_TASK:
            lines.append(
                self.tr(
                    "Questions of the training show that the parts work together, not medical ability. The parts are "
                    "never added up; in the list stand facts that are asked in other words than those of the training."
                )
            )
        else:
            lines.append(naming.how(run.how))
        if run.kinki is not None:
            chosen, items = run.kinki
            lines.append(
                self.tr("Prohibited options chosen in {chosen} of {items} questions that have one.").format(
                    chosen=chosen, items=items
                )
            )
        if run.unanswered:
            lines.append(
                self.tr("{count} questions without a usable answer; they count as wrong.").format(count=run.unanswered)
            )
        lines.append(self.tr("Model file: SHA-256 {hash}…").format(hash=run.sha256[:16]))
        return lines

    def _show_plots(self, run: RunView) -> None:
        plot = self.accuracy.plot
        assert isinstance(plot, AccuracyPlot)
        plot.show_series([Series(run.model, run.groups)], run.chance if run.task != DEMONSTRATION_TASK else None)
        self.accuracy.setVisible(bool(run.groups))
        self.accuracy.set_title(self.tr("Accuracy by category (95 % interval)"))
        curve = self.reliability.plot
        assert isinstance(curve, ReliabilityPlot)
        curve.show_bins(run.bins, run.ece)
        self.reliability.setVisible(bool(run.bins))
        title = self.tr("Is its confidence right?")
        if run.ece is not None:
            title = self.tr("Is its confidence right? Mean gap {points} points").format(points=f"{100 * run.ece:.1f}")
        self.reliability.set_title(title)

    def _show_groups(self, run: RunView) -> None:
        headings = [
            self.tr("Category"),
            self.tr("Right"),
            self.tr("Questions"),
            self.tr("Accuracy"),
            self.tr("95 % interval"),
        ]
        rows = [
            Row(
                (
                    Cell(naming.group(group.name)),
                    Cell(quantities.number(group.share.correct), float(group.share.correct), right=True),
                    Cell(quantities.number(group.share.n), float(group.share.n), right=True),
                    Cell(quantities.percent(group.share.value), group.share.value, right=True),
                    Cell(quantities.interval(group.share), group.share.low, right=True),
                ),
                group.name,
            )
            for group in run.groups
        ]
        self.groups.show_rows(headings, rows)
        self.groups.setVisible(bool(rows))

    def _show_history(self, run: RunView) -> None:
        """Finished runs of the same questions in the same language and way."""
        alike = [
            Moment(other.created, other.model, share)
            for other in reversed(self._runs)
            if (other.task, other.language, other.how) == (run.task, run.language, run.how)
            and other.complete
            and (share := other.headline) is not None
        ]
        plot = self.history.plot
        assert isinstance(plot, HistoryPlot)
        plot.show_moments(alike)
        self.history.setVisible(len(alike) > 1)
        self.history.set_title(
            self.tr("All runs of these questions: {task}, {language}").format(
                task=naming.task(run.task), language=naming.language(run.language)
            )
        )

    def _show_deeds(self) -> None:
        run, state = self.run, self._service.state
        goes_on = run is not None and state.run is not None and state.run.id == run.id
        self.resume.setVisible(run is not None and not run.complete and not run.damaged and not goes_on)
        self.remove.setEnabled(not goes_on)
