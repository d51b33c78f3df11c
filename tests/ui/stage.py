"""The window over the real services, a real history and library, with an engine that says what it is told to say."""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from PySide6.QtWidgets import QApplication, QWidget

from app.core.engine.client import EngineClient, EngineError
from app.core.engine.gauge import Gauge
from app.core.engine.patient import WindowEngine
from app.core.engine.protocol import AUTO, Done, Failed, ModelInfo, Piece, Reading, Sampling, Turn
from app.core.engine.turns import Turns
from app.core.history.store import HistoryStore
from app.core.language import Language
from app.core.models.administration import Administration
from app.core.models.local_results import read_local_results
from app.core.models.manifest import Manifest
from app.core.models.pin import PinGuard
from app.core.models.selection import SelectedModel
from app.core.paths import user_paths
from app.services.administrator import AdministratorService
from app.services.benchmark.service import BenchmarkService
from app.services.chat import ChatService
from app.services.importing import ImportService
from app.services.inference import InferenceService
from app.services.library import LibraryService
from app.ui.file_dialogs import FileDialogs
from app.ui.i18n import Translation
from app.ui.main_window import MainWindow
from app.ui.palette import Palette
from app.ui.theme import Theme

EXAMPLES: dict[Language, tuple[str, ...]] = {
    "ja": (
        "アナフィラキシーの第一選択薬と投与経路は何ですか？",
        "心房細動でみられる脈の特徴は何ですか？",
        "1型糖尿病で不足しているホルモンは何ですか？",
        "妊娠高血圧腎症で、けいれんの予防に用いる薬剤は何ですか？",
    ),
    "en": (
        "What is the first-line drug for anaphylaxis, and how is it given?",
        "What is characteristic of the pulse in atrial fibrillation?",
        "Which hormone is lacking in type 1 diabetes?",
        "Which drug prevents seizures in pre-eclampsia with severe features?",
    ),
}
MODEL = ModelInfo(
    name="inro-demo",
    architecture="qwen2",
    description="qwen2 6M Q8_0",
    file_bytes=6_400_000,
    parameters=6_000_000,
    vocabulary=8000,
    context_length=512,
    training_context_length=512,
    threads=8,
    gpu_layers=0,
    needed_bytes=40_000_000,
    repacked=True,
)


class ScriptedEngine(EngineClient):
    """Stands where the worker would be: events go in by `tell` and come out of `generate` in the service's thread."""

    def __init__(self) -> None:
        super().__init__()
        self._events: queue.Queue[Reading | Piece | Done | Failed] = queue.Queue()
        self._loads: queue.Queue[float | ModelInfo | Failed] = queue.Queue()

    @property
    def pid(self) -> int | None:
        return 1

    def tell(self, *events: str | Reading | Done | Failed) -> None:
        """What the answer being written does next; a text is its next piece."""
        for event in events:
            self._events.put(Piece(id=1, text=event) if isinstance(event, str) else event)

    def tell_load(self, *events: float | ModelInfo | Failed) -> None:
        for event in events:
            self._loads.put(event)

    def load(
        self,
        path: Path,
        *,
        context_length: int | None = None,
        threads: int | None = None,
        gpu_layers: int = AUTO,
        on_progress: Callable[[float], None] | None = None,
    ) -> ModelInfo:
        while True:
            event = self._loads.get()
            if isinstance(event, Failed):
                raise EngineError(event)
            if isinstance(event, ModelInfo):
                return event
            if on_progress:
                on_progress(event)

    def generate(
        self,
        messages: Sequence[Turn] = (),
        *,
        prompt: str | None = None,
        sampling: Sampling = Sampling(),  # noqa: B008 - the client's signature
        stop: Sequence[str] = (),
        max_tokens: int = 512,
        ignore_end: bool = False,
    ) -> Generator[Reading | Piece | Done, None, None]:
        while True:
            event = self._events.get()
            if isinstance(event, Failed):
                raise EngineError(event)
            yield event
            if isinstance(event, Done):
                return

    def cancel(self) -> None:
        self._events.put(done("cancelled"))

    def close(self) -> None:
        self._loads.put(Failed(code="cancelled", message="The window was closed."))


