"""The models of this PC in a table, what is being asked about them above it, and the facts of one of them below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.ui.controls import Button, FailurePanel
from app.ui.models import facts, texts
from app.ui.models.deed_form import Decision, DeedForm
from app.ui.models.fact_table import FactTable
from app.ui.models.import_panel import ImportPanel
from app.ui.models.sign_in_form import SignInForm
from app.ui.models.table import ModelTable
from app.ui.panels import Card
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.models.overview import Entry, Overview
    from app.services.administrator import AdministratorService
    from app.services.deeds import Failure
    from app.services.importing import ImportService
    from app.services.inference import InferenceService
    from app.services.library import Deed, LibraryService


class LibraryView(QWidget):
    """Who is not signed in sees the models that may be used, and how many others there are."""

    def __init__(
        self,
        library: LibraryService,
        imports: ImportService,
        administrator: AdministratorService,
        inference: InferenceService,
        theme: Theme,
    ) -> None:
        super().__init__()
        self._library, self._imports, self._administrator = library, imports, administrator
        self._inference = inference
        self._pending: tuple[Decision, str] | None = None
        self._unreadable: Failure | None = None
        self._failed: tuple[Deed, Failure] | None = None
        self.failure = FailurePanel(theme)
        self.failure.hide()
        self.sign_in = SignInForm(administrator, theme)
        self.deed = DeedForm(library, administrator, theme)
        self.importing = ImportPanel(library, imports, theme)
        self.other_loaded = Card(theme)
        self._other_text = QLabel()
        self.load_now = Button(theme, "chip", "retry", icon_pixels=13)
        self.hint = Card(theme)
        self._hint_title, self._hint_text = QLabel(), QLabel()
        self.table = ModelTable(theme, library.speed)
        self.hidden = QLabel()
        self.details = Card(theme)
        self._details_title = QLabel()
        self.facts = FactTable(theme)
        self._lay_out(theme)
        for form in (self.sign_in, self.deed, self.details):
            form.hide()
        self._connect()
        self.retranslate()

    def decide(self, decision: Decision, entry: Entry) -> None:
        """Ask what there is to ask before a model is approved, withdrawn or removed."""
        self.show_failure("")
        if self.deed.busy:
            return  # It is still doing what was confirmed; its progress is shown.
        if not self._administrator.pin_is_set:
            self._pending = (decision, entry.sha256)
            self.sign_in.ask()
        else:
            self.sign_in.hide()
            self.deed.ask(decision, entry)

    def show_failure(self, sentence: str) -> None:
        """Empty hides it."""
        self._failed = None
        if sentence:
            self.failure.show_failure(sentence, "")
        else:
            self.failure.hide()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self._hint_title.setText(self.tr("Bring in a model"))
        self._hint_text.setText(
            self.tr(
                "Drop a GGUF file from a stick or a share here, or choose it with “Import a file…”. It is checked, "
                "copied and tried before anyone can use it, and then waits for an administrator's approval.\n"
                "Signed files only, unless the policy says otherwise: trust the maker's key first under "
                "“Policy and keys”."
            )
        )
        self.load_now.setText(self.tr("Load it now"))
        self._show_failures()
        self._show()

    def _lay_out(self, theme: Theme) -> None:
        for label, role in (
            (self._hint_title, "title"),
            (self._hint_text, "muted"),
            (self.hidden, "muted"),
            (self._other_text, ""),
            (self._details_title, "title"),
        ):
            label.setProperty("role", role)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.hint.body.addWidget(self._hint_title)
        self.hint.body.addWidget(self._hint_text)
        self.details.body.addWidget(self._details_title)
        self.details.body.addWidget(self.facts)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.px(14))
        self.other_loaded.body.addWidget(self._other_text)
        self.other_loaded.body.addWidget(self.load_now, 0, Qt.AlignmentFlag.AlignLeft)
        for part in (self.failure, self.sign_in, self.deed, self.importing, self.other_loaded, self.hint):
            layout.addWidget(part)
        layout.addWidget(self.table)
        layout.addWidget(self.hidden)
        layout.addWidget(self.details)
        layout.addStretch(1)

    def _connect(self) -> None:
        self._library.overview_changed.connect(self._read)
        self._library.unreadable.connect(self._not_read)
        self._library.failed.connect(self._deed_failed)
        self._library.switched.connect(lambda: self.show_failure(""))
        self._imports.changed.connect(self._show_hint)
        self._imports.ended.connect(self._library.refresh)
        self._inference.state_changed.connect(self._show_other_loaded)
        self.load_now.clicked.connect(self._inference.reload)
        self.deed.failed_elsewhere.connect(self.show_failure)
        self._administrator.changed.connect(self._show)
        self.table.chosen.connect(self._show_details)
        self.sign_in.ended.connect(self._signed_in)
        self.importing.approval_wanted.connect(self._approve)
        self.importing.use_wanted.connect(self._library.use)

    def _show(self) -> None:
        overview = self._library.overview
        if overview is None:
            return
        entries = self._visible(overview)
        self.table.show_entries(entries)
        others = len(overview.entries) - len(entries)
        self.hidden.setVisible(others > 0)
        if others == 1:
            self.hidden.setText(self.tr("1 more model is not approved. An administrator sees it after signing in."))
        else:
            self.hidden.setText(
                self.tr("{count} more models are not approved. An administrator sees them after signing in.").format(
                    count=others
                )
            )
        self._show_hint()
        self._show_other_loaded()
        self._show_details(self.table.current())

    def _show_hint(self) -> None:
        # Of the library as it was read last: an import tells its progress many times a second.
        overview = self._library.overview
        empty = overview is not None and len(overview.entries) == 1
        self.hint.setVisible(empty and self._imports.progress is None)

    def _visible(self, overview: Overview) -> list[Entry]:
        signed_in = self._administrator.signed_in
        return [entry for entry in overview.entries if signed_in or entry.usable or entry.in_use]

    def _show_details(self, entry: Entry | None) -> None:
        self.details.setVisible(entry is not None)
        if entry is not None:
            self._details_title.setText(texts.shown(entry.name))
            self.facts.show_facts(facts.of_entry(entry, self._library.results(entry)))

    def _approve(self, sha256: str) -> None:
        overview = self._library.overview
        entry = overview.of(sha256) if overview is not None else None
        if entry is not None:
            self.decide("approve", entry)

    def _signed_in(self) -> None:
        pending, self._pending = self._pending, None
        overview = self._library.overview
        if pending is not None and self._administrator.signed_in and overview is not None:
            entry = overview.of(pending[1])
            if entry is not None:
                self.deed.ask(pending[0], entry)

    def _show_other_loaded(self) -> None:
        """Another model answers than the chosen one: it was named at the start, or chosen in a terminal since."""
        overview, state = self._library.overview, self._inference.state
        chosen = overview.in_use if overview is not None else None
        loaded = self._inference.identity.sha256
        other = chosen is not None and state.phase == "ready" and loaded != chosen.file_sha256
        self.other_loaded.setVisible(other)
        if other and chosen is not None:
            text = self.tr("{loaded} is loaded and answers; {chosen} is the model in use from the next start on.")
            self._other_text.setText(text.format(loaded=texts.shown(state.model_name), chosen=texts.shown(chosen.name)))

    def _read(self) -> None:
        self._unreadable = None
        self._show_failures()
        self._show()

    def _not_read(self, error: Failure) -> None:
        self._unreadable = error
        self._show_failures()

    def _deed_failed(self, deed: Deed, error: Failure) -> None:
        self._failed = (deed, error)
        self._show_failures()

    def _show_failures(self) -> None:
        if self._unreadable is not None:
            sentence = texts.with_details(self.tr("The models cannot be shown."), self._unreadable)
        elif self._failed is not None:
            sentence = texts.problem(self._failed[1])
        else:
            self.failure.hide()
            return
        self.failure.show_failure(sentence, "")
