"""Two runs of the same questions: the verdict in words, by category, and question by question."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from app.services.benchmark.service import BenchmarkService
from app.services.benchmark.views import ComparisonView, Differing, Group, Paired, RunView
from app.ui import quantities
from app.ui.benchmark import naming, texts
from app.ui.benchmark.plot_card import PlotCard
from app.ui.benchmark.plots import AccuracyPlot, Series
from app.ui.benchmark.table import Cell, Row, Table
from app.ui.controls import FailurePanel
from app.ui.panels import Card, Field
from app.ui.theme import Theme

_TALLEST = 460
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class CompareView(QWidget):
    """`changed` tells that something else is shown."""

    changed = Signal()

    def __init__(self, service: BenchmarkService, theme: Theme) -> None:
        super().__init__()
        self._service = service
        self._runs: tuple[RunView, ...] = ()
        self.found: ComparisonView | None = None
        self.failure = FailurePanel(theme)
        self.a, self.b = _combo(), _combo()
        self._a_field, self._b_field = Field(theme, self.a), Field(theme, self.b)
        self.hint = QLabel()
        self.verdict = Card(theme)
        self.headline, self.evidence, self.kinki, self.unlike = QLabel(), QLabel(), QLabel(), QLabel()
        self.plot = PlotCard(theme, AccuracyPlot(theme))
        self.groups = Table(theme)
        self.differing_title = QLabel()
        self.differing = Table(theme, stretch=2, tallest=_TALLEST)
        self.question = Card(theme)
        self.question_text = QLabel()
        self._lay_out(theme)
        self._show_found(None)
        self.a.currentIndexChanged.connect(self._choose_b)
        self.b.currentIndexChanged.connect(self._compare)
        self.differing.chosen.connect(self._show_question)
        self.retranslate()

    def show_runs(self, runs: Sequence[RunView]) -> None:
        """Those that have answers."""
        self._runs = tuple(run for run in runs if run.done and not run.damaged)
        before = self.a.currentData()
        _fill(self.a, [run for run in self._runs if self._partners(run)])
        if self.a.currentData() != before or before is None or self.found is None:
            self._choose_b()
        else:
            self._fill_b()

    def choose(self, a: str, b: str) -> None:
        """Compare two runs by their ids."""
        self.a.setCurrentIndex(self.a.findData(a))
        self.b.setCurrentIndex(self.b.findData(b))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self._a_field.set_name(self.tr("A"))
        self._b_field.set_name(self.tr("B"))
        self.hint.setText(
            self.tr(
                "Two runs of the same questions can be compared: of two models, of two quantizations of one, or of one "
                "model in both languages. Make a second run under “Accuracy” first."
            )
        )
        self.groups.setAccessibleName(self.tr("Comparison by category"))
        self.differing.setAccessibleName(self.tr("Questions that one run alone answered rightly"))
        for combo in (self.a, self.b):
            for place in range(combo.count()):
                run = self._run(combo.itemData(place))
                combo.setItemText(place, texts.run_name(run) if run else "")
        self._show_found(self.found)

    def lines(self) -> list[str]:
        """The verdict and what limits it, the heading first."""
        labels = (self.headline, self.evidence, self.kinki, self.unlike)
        return [line for label in labels if not label.isHidden() for line in label.text().split("\n")]

    def tables(self) -> list[list[list[str]]]:
        return [self.groups.texts(), self.differing.texts()] if self.found else []

    def plots(self) -> list[PlotCard]:
        return [self.plot] if self.found else []

    # --- choosing -----------------------------------------------------------------------------------------------------

    def _run(self, id_: str | None) -> RunView | None:
        return next((run for run in self._runs if run.id == id_), None)

    def _partners(self, run: RunView) -> list[RunView]:
        """What a run can be compared with, what is most alike first."""
        others = [other for other in self._runs if other.id != run.id and other.task == run.task]
        return sorted(others, key=lambda other: (other.language != run.language, other.sha256 == run.sha256))

    def _choose_b(self) -> None:
        self._fill_b()
        self._compare()

    def _fill_b(self) -> None:
        run = self._run(self.a.currentData())
        _fill(self.b, self._partners(run) if run else [])

    def _compare(self) -> None:
        a, b = self.a.currentData(), self.b.currentData()
        self.failure.hide()
        if a is None or b is None:
            self._show_found(None)
        else:
            self._service.compare(a, b, self._on_found, self._on_failure)

    def _on_found(self, found: ComparisonView) -> None:
        if (found.a.id, found.b.id) == (self.a.currentData(), self.b.currentData()):
            self._show_found(found)

    def _on_failure(self, sentence: str) -> None:
        self._show_found(None)
        self.failure.show_failure(texts.with_details(sentence), "")

    # --- showing ------------------------------------------------------------------------------------------------------

    def _lay_out(self, theme: Theme) -> None:
        px = theme.px
        for label, role in (
            (self.hint, "muted"),
            (self.headline, "headline"),
            (self.evidence, ""),
            (self.kinki, ""),
            (self.unlike, "muted"),
            (self.differing_title, "title"),
            (self.question_text, ""),
        ):
            label.setProperty("role", role)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.question_text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        choosing = QGridLayout()
        choosing.setSpacing(px(12))
        choosing.addWidget(self._a_field, 0, 0)
        choosing.addWidget(self._b_field, 0, 1)
        choosing.setColumnStretch(0, 1)
        choosing.setColumnStretch(1, 1)
        for label in (self.headline, self.evidence, self.kinki, self.unlike):
            self.verdict.body.addWidget(label)
        self.question.body.addWidget(self.question_text)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(px(14))
        layout.addLayout(choosing)
        for part in (
            self.failure,
            self.hint,
            self.verdict,
            self.plot,
            self.groups,
            self.differing_title,
            self.question,
            self.differing,
        ):
            layout.addWidget(part)
        layout.addStretch(1)
        self.failure.hide()

    def _show_found(self, found: ComparisonView | None) -> None:
        self.found = found
        for part in (self.verdict, self.plot, self.groups, self.differing_title, self.differing):
            part.setVisible(found is not None)
        self.hint.setVisible(found is None)
        self.question.hide()
        if found is not None:
            self._show_verdict(found)
            self._show_groups(found)
            self._show_differing(found)
        self.changed.emit()

    def _show_verdict(self, found: ComparisonView) -> None:
        self.headline.setText(texts.headline(found))
        self.evidence.setText(texts.evidence(found))
        self.unlike.setText(texts.unlike(found))
        self.kinki.setVisible(found.kinki is not None)
        if found.kinki is not None:
            self.kinki.setText(
                self.tr("Prohibited options chosen: A {a}, B {b} of {n} questions that have one; {p}.").format(
                    a=found.kinki.a.correct, b=found.kinki.b.correct, n=found.kinki.n, p=texts.p_value(found.kinki.p)
                )
            )
        plot = self.plot.plot
        assert isinstance(plot, AccuracyPlot)
        groups = found.groups or (found.main,)
        plot.show_series(
            [
                Series("A", tuple(Group(one.name, one.a) for one in groups)),
                Series("B", tuple(Group(one.name, one.b) for one in groups)),
            ]
        )
        self.plot.set_title(self.tr("Accuracy by category (95 % interval)"))
        self.plot.set_legend([f"A {_named(found.a, found.b)}", f"B {_named(found.b, found.a)}"])

    def _show_groups(self, found: ComparisonView) -> None:
        headings = [
            self.tr("Category"),
            self.tr("Questions"),
            self.tr("A right"),
            self.tr("B right"),
            self.tr("A − B, points [95 %]"),
            self.tr("p (Holm)"),
            self.tr("Verdict"),
        ]
        self.groups.show_rows(headings, [self._group_row(one) for one in found.groups])
        self.groups.setVisible(bool(found.groups))

    def _group_row(self, one: Paired) -> Row:
        better = self.tr("A better") if one.difference > 0 else self.tr("B better")
        return Row(
            (
                Cell(naming.group(one.name)),
                Cell(quantities.number(one.n), float(one.n), right=True),
                Cell(quantities.percent(one.a.value), one.a.value, right=True),
                Cell(quantities.percent(one.b.value), one.b.value, right=True),
                Cell(texts.difference(one), one.difference, right=True),
                Cell(texts.p_value(one.p).removeprefix("p = ").removeprefix("p "), one.p, right=True),
                Cell(better if one.p < texts.ALPHA else self.tr("no difference shown")),
            ),
            one.name,
        )

    def _show_differing(self, found: ComparisonView) -> None:
        self.differing_title.setText(
            self.tr("Answered rightly by one alone: A {a}, B {b}").format(
                a=quantities.number(sum(one.better == "A" for one in found.differing)),
                b=quantities.number(sum(one.better == "B" for one in found.differing)),
            )
        )
        headings = [
            self.tr("Right"),
            self.tr("Category"),
            self.tr("Question"),
            self.tr("Answer"),
            self.tr("A chose"),
            self.tr("B chose"),
        ]
        rows = [
            Row(
                (
                    Cell(one.better),
                    Cell(naming.group(one.category)),
                    Cell(_shortened(one.question)),
                    Cell(_shortened(one.right, 24)),
                    Cell(_shortened(one.a, 24) or "–"),
                    Cell(_shortened(one.b, 24) or "–"),
                ),
                f"{one.category}/{one.id}",
            )
            for one in found.differing
        ]
        self.differing.show_rows(headings, rows)
        self.differing.setVisible(bool(rows))

    def _show_question(self, key: str) -> None:
        one = next((one for one in self._differing() if f"{one.category}/{one.id}" == key), None)
        self.question.setVisible(one is not None)
        if one is not None:
            self.question_text.setText(self._whole(one))

    def _differing(self) -> tuple[Differing, ...]:
        return self.found.differing if self.found is not None else ()

    def _whole(self, one: Differing) -> str:
        options = [f"{letter}  {option}" for letter, option in zip(_LETTERS, one.options, strict=False)]
        nothing = self.tr("no usable answer")
        answers = [
            self.tr("Right answer: {text}").format(text=one.right),
            self.tr("A: {text}").format(text=one.a or nothing),
            self.tr("B: {text}").format(text=one.b or nothing),
        ]
        return "\n".join([one.question, *options, "", *answers])


def _named(run: RunView, other: RunView) -> str:
    """What tells it from the other."""
    parts = [run.model] if run.model != other.model else [run.model, quantities.moment(run.created)]
    return " · ".join([*parts, naming.language(run.language)] if run.language != other.language else parts)


def _shortened(text: str, most: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _combo() -> QComboBox:
    combo = QComboBox()
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(16)
    return combo


def _fill(combo: QComboBox, runs: Sequence[RunView]) -> None:
    """The run that is chosen stays so."""
    chosen = combo.currentData()
    combo.blockSignals(True)
    combo.clear()
    for run in runs:
        combo.addItem(texts.run_name(run), run.id)
    combo.setCurrentIndex(max(0, combo.findData(chosen)) if runs else -1)
    combo.blockSignals(False)