class Remembered:
    """Preferences in memory."""

    def __init__(self, language: str | None) -> None:
        self.language = language

    def set_language(self, language: str) -> None:
        self.language = language


class ScriptedDialogs(FileDialogs):
    """Answers with `next`, as a person who chose that file."""

    def __init__(self) -> None:
        self.next: Path | None = None

    def existing_file(self, parent: QWidget, title: str, kinds: str) -> Path | None:
        return self.next

    def existing_folder(self, parent: QWidget, title: str) -> Path | None:
        return self.next

    def new_file(self, parent: QWidget, title: str, name: str) -> Path | None:
        return self.next


class Stage:
    """`load` with `demonstration` before `inference.start`; `window` is not shown yet."""

    def __init__(
        self,
        application: QApplication,
        folder: Path,
        translations: Path,
        *,
        language: Language = "en",
        scale: float = 1.0,
        palette: Palette | None = None,
    ) -> None:
        self.demonstration = True
        self.connections = 0
        self.now = 1_800_000_000.0
        self.engine = ScriptedEngine()
        self.store = HistoryStore(folder / "history.sqlite3")
        self.preferences = Remembered(language)
        self.inference = InferenceService(lambda: self.engine, self._select, lambda _pid: 62_000_000)
        self.chat = ChatService(lambda: self.engine, self.store, lambda: self.inference.identity)
        self.theme = Theme(application, scale=scale, palette=palette)
        self.translation = Translation(application, self.preferences, translations)
        self.paths = user_paths()
        self.turns = Turns()
        self.library = LibraryService(
            lambda: Administration(self.paths), self.store.speeds, lambda: read_local_results(self.paths.benchmarks)
        )
        self.imports = ImportService(lambda: Administration(self.paths), Gauge)
        self.administrator = AdministratorService(
            lambda: PinGuard(self.paths.administrator, lambda: self.now),
            lambda: Administration(self.paths),
            lambda: self.now,
        )
        self.dialogs = ScriptedDialogs()
        # Its runs need a real worker: they are tested in the opened application.
        self.benchmark = BenchmarkService(lambda: WindowEngine(self.turns), self.turns, self.inference, self.paths)
        self.window = MainWindow(
            self.inference,
            self.chat,
            self.translation,
            self.theme,
            lambda: self.connections,
            self.library,
            self.imports,
            self.administrator,
            self.dialogs,
            self.benchmark,
        )
        self.page = self.window.ask_page
        self.composer = self.page.composer

    def close(self) -> None:
        self.imports.close()
        self.library.close()
        self.administrator.close()
        self.benchmark.close()
        self.chat.close()
        self.inference.close()
        self.store.close()
        self.translation.use("en")

    def _select(self) -> SelectedModel:
        manifest = Manifest(
            name="inro-demo Q8_0",
            file="inro-demo.gguf",
            file_bytes=MODEL.file_bytes,
            sha256="0" * 64,
            architecture="qwen2",
            quantization="Q8_0",
            parameters=MODEL.parameters,
            context_length=MODEL.context_length,
            licence="Apache-2.0",
            languages=("ja", "en"),
            demonstration=self.demonstration,
            examples=EXAMPLES,
        )
        return SelectedModel(Path(manifest.file), manifest.name, manifest.sha256, manifest)


def done(reason: str = "stop", tokens: int = 312, speed: float | None = 8.4) -> Done:
    return Done(
        id=1,
        reason=reason,  # type: ignore[arg-type]
        prompt_tokens=20,
        reused_tokens=0,
        dropped_messages=0,
        completion_tokens=tokens,
        time_to_first_token_s=0.4,
        tokens_per_second=speed,
    )
