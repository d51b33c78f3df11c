"""The page of benchmarks in the opened application, with a real worker."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.models.local_results import read_local_results
from app.core.models.manifest import find_manifest
from app.core.paths import Paths, demonstration_model
from app.ui.benchmark.page import BenchmarkPage, Kind, Part
from app.ui.benchmark.table import csv_text
from app.ui.dated_rows import Role
from app.ui.main_window import BENCHMARK, MODELS
from app.ui.models.page import ModelsPage
from app.ui.palette import DARK
from tests.tiny_models import tiny_gguf
from tests.ui.benches import CATEGORIES, PATIENCE, Bench, opened, order, write_questions

COUNT = 24
PARTS: tuple[Part, ...] = ("accuracy", "compare")
KINDS: tuple[Kind, ...] = ("html", "csv", "pdf")


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    folder = tmp_path / "questions"
    folder.mkdir()
    write_questions(folder / "own.jsonl", COUNT)
    return folder


def page_of(bench: Bench) -> BenchmarkPage:
    bench.application.window.resize(1280, 800)
    bench.application.window.show()
    bench.application.window.show_page(BENCHMARK)
    page = bench.application.window.findChild(BenchmarkPage)
    assert page is not None
    bench.until(lambda: page.accuracy.form.task.count() > 0)
    return page


def two_runs(bench: Bench, model: Path, folder: Path, data: Path) -> BenchmarkPage:
    """The page with finished runs of two models, the second one shown."""
    other = tiny_gguf(folder / "other.gguf", context_length=4096, seed=1, name="other")
    page = page_of(bench)
    bench.service.start([order(model, data), order(other, data)])
    bench.until_idle()
    bench.until(lambda: [row[5] for row in page.accuracy.table.texts()[1:]] == ["finished"] * 2)
    return page


def test_a_run_is_ordered_watched_paused_and_resumed(
    qapp: QApplication, qtbot: QtBot, slower_model: Path, questions: Path
) -> None:
    with opened(qapp, qtbot, slower_model) as bench:
        page = page_of(bench)
        view = page.accuracy
        assert not view.hint.isHidden()
        page.new_button.click()
        view.form.task.setCurrentIndex(view.form.task.findData("jsonl"))
        view.form.confirm.click()
        assert view.form.failure.text() == "Choose the folder that holds the files of the benchmark."
        view.form.use_folder(questions)
        view.form.languages["ja"].setChecked(False)
        view.form.languages["en"].setChecked(True)
        view.form.confirm.click()
        assert view.form.isHidden()
        bench.until_answered(1)
        assert not view.running.isHidden()
        assert f"of {COUNT} questions" in view.running.facts.text()
        assert "%" in view.running.score.text()
        view.running.pause.click()
        bench.until_idle()
        bench.until(lambda: view.run is not None and "paused at" in view.state.text())
        view.resume.click()
        bench.until_idle()
        bench.until(lambda: view.state.text() == "finished")
        assert [row[0] for row in view.groups.texts()[1:]] == sorted(CATEGORIES)
        assert view.mark.text() == "no verdict before its release"


def test_two_models_are_compared_in_words_by_category_and_by_question(
    qapp: QApplication, qtbot: QtBot, tiny_model: Path, questions: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        page = two_runs(bench, tiny_model, tmp_path, questions)
        page.switches["compare"].click()
        view = page.compare
        bench.until(lambda: view.found is not None)
        assert "better" in view.headline.text() or "No difference shown" in view.headline.text()
        assert f"{COUNT} questions: A " in view.evidence.text()
        assert "Only this differs: the model." in view.unlike.text()
        assert "Prohibited options chosen" in view.kinki.text()
        assert len(view.groups.texts()) == 1 + len(CATEGORIES)
        view.differing.selectRow(0)
        assert "Right answer: " in view.question_text.text()
        assert "heart" in view.question_text.text()


def test_what_is_shown_is_written_to_a_file(
    qapp: QApplication, qtbot: QtBot, tiny_model: Path, questions: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        page = two_runs(bench, tiny_model, tmp_path, questions)
        bench.until(lambda: page.compare.found is not None)
        for part, kind in product(PARTS, KINDS):
            page.show_part(part)
            path = tmp_path / f"{part}.{kind}"
            page.export(kind, path)
            bench.until(lambda: path.name in page.note.text())  # noqa: B023 - called here and now
    for part in PARTS:
        assert "jsonl" in (tmp_path / f"{part}.html").read_text(encoding="utf-8")
        rows = list(csv.reader((tmp_path / f"{part}.csv").read_text(encoding="utf-8-sig").splitlines()))
        assert len(rows) > (COUNT if part == "accuracy" else len(CATEGORIES))
        assert (tmp_path / f"{part}.pdf").read_bytes().startswith(b"%PDF")


def test_the_side_bar_lists_runs_and_opens_them(
    qapp: QApplication, qtbot: QtBot, tiny_model: Path, questions: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        page = two_runs(bench, tiny_model, tmp_path, questions)
        rows = page.panel.model()
        listed = {rows.index(row, 0).data(Role.ID): row for row in range(rows.rowCount())}
        assert None in listed  # the day
        assert page.accuracy.run is not None
        (other,) = listed.keys() - {None, page.accuracy.run.id}
        page.show_part("compare")
        assert not page.panel.currentIndex().isValid()
        QTest.mouseClick(
            page.panel.viewport(),
            Qt.MouseButton.LeftButton,
            pos=page.panel.visualRect(rows.index(listed[other], 0)).center(),
        )
        assert page.part == "accuracy"
        assert page.accuracy.run.id == other
        assert page.panel.currentIndex().row() == listed[other]


def test_what_was_measured_stands_beside_the_manifest_of_its_model(
    qapp: QApplication, qtbot: QtBot, home: Paths, questions: Path
) -> None:
    manifest = find_manifest(demonstration_model())
    assert manifest is not None
    with opened(qapp, qtbot, None) as bench:
        page = page_of(bench)
        bench.service.start([order(demonstration_model(), questions, limit=10)])
        bench.until_idle()
        results = read_local_results(home.benchmarks)[manifest.sha256]
        (score,) = results.scores
        assert (score.task, score.language, score.n, score.part) == ("jsonl", "en", 10, "")
        shown = facts_of_the_demonstration(bench)
        share = f"{score.correct / score.n:.1%}".replace("%", " %")
        assert f"Accuracy on this PC: Own questions, English: {share}" in shown
        assert "Verdict of the scoring" in shown
        bench.until(lambda: page.accuracy.run is not None and page.accuracy.run.complete)
        page.accuracy.remove.click()
        bench.until(lambda: not read_local_results(home.benchmarks)[manifest.sha256].scores)
        assert "Accuracy on this PC" not in facts_of_the_demonstration(bench)


def facts_of_the_demonstration(bench: Bench) -> str:
    """What the page of models shows of it, as a person copies it."""
    bench.application.window.show_page(MODELS)
    with bench.qtbot.waitSignal(bench.application.library.overview_changed, timeout=PATIENCE):
        bench.application.library.refresh()
    page = bench.application.window.findChild(ModelsPage)
    assert page is not None
    page.library_view.table.choose("")
    page.library_view.facts.copy.trigger()
    return QGuiApplication.clipboard().text()


def test_an_export_that_cannot_be_written_is_a_sentence(
    qapp: QApplication, qtbot: QtBot, tiny_model: Path, questions: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        page = two_runs(bench, tiny_model, tmp_path, questions)
        (tmp_path / "file").touch()
        page.export("pdf", tmp_path / "file" / "out.pdf")
        assert "This could not be done." in page.failure.text()


def test_tables_sort_and_copy(
    qapp: QApplication, qtbot: QtBot, tiny_model: Path, questions: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        table = two_runs(bench, tiny_model, tmp_path, questions).accuracy.groups
        header = table.horizontalHeader()
        place = QPoint(header.sectionViewportPosition(1) + 5, header.height() // 2)
        for descending in (False, True):
            QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)
            counts = [int(row[1]) for row in table.texts()[1:]]
            assert counts == sorted(counts, reverse=descending)
        table.selectRow(0)
        QTest.keySequence(table, "Ctrl+C")
        heading, row = QGuiApplication.clipboard().text().split("\n")
        assert heading.split("\t") == table.texts()[0]
        assert row.split("\t") == table.texts()[1]


def test_plots_say_in_words_what_they_show_in_either_theme_and_language(
    qapp: QApplication, qtbot: QtBot, tiny_model: Path, questions: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        page = two_runs(bench, tiny_model, tmp_path, questions)
        card = page.accuracy.accuracy
        lines = card.plot.text().split("\n")
        assert len(lines) == len(CATEGORIES) + 1
        assert all(name in line and "%" in line for name, line in zip(sorted(CATEGORIES), lines, strict=False))
        assert card.plot.accessibleDescription() == card.plot.text()
        page.accuracy.accuracy.plot.theme.use_palette(DARK)
        card.as_text.click()
        assert card.plot.isHidden()
        assert card.alternative.text() == card.plot.text()
        assert "Stated" in page.accuracy.reliability.plot.text()


def test_the_picture_of_a_plot_shows_all_of_it(
    qapp: QApplication, qtbot: QtBot, tiny_model: Path, questions: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        card = two_runs(bench, tiny_model, tmp_path, questions).accuracy.accuracy
        printed, shown = card.picture(), card.plot.grab()
        ratio = printed.devicePixelRatio()
        assert ratio == 2
        assert ink(printed.toImage()) == pytest.approx([ratio * edge for edge in ink(shown.toImage())], abs=6)


def ink(image: QImage) -> list[int]:
    """Left, top, right and bottom of what differs from the ground, in the image's own pixels."""
    grey = image.convertToFormat(QImage.Format.Format_Grayscale8)
    pixels = np.frombuffer(grey.constBits(), np.uint8).reshape(grey.height(), grey.bytesPerLine())[:, : grey.width()]
    rows, columns = np.nonzero(abs(pixels.astype(int) - int(pixels[0, 0])) > 40)
    return [int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())]


