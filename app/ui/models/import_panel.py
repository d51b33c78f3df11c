"""An import while it runs and when it has ended: its steps, what was found at each, and the way to stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal, SignalInstance
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar

from app.ui import quantities
from app.ui.controls import Button, FailurePanel
from app.ui.models import facts, texts
from app.ui.models.expectation import of_machine
from app.ui.models.fact_table import FactTable
from app.ui.panels import Card, Chip, ChipRow, Tone
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.models.overview import Entry
    from app.services.import_progress import ImportProgress, Stage
    from app.services.importing import ImportService
    from app.services.library import LibraryService

_USUAL_CONTEXT = 4096
# How much of the bar each stage takes: nearly all the time goes into copying and trying.
_SHARES: dict[Stage, tuple[int, int]] = {
    "header": (0, 20),
    "memory": (20, 30),
    "copy": (30, 700),
    "papers": (700, 720),
    "probe": (720, 990),
    "place": (990, 1000),
}


class ImportPanel(Card):
    """`approval_wanted` tells the model that was brought in; `use_wanted` one that may be used already."""

    approval_wanted = Signal(str)
    use_wanted = Signal(str)

    def __init__(self, library: LibraryService, imports: ImportService, theme: Theme) -> None:
        super().__init__(theme)
        self._library, self._imports = library, imports
        self.title = QLabel()
        self.title.setProperty("role", "title")
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setWordWrap(True)
        self.chips: dict[str, Chip] = {
            name: Chip() for name in ("header", "memory", "copy", "papers", "probe", "approval")
        }
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximum(1000)
        self.left = QLabel()
        self.left.setProperty("role", "muted")
        self.left.setTextFormat(Qt.TextFormat.PlainText)
        self.cancel = Button(theme, "chip")
        self.failure = FailurePanel(theme)
        self.facts = FactTable(theme)
        self.approve = Button(theme, "primary")
        self.use = Button(theme, "primary")
        self.close_button = Button(theme, "plain")
        self._lay_out()
        self.cancel.clicked.connect(imports.cancel)
        self.close_button.clicked.connect(imports.dismiss)
        self.approve.clicked.connect(lambda: self._tell(self.approval_wanted))
        self.use.clicked.connect(lambda: self._tell(self.use_wanted))
        imports.changed.connect(self._update)
        library.overview_changed.connect(self._update)
        self._update()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._update()

    def _lay_out(self) -> None:
        foot = QHBoxLayout()
        foot.addWidget(self.left, 1)
        foot.addWidget(self.cancel)
        buttons = QHBoxLayout()
        buttons.setSpacing(self.theme.px(8))
        for button in (self.approve, self.use, self.close_button):
            buttons.addWidget(button)
        buttons.addStretch(1)
        self.body.addWidget(self.title)
        self.body.addWidget(ChipRow(self.theme, self.chips.values()))
        self.body.addWidget(self.bar)
        self.body.addLayout(foot)
        self.body.addWidget(self.failure)
        self.body.addWidget(self.facts)
        self.body.addLayout(buttons)

    def _update(self) -> None:
        progress = self._imports.progress
        self.setVisible(progress is not None)
        if progress is None:
            return
        entry = self._brought()
        self._show_title(progress)
        self._show_chips(progress, entry)
        self.bar.setVisible(progress.running)
        self.cancel.setVisible(progress.running)
        self.left.setVisible(progress.running)
        if progress.running:
            first, last = _SHARES[progress.stage]
            self.bar.setValue(first + int((last - first) * progress.fraction))
            self.left.setText(texts.time_left(progress.seconds_left))
            self.cancel.setText(self.tr("Cancelling…") if progress.cancelling else self.tr("Cancel"))
            self.cancel.setEnabled(not progress.cancelling and progress.stage != "place")
            self.bar.setAccessibleName(self.tr("Progress of the import"))
        if progress.error is not None:
            self.failure.show_failure(texts.import_problem(progress), "")
        else:
            self.failure.hide()
        self._show_facts(progress)
        approved = entry is not None and entry.standing.state == "approved"
        self.approve.setText(self.tr("Approve…"))
        self.approve.setVisible(entry is not None and not approved)
        self.use.setText(self.tr("Use it now"))
        self.use.setVisible(entry is not None and approved and not entry.in_use)
        self.close_button.setText(self.tr("Close"))
        self.close_button.setVisible(not progress.running)

    def _show_title(self, progress: ImportProgress) -> None:
        name = texts.shown(progress.file.name)
        if progress.header is not None:
            name = f"{name} · {quantities.size(progress.header.file_bytes)}"
        if progress.running:
            title = self.tr("Importing {file}")
        elif progress.error is not None:
            title = self.tr("Not imported: {file}")
        else:
            title = self.tr("Imported: {file}")
        self.title.setText(title.format(file=name))

    def _show_chips(self, progress: ImportProgress, entry: Entry | None) -> None:
        found: dict[str, tuple[str, Tone]] = {
            "header": self._header_chip(progress),
            "memory": self._memory_chip(progress),
            "copy": self._copy_chip(progress),
            "papers": self._papers_chip(progress),
            "probe": self._probe_chip(progress),
            "approval": self._approval_chip(progress, entry),
        }
        for name, (text, tone) in found.items():
            refused = progress.failed_at == name or (name == "approval" and progress.failed_at == "place")
            chip = self.chips[name]
            shown = f"✗ {text}" if refused else text
            chip.show_fact(shown, "bad" if refused else tone)
            chip.setAccessibleName(self.tr("Refused: {step}").format(step=text) if refused else text)

    def _header_chip(self, progress: ImportProgress) -> tuple[str, Tone]:
        if progress.header is None:
            return self._under_way(progress, "header", self.tr("Header"))
        return self.tr("✓ Header: {architecture}").format(
            architecture=texts.shown(progress.header.architecture)
        ), "good"

    def _memory_chip(self, progress: ImportProgress) -> tuple[str, Tone]:
        memory = progress.memory
        if memory is None:
            return self._under_way(progress, "memory", self.tr("Memory"))
        usual = [fit for fit in memory.fits if fit.context_length <= _USUAL_CONTEXT] or list(memory.fits[:1])
        needed, free = f"{usual[-1].needed_bytes / 1e9:.1f}", f"{memory.free_bytes / 1e9:.1f}"
        if usual[-1].fits:
            return self.tr("✓ Fits: {needed} of {free} GB free").format(needed=needed, free=free), "good"
        return self.tr("! Needs {needed} GB, {free} GB are free").format(needed=needed, free=free), "check"

    def _copy_chip(self, progress: ImportProgress) -> tuple[str, Tone]:
        if progress.passed("copy"):
            return self.tr("✓ Copied, SHA-256"), "good"
        if progress.copying is None:
            return self._under_way(progress, "copy", self.tr("Copy, SHA-256"))
        done, total = quantities.size(progress.copying.done_bytes), quantities.size(progress.copying.total_bytes)
        return self.tr("● Copying {done} of {total}").format(done=done, total=total), "check"

    def _papers_chip(self, progress: ImportProgress) -> tuple[str, Tone]:
        if progress.papers is None:
            return self._under_way(progress, "papers", self.tr("Manifest, signature"))
        signature = progress.papers.signature
        if progress.papers.manifest is None:
            return self.tr("! No manifest"), "check"
        match signature.state:
            case "valid":
                return self.tr("✓ Signed by {signer}").format(signer=texts.shown(signature.signer)), "good"
            case "unknown_key":
                return self.tr("! Signed with an unknown key"), "check"
        return self.tr("! Not signed"), "check"

    def _probe_chip(self, progress: ImportProgress) -> tuple[str, Tone]:
        if progress.passed("probe"):
            return self.tr("✓ Trial passed"), "good"
        if progress.probing is None:
            return self._under_way(progress, "probe", self.tr("Trial"))
        probing = progress.probing
        return self.tr("● Trial, step {done} of {steps}").format(done=probing.done, steps=probing.steps), "check"

    def _approval_chip(self, progress: ImportProgress, entry: Entry | None) -> tuple[str, Tone]:
        if entry is not None and entry.standing.state == "approved":
            return self.tr("✓ Approved"), "good"
        if progress.model is not None:
            return self.tr("● Waits for approval"), "check"
        return self.tr("Approval"), "plain"

    def _under_way(self, progress: ImportProgress, stage: Stage, name: str) -> tuple[str, Tone]:
        if progress.stage == stage and progress.running:
            return f"● {name}", "check"
        return name, "plain"

    def _show_facts(self, progress: ImportProgress) -> None:
        found = [] if progress.header is None else facts.of_header(progress.header)
        if progress.memory is not None:
            found += of_machine(progress.memory)
        if progress.papers is not None:
            found += facts.of_papers(progress.papers.manifest, progress.papers.signature)
        self.facts.show_facts(found)

    def _brought(self) -> Entry | None:
        """The model that came in, as the library has it."""
        progress, overview = self._imports.progress, self._library.overview
        if progress is None or progress.model is None or overview is None:
            return None
        return overview.of(progress.model.sha256)

    def _tell(self, signal: SignalInstance) -> None:
        if (entry := self._brought()) is not None:
            signal.emit(entry.sha256)
