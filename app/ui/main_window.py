"""The frame of the application: the side bar, one page at a time, the status line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtGui import QShortcut
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from app.ui.ask_page import AskPage
from app.ui.file_dialogs import FileDialogs
from app.ui.history_view import HistoryView
from app.ui.i18n import Translation
from app.ui.icons import window_icon
from app.ui.side_bar import NEW_QUESTION, SideBar
from app.ui.status_line import StatusLine
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.services.administrator import AdministratorService
    from app.services.benchmark.service import BenchmarkService
    from app.services.chat import ChatService
    from app.services.importing import ImportService
    from app.services.inference import InferenceService
    from app.services.library import LibraryService

ASK = "ask"
MODELS = "models"
BENCHMARK = "benchmark"


@dataclass(frozen=True)
class Page:
    """`panel` stands in the side bar while the page is shown, `note` in the status line."""

    widget: QWidget
    panel: QWidget | None = None
    note: QLabel | None = None


class MainWindow(QMainWindow):
    """`open_connections` counts the sockets that the application and its worker hold open."""

    def __init__(
        self,
        inference: InferenceService,
        chat: ChatService,
        translation: Translation,
        theme: Theme,
        open_connections: Callable[[], int],
        library: LibraryService,
        imports: ImportService,
        administrator: AdministratorService,
        dialogs: FileDialogs,
        benchmark: BenchmarkService,
    ) -> None:
        super().__init__()
        self.setWindowTitle("Inro")
        self.setWindowIcon(window_icon(theme.colors.accent))
        self._inference, self._chat = inference, chat
        self._library, self._imports, self._administrator = library, imports, administrator
        self._theme, self._dialogs = theme, dialogs
        self._benchmark, self._translation = benchmark, translation
        self._by_name: dict[str, QWidget] = {}
        self._makers: dict[str, Callable[[], Page]] = {}
        self._notes: dict[str, QLabel | None] = {}
        self._stack = QStackedWidget()
        self.side_bar = SideBar(translation, theme)
        self.status_line = StatusLine(inference, chat, theme, open_connections)
        self.ask_page = AskPage(inference, chat, translation, theme)
        self.history = HistoryView(chat, theme)
        self._lay_out()
        self.add_page(ASK, lambda: self.tr("Ask"), lambda: Page(self.ask_page, self.history))
        self.add_page(MODELS, lambda: self.tr("Models"), self._models_page)
        self.add_page(BENCHMARK, lambda: self.tr("Benchmark"), self._benchmark_page)
        self.show_page(ASK)
        self.side_bar.page_chosen.connect(self.show_page)
        self.side_bar.new_button.clicked.connect(self.new_question)
        QShortcut(NEW_QUESTION, self).activated.connect(self.new_question)
        self.history.opened.connect(self._open_conversation)
        self.ask_page.conversation_shown.connect(self.history.mark)
        library.switched.connect(inference.reload)
        self.resize(max(1180, theme.px(900)), max(780, theme.px(560)))
        self.ask_page.setFocus()

    def add_page(self, name: str, title: Callable[[], str], make: Callable[[], Page]) -> None:
        """Join a page to the window. It is made when it is first shown: the start does not wait for it."""
        self._makers[name] = make
        self.side_bar.add_page(name, title)

    def show_page(self, name: str) -> None:
        if name not in self._by_name:
            made = self._makers[name]()
            self._by_name[name] = made.widget
            self._notes[name] = made.note
            self._stack.addWidget(made.widget)
            self.side_bar.add_panel(name, made.panel or QWidget())
        self.status_line.show_note(self._notes[name])
        self._stack.setCurrentWidget(self._by_name[name])
        self._by_name[name].setFocus()
        self.side_bar.show_page(name)

    def new_question(self) -> None:
        self.show_page(ASK)
        self.ask_page.begin_new()

    def _models_page(self) -> Page:
        from app.ui.models.page import ModelsPage

        page = ModelsPage(
            self._library, self._imports, self._administrator, self._inference, self._dialogs, self._theme
        )
        return Page(page, page.panel, page.note)

    def _benchmark_page(self) -> Page:
        from app.ui.benchmark.page import BenchmarkPage

        page = BenchmarkPage(self._benchmark, self._dialogs, self._translation, self._theme)
        return Page(page, page.panel, page.note)

    def _open_conversation(self, conversation: str) -> None:
        self.show_page(ASK)
        self._chat.open_conversation(conversation)

    def _lay_out(self) -> None:
        upper = QHBoxLayout()
        upper.setSpacing(0)
        upper.addWidget(self.side_bar)
        upper.addWidget(self._stack, 1)
        frame = QWidget()
        layout = QVBoxLayout(frame)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(upper, 1)
        layout.addWidget(self.status_line)
        self.setCentralWidget(frame)
