"""How what runs stands: what it does, how far it is, how it scores so far, and how to stop it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar

from app.services.benchmark.service import BenchmarkService
from app.services.benchmark.views import BenchmarkState
from app.ui import quantities
from app.ui.benchmark import naming, texts
from app.ui.controls import Button, ElidedLabel
from app.ui.panels import Card
from app.ui.theme import Theme


class RunningCard(Card):
    """Hidden while nothing of its kind runs."""

    def __init__(self, service: BenchmarkService, kind: str, theme: Theme) -> None:
        super().__init__(theme)
        self._service, self._kind = service, kind
        self.title = ElidedLabel()
        self.title.setProperty("role", "title")
        self.score = QLabel()
        self.score.setProperty("role", "headline")
        self.facts = QLabel()
        self.facts.setProperty("role", "muted")
        for label in (self.score, self.facts):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.pause = Button(theme, "chip", "stop", icon_pixels=13)
        head = QHBoxLayout()
        head.setSpacing(theme.px(8))
        head.addWidget(self.title, 1)
        head.addWidget(self.pause, 0, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(head)
        for part in (self.score, self.bar, self.facts):
            self.body.addWidget(part)
        self.pause.clicked.connect(service.pause)
        service.state_changed.connect(self._show)
        self._show(service.state)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._show(self._service.state)

    def _show(self, state: BenchmarkState) -> None:
        self.setVisible(state.phase != "idle" and state.kind == self._kind)
        if state.phase == "idle":
            return
        run, progress = state.run, state.progress
        name = [state.model]
        if run is not None:
            name += [naming.task(run.task), naming.language(run.language)]
        self.title.setText(" · ".join(name))
        self.score.setVisible(progress.share is not None)
        self.score.setText(quantities.accuracy(progress.share))
        known = progress.step in ("asking", "measuring", "loading") and progress.total > 0
        self.bar.setRange(0, progress.total if known else 0)
        self.bar.setValue(progress.done if known else 0)
        self.bar.setAccessibleName(texts.step(progress))
        facts = [texts.step(progress), *texts.pace(progress)]
        if state.queued:
            facts.append(self.tr("{count} more after this").format(count=state.queued))
        self.facts.setText(self._waiting(state) or " · ".join(facts))
        self.pause.setText(self.tr("Pause") if self._kind == "accuracy" else self.tr("Cancel"))
        self.pause.setEnabled(state.phase == "running")

    def _waiting(self, state: BenchmarkState) -> str:
        if state.phase == "pausing":
            return self.tr("Stopping…")
        return self.tr("Waiting while a question is answered") if state.waits else ""
