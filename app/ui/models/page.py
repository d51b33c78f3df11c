"""The page of models: what there is, how a new one comes in, and what the administrator does with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QStackedWidget, QVBoxLayout, QWidget

from app.ui.controls import Button, ElidedLabel, button_text
from app.ui.file_dialogs import FileDialogs
from app.ui.models import texts
from app.ui.models.library_view import LibraryView
from app.ui.models.policy_view import PolicyView
from app.ui.models.record_view import RecordView
from app.ui.models.side_panel import AdministratorPanel
from app.ui.panels import ScrollPage
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.models.overview import Entry, Overview
    from app.services.administrator import AdministratorService
    from app.services.importing import ImportService
    from app.services.inference import InferenceService
    from app.services.library import LibraryService


class ModelsPage(QWidget):
    """`panel` is for the side bar, `note` for the status line."""

    def __init__(
        self,
        library: LibraryService,
        imports: ImportService,
        administrator: AdministratorService,
        inference: InferenceService,
        dialogs: FileDialogs,
        theme: Theme,
    ) -> None:
        super().__init__()
        self.setObjectName("page")
        self.setAcceptDrops(True)
        self._library, self._imports, self._dialogs = library, imports, dialogs
        self.panel = AdministratorPanel(administrator, theme)
        self.note = QLabel()
        self.title = ElidedLabel()
        self.title.setProperty("role", "title")
        self.roll_back = Button(theme, "chip", "retry", icon_pixels=13)
        self.record_button, self.policy_button = Button(theme, "chip"), Button(theme, "chip")
        self.back = Button(theme, "chip")
        self.import_button = Button(theme, "primary")
        self.library_view = LibraryView(library, imports, administrator, inference, theme)
        self.record_view = RecordView(library, dialogs, theme)
        self.policy_view = PolicyView(library, administrator, dialogs, theme)
        self._in_order: tuple[QWidget, ...] = (self.library_view, self.record_view, self.policy_view)
        self._views = QStackedWidget()
        self._lay_out(theme)
        self._connect()
        self.setFocusProxy(self.library_view.table)
        self.retranslate()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._library.refresh()  # A command in a terminal may have changed something.

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.record_button.setText(self.tr("Record of changes"))
        self.policy_button.setText(self.tr("Policy and keys"))
        self.back.setText(self.tr("Back to the models"))
        self.import_button.setText(self.tr("Import a file…"))
        self._show_view()
        self._show_overview(self._library.overview)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _files(event) and not self._imports.running:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._show_dropping(dropping=True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._show_dropping(dropping=False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._show_dropping(dropping=False)
        self._show(self.library_view)
        event.acceptProposedAction()
        self._bring_in(_files(event))

    def _lay_out(self, theme: Theme) -> None:
        px = theme.px
        header = QFrame()
        header.setObjectName("header")
        row = QHBoxLayout(header)
        row.setContentsMargins(px(22), px(8), px(22), px(8))
        row.setSpacing(px(8))
        row.addWidget(self.title, 1)
        for button in (self.back, self.roll_back, self.record_button, self.policy_button, self.import_button):
            row.addWidget(button)
        self._drop_frame = QFrame()
        self._drop_frame.setObjectName("dropArea")
        inner = QVBoxLayout(self._drop_frame)
        inner.setContentsMargins(0, 0, 0, 0)
        for view in self._in_order:
            self._views.addWidget(ScrollPage(theme, view))
        inner.addWidget(self._views)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(header)
        layout.addWidget(self._drop_frame, 1)

    def _connect(self) -> None:
        self.import_button.clicked.connect(self._choose_file)
        self.record_button.clicked.connect(self.show_record)
        self.policy_button.clicked.connect(lambda: self._show(self.policy_view))
        self.back.clicked.connect(lambda: self._show(self.library_view))
        self.roll_back.clicked.connect(self._library.roll_back)
        self.panel.sign_in_wanted.connect(self._sign_in)
        self.panel.new_pin_wanted.connect(lambda: self._sign_in(new_pin=True))
        self.library_view.table.menu_wanted.connect(self._open_menu)
        self._library.overview_changed.connect(self._show_overview)
        self._imports.changed.connect(self._update_import)

    def show_record(self) -> None:
        self._show(self.record_view)
        self.record_view.reload()

    def menu(self, entry: Entry) -> QMenu:
        """What can be done with a model."""
        view, menu = self.library_view, QMenu(self)
        use = menu.addAction(self.tr("Use"), lambda: self._library.use(entry.sha256))
        use.setEnabled(entry.usable and not entry.in_use)
        if not entry.demonstration_model:
            menu.addSeparator()
            approve = menu.addAction(self.tr("Approve…"), lambda: view.decide("approve", entry))
            approve.setEnabled(entry.standing.state != "approved")
            withdraw = menu.addAction(self.tr("Withdraw the approval…"), lambda: view.decide("withdraw", entry))
            withdraw.setEnabled(entry.standing.state in ("approved", "to_reapprove"))
            remove = menu.addAction(self.tr("Remove…"), lambda: view.decide("remove", entry))
            remove.setEnabled(not entry.in_use)
            menu.addSeparator()
            menu.addAction(self.tr("Copy SHA-256"), lambda: QGuiApplication.clipboard().setText(entry.sha256))
        return menu

    def _open_menu(self, entry: Entry, where: QPoint) -> None:
        menu = self.menu(entry)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(where)

    def _choose_file(self) -> None:
        kinds = self.tr("Model files (*.gguf);;All files (*)")
        file = self._dialogs.existing_file(self, self.tr("Import a model file"), kinds)
        if file is not None:
            self._show(self.library_view)
            self._bring_in([file])

    def _bring_in(self, files: Sequence[Path]) -> None:
        self.library_view.show_failure("")
        self._imports.bring_in(files)

    def _sign_in(self, *, new_pin: bool = False) -> None:
        self._show(self.library_view)
        self.library_view.sign_in.ask(new_pin=new_pin)

    def _show(self, view: QWidget) -> None:
        self._views.setCurrentIndex(self._in_order.index(view))
        self._show_view()

    def _show_view(self) -> None:
        number = self._views.currentIndex()
        titles = (self.tr("Models"), self.tr("Record of changes"), self.tr("Policy and keys"))
        self.title.setText(titles[number])
        self.back.setVisible(number != 0)
        self.record_button.setVisible(number == 0)
        self.policy_button.setVisible(number == 0)
        self.import_button.setVisible(number == 0)
        self._show_overview(self._library.overview)

    def _show_overview(self, overview: Overview | None) -> None:
        back = overview.back_to if overview is not None else None
        self.roll_back.setVisible(back is not None and self._views.currentIndex() == 0)
        if back is not None:
            self.roll_back.setText(self.tr("Back to {model}").format(model=button_text(back.name)))
        self.note.setText(texts.policy(overview.policy.unsigned) if overview is not None else "")

    def _update_import(self) -> None:
        self.import_button.setEnabled(not self._imports.running)

    def _show_dropping(self, *, dropping: bool) -> None:
        self._drop_frame.setProperty("dropping", dropping)
        self._drop_frame.style().polish(self._drop_frame)


def _files(event: QDragEnterEvent | QDropEvent) -> list[Path]:
    """The local files that are dragged."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
