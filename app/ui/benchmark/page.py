"""The page of benchmarks: accuracy, speed, and two models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QEvent, QPoint
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QLabel, QMenu, QStackedWidget, QVBoxLayout, QWidget

from app.services.benchmark.service import BenchmarkService
from app.services.benchmark.views import DEMONSTRATION_TASK, BenchmarkState, RunView
from app.ui.benchmark import texts
from app.ui.benchmark.accuracy_view import AccuracyView
from app.ui.benchmark.compare_view import CompareView
from app.ui.benchmark.documents import Document, Picture
from app.ui.benchmark.run_list import RunList
from app.ui.benchmark.speed_view import SpeedPage
from app.ui.controls import Button, ElidedLabel, FailurePanel
from app.ui.file_dialogs import FileDialogs
from app.ui.i18n import Translation
from app.ui.panels import ScrollPage
from app.ui.theme import Theme

Kind = Literal["html", "csv", "pdf"]
Part = Literal["accuracy", "speed", "compare"]


class BenchmarkPage(QWidget):
    """`panel` is for the side bar, `note` for the status line."""

    def __init__(self, service: BenchmarkService, dialogs: FileDialogs, translation: Translation, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("page")
        self._service, self._dialogs, self._translation = service, dialogs, translation
        self.panel = RunList(theme)
        self.note = QLabel()
        self.title = ElidedLabel()
        self.title.setProperty("role", "title")
        self.accuracy = AccuracyView(service, dialogs, theme)
        self.speed = SpeedPage(service, theme)
        self.compare = CompareView(service, theme)
        self._parts: dict[Part, AccuracyView | SpeedPage | CompareView] = {
            "accuracy": self.accuracy,
            "speed": self.speed,
            "compare": self.compare,
        }
        self.switches = {part: Button(theme, "switch") for part in self._parts}
        self.export_button, self.new_button = Button(theme, "chip"), Button(theme, "primary")
        self.failure = FailurePanel(theme)
        self.failure.hide()
        self._stack = QStackedWidget()
        self._lay_out(theme)
        self._connect()
        self.show_part("accuracy")
        self.retranslate()

    @property
    def part(self) -> Part:
        return next(part for part, button in self.switches.items() if button.isChecked())

    def show_part(self, part: Part) -> None:
        self.switches[part].setChecked(True)
        self._stack.setCurrentIndex(list(self._parts).index(part))
        self.failure.hide()
        self._show_buttons()

    def open_result(self, id_: str) -> None:
        """Show a run or a measurement of speed."""
        if self.accuracy.table.choose(id_):
            self.show_part("accuracy")
        elif self.speed.table.choose(id_):
            self.show_part("speed")

    def reload(self) -> None:
        """Read everything that is kept anew."""
        self._service.look_up(self._show_all, self._fail)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.reload()  # A model may have been approved or removed.

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.title.setText(self.tr("Benchmark"))
        self.switches["accuracy"].setText(self.tr("Accuracy"))
        self.switches["speed"].setText(self.tr("Speed"))
        self.switches["compare"].setText(self.tr("Compare"))
        self.export_button.setText(self.tr("Export…"))
        self._show_buttons()
        self._show_state(self._service.state)

    # --- exporting ----------------------------------------------------------------------------------------------------

    def menu(self) -> QMenu:
        menu = QMenu(self)
        menu.addAction(self.tr("Web page (HTML)…"), lambda: self._choose_file("html"))
        menu.addAction(self.tr("Table (CSV)…"), lambda: self._choose_file("csv"))
        menu.addAction(self.tr("Document (PDF)…"), lambda: self._choose_file("pdf"))
        return menu

    def export(self, kind: Kind, path: Path) -> None:
        """Write what is shown. Runs of benchmarks are written as the tools write them, with every question."""
        self.failure.hide()
        runs = self._runs()
        if kind != "pdf" and runs and runs[0].task != DEMONSTRATION_TASK and (kind == "html" or len(runs) == 1):
            ids = [run.id for run in runs]
            self._service.export(
                ids, kind, path, self._translation.language, lambda _: self._exported(path), self._fail
            )
            return
        try:
            self._write(kind, path)
        except OSError as error:
            self._fail(f"{path}: {error.strerror or error}")
        else:
            self._exported(path)

    def document(self, *, pictures: bool = True) -> Document:
        """What is shown now."""
        view = self._parts[self.part]
        drawn = [Picture(card.title.text(), card.picture(), card.plot.text()) for card in view.plots() if pictures]
        names = [f"{name}: {texts.run_name(run)}" for name, run in zip("AB", self._runs(), strict=False)]
        heading, *lines = view.lines()
        return Document(heading, (*lines, *names), tuple(drawn), tuple(view.tables()))

    def _write(self, kind: Kind, path: Path) -> None:
        match kind:
            case "html":
                self.document().write_html(path)
            case "csv":
                self.document(pictures=False).write_csv(path)
            case "pdf":
                self.document().write_pdf(path, self.font())

    def _runs(self) -> list[RunView]:
        """Those that are shown."""
        if self.part == "accuracy":
            return [self.accuracy.run] if self.accuracy.run else []
        found = self.compare.found
        return [found.a, found.b] if self.part == "compare" and found else []

    def _open(self) -> str | None:
        """The id of the result that is shown."""
        if self.part == "compare":
            return None
        shown = self.accuracy.run if self.part == "accuracy" else self.speed.shown
        return shown.id if shown is not None else None

    def _choose_file(self, kind: Kind) -> None:
        path = self._dialogs.new_file(self, self.tr("Export"), f"benchmark.{kind}")
        if path is None:
            return
        if path.exists():
            self._fail(self.tr("{file} is there already: choose another name.").format(file=path.name))
        else:
            self.export(kind, path)

    def _exported(self, path: Path) -> None:
        self.note.setText(self.tr("Written: {file}").format(file=path.name))

    # --- parts --------------------------------------------------------------------------------------------------------

    def _lay_out(self, theme: Theme) -> None:
        px = theme.px
        header = QFrame()
        header.setObjectName("header")
        row = QHBoxLayout(header)
        row.setContentsMargins(px(22), px(8), px(22), px(8))
        row.setSpacing(px(8))
        row.addWidget(self.title, 1)
        group = QButtonGroup(self)
        for button in self.switches.values():
            button.setCheckable(True)
            group.addButton(button)
            row.addWidget(button)
        row.addSpacing(px(12))
        row.addWidget(self.export_button)
        row.addWidget(self.new_button)
        for view in self._parts.values():
            self._stack.addWidget(ScrollPage(theme, view))
        failures = QVBoxLayout()
        failures.setContentsMargins(px(22), 0, px(22), 0)
        failures.addWidget(self.failure)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(header)
        layout.addLayout(failures)
        layout.addWidget(self._stack, 1)

    def _connect(self) -> None:
        for part, button in self.switches.items():
            button.clicked.connect(lambda _=False, chosen=part: self.show_part(chosen))
        self.panel.opened.connect(self.open_result)
        self.new_button.clicked.connect(self._begin)
        self.export_button.clicked.connect(self._open_menu)
        self._service.results_changed.connect(self.reload)
        self._service.state_changed.connect(self._show_state)
        for view in self._parts.values():
            view.changed.connect(self._show_buttons)

    def _begin(self) -> None:
        if self.part == "speed":
            self._service.measure_speed()
        else:
            self.show_part("accuracy")
            self.accuracy.new_run()

    def _open_menu(self) -> None:
        below = QPoint(0, self.export_button.height())
        self.menu().popup(self.export_button.mapToGlobal(below))

    def _show_all(self, found: Any) -> None:
        models, tasks, runs, measured = found
        self.panel.show_all(runs, measured)
        self.accuracy.show_all(models, tasks, runs)
        self.speed.show_measured(measured)
        self.compare.show_runs(runs)

    def _show_buttons(self) -> None:
        view = self._parts[self.part]
        self.panel.mark(self._open())
        self.export_button.setEnabled(bool(self._runs()) or (self.part == "speed" and self.speed.shown is not None))
        self.new_button.setText(self.tr("Measure now") if view is self.speed else self.tr("New run"))
        self.new_button.setEnabled(view is not self.speed or self._service.state.phase == "idle")

    def _show_state(self, state: BenchmarkState) -> None:
        if state.phase == "idle":
            self.note.setText("")
        else:
            self.note.setText(texts.step(state.progress))
        self._show_buttons()

    def _fail(self, sentence: str) -> None:
        self.failure.show_failure(texts.with_details(sentence), "")