def test_the_demonstration_s_parts_stand_by_themselves(qapp: QApplication, qtbot: QtBot) -> None:
    """Begun and paused: a whole run of it is in the bench."""
    manifest = find_manifest(demonstration_model())
    assert manifest is not None
    with opened(qapp, qtbot, None) as bench:
        page = page_of(bench)
        page.new_button.click()
        page.accuracy.form.confirm.click()
        bench.until_answered(3)
        assert page.accuracy.running.score.isHidden()
        page.accuracy.running.pause.click()
        bench.until_idle()
        bench.until(lambda: page.accuracy.run is not None and page.accuracy.run.done >= 3)
        assert page.accuracy.score.isHidden()
        assert page.accuracy.mark.text() == "demonstration model"
        assert "never added up" in page.accuracy.remark.text()


def test_a_wrong_folder_is_a_sentence_in_the_page(
    qapp: QApplication, qtbot: QtBot, tiny_model: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        page = page_of(bench)
        bench.service.start([order(tiny_model, tmp_path / "none")])
        bench.until_idle()
        lead, details = page.accuracy.failure.text().split("\n")
        assert lead.startswith("The questions cannot be used. Choose the folder")
        assert "does not exist" in details
        bench.until(lambda: page.accuracy.run is not None)
        assert page.accuracy.state.text() == "not begun"
        page.accuracy.remove.click()
        bench.until(lambda: page.accuracy.run is None)


def test_no_cell_of_a_csv_file_is_a_formula() -> None:
    written = csv_text([[["=1+1", "-0.6", "@x"]], [["−6.7 [−15.0, 0.0]"]]])
    assert written.splitlines() == ["'=1+1,-0.6,'@x", "", '"−6.7 [−15.0, 0.0]"']
