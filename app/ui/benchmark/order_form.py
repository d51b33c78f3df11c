"""What to ask of which model: the form that orders runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QWidget

from app.core.language import Language
from app.services.benchmark.views import DEMONSTRATION_TASK, How, ModelChoice, TaskChoice, Wanted
from app.ui import quantities
from app.ui.benchmark import naming, texts
from app.ui.controls import Button, ElidedLabel
from app.ui.file_dialogs import FileDialogs
from app.ui.panels import Form
from app.ui.theme import Theme

_COUNTS = (20, 50, 100, 200, 500, 1000)
_HOW: tuple[How, ...] = ("letter", "option", "generate")
_LANGUAGES: tuple[Language, ...] = ("ja", "en")


class OrderForm(Form):
    """`ordered` tells the orders, one for each language, when the person starts them."""

    ordered = Signal(object)
    cancelled = Signal()

    def __init__(self, dialogs: FileDialogs, theme: Theme) -> None:
        super().__init__(theme)
        self._dialogs = dialogs
        self._models: tuple[ModelChoice, ...] = ()
        self._tasks: tuple[TaskChoice, ...] = ()
        self._folder: Path | None = None
        self.model, self.task, self.how, self.count = _combo(), _combo(), _combo(), _combo()
        self.languages = {language: QCheckBox() for language in _LANGUAGES}
        self.folder = ElidedLabel()
        self.choose = Button(theme, "chip")
        self._model_field, self._task_field = self.add_field(self.model), self.add_field(self.task)
        self._folder_field = self.add_field(_row(theme, self.folder, self.choose))
        self._language_field = self.add_field(_row(theme, *self.languages.values(), stretch=True))
        self._how_field, self._count_field = self.add_field(self.how), self.add_field(self.count)
        self._languages_wanted: set[Language] = {"ja"}
        self.task.currentIndexChanged.connect(self._fit_to_task)
        self.choose.clicked.connect(self._choose_folder)
        self.confirm.clicked.connect(self._order)
        self.cancel.clicked.connect(self.cancelled)
        self.retranslate()

    def show_choices(self, models: Sequence[ModelChoice], tasks: Sequence[TaskChoice]) -> None:
        """What was chosen stays chosen."""
        self._models, self._tasks = tuple(models), tuple(tasks)
        _fill(self.model, [(_model_name(one), one.sha256) for one in models])
        _fill(self.task, [(naming.task_title(one), one.name) for one in tasks])
        self._fit_to_task()

    def retranslate(self) -> None:
        self.title.setText(self.tr("New run"))
        self.explanation.setText(
            self.tr(
                "Every question is asked with the engine that answers in this window. You can go on asking "
                "meanwhile: a run waits for questions, can be paused, and goes on after the program was closed."
            )
        )
        self.explanation.show()
        self.confirm.setText(self.tr("Start"))
        self.cancel.setText(self.tr("Cancel"))
        self.choose.setText(self.tr("Choose…"))
        self._model_field.set_name(self.tr("Model"))
        self._task_field.set_name(self.tr("Questions"))
        self._folder_field.set_name(self.tr("Folder with the files of the benchmark"))
        self._language_field.set_name(self.tr("Language of the questions"))
        self._how_field.set_name(self.tr("Way of scoring"))
        self._count_field.set_name(self.tr("Number of questions"))
        _fill(self.count, [(self.tr("All"), 0), *((quantities.number(count), count) for count in _COUNTS)])
        for language, box in self.languages.items():
            box.setText(naming.language(language))
        _fill(self.how, [(naming.how(one), one) for one in _HOW])
        self.show_choices(self._models, self._tasks)
        self._show_folder()

    def use_folder(self, folder: Path) -> None:
        self._folder = folder
        self._show_folder()

    def _choose_folder(self) -> None:
        folder = self._dialogs.existing_folder(self, self.tr("Folder with the files of the benchmark"))
        if folder is not None:
            self.use_folder(folder)

    def _show_folder(self) -> None:
        self.folder.setText(str(self._folder) if self._folder is not None else self.tr("None chosen yet"))

    def _task(self) -> TaskChoice | None:
        return next((one for one in self._tasks if one.name == self.task.currentData()), None)

    def _fit_to_task(self) -> None:
        """Only what can be chosen for these questions."""
        task = self._task()
        if task is None:
            return
        own = task.name != DEMONSTRATION_TASK
        for field in (self._folder_field, self._how_field, self._count_field):
            field.setVisible(own)
        for language, box in self.languages.items():
            box.setEnabled(language in task.languages)
            if not box.isEnabled():
                box.setChecked(False)
        if not any(box.isChecked() for box in self.languages.values()):
            self.languages[task.languages[0]].setChecked(True)

    def _order(self) -> None:
        task, sentence = self._task(), ""
        model = next((one for one in self._models if one.sha256 == self.model.currentData()), None)
        chosen = [language for language, box in self.languages.items() if box.isChecked()]
        if model is None or task is None:
            sentence = self.tr("There is no model to be asked. Bring one in on the page of models.")
        elif task.name != DEMONSTRATION_TASK and self._folder is None:
            sentence = self.tr("Choose the folder that holds the files of the benchmark.")
        elif not chosen:
            sentence = self.tr("Choose a language.")
        if sentence or model is None or task is None:
            self.failure.show_failure(sentence, "")
            return
        self.failure.hide()
        self.ordered.emit([self._one(model, task, language) for language in chosen])

    def _one(self, model: ModelChoice, task: TaskChoice, language: Language) -> Wanted:
        if task.name == DEMONSTRATION_TASK:
            return Wanted(model, task.name, language)
        return Wanted(
            model, task.name, language, str(self._folder), self.how.currentData(), self.count.currentData() or None
        )


def _model_name(choice: ModelChoice) -> str:
    mark = texts.verdict_mark(choice)
    return f"{choice.name} ({mark[0]})" if mark else choice.name


def _combo() -> QComboBox:
    combo = QComboBox()
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(16)
    return combo


def _fill(combo: QComboBox, choices: Sequence[tuple[str, str | int]]) -> None:
    """Names and values; the value that is chosen stays so."""
    chosen = combo.currentData()
    combo.blockSignals(True)
    combo.clear()
    for name, value in choices:
        combo.addItem(name, value)
    combo.setCurrentIndex(max(0, combo.findData(chosen)) if choices else -1)
    combo.blockSignals(False)


def _row(theme: Theme, *parts: QWidget, stretch: bool = False) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(theme.px(12))
    for part in parts:
        layout.addWidget(part, 0 if stretch or isinstance(part, Button) else 1, Qt.AlignmentFlag.AlignVCenter)
    if stretch:
        layout.addStretch(1)
    return row
