"""Texts from outside on the page of models: shown as they are, never as markup, never without end; and what is asked,
said and remembered there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.core.models.chain import Contents
from app.core.models.events import Approved, Line
from app.core.models.manifest import Base, Condition, Manifest, Source, Verdict
from app.core.models.record import Record
from app.core.models.signing import UNSIGNED
from app.core.paths import Paths
from app.ui.controls import ElidedLabel, FailurePanel, button_text, plain_line, plain_text, plain_tooltip
from app.ui.models.columns import Column, Role
from app.ui.models.fact_table import Fact, FactTable
from app.ui.models.facts import of_papers
from app.ui.models.key_rows import KeyRemoval
from app.ui.models.page import ModelsPage
from app.ui.panels import Form
from tests.ui.hospital import PIN, Hospital, models_page, run
from tests.ui.stage import Stage

HOSTILE = '<b>bold</b><img src="file:///etc/passwd">'
TURNED = "abc\N{RIGHT-TO-LEFT OVERRIDE}fed\N{ESCAPE}[31m"
SHOWN_WITHIN_SECONDS = 0.1


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory, engine_state: Path) -> Hospital:
    """With one approved model, whose maker wrote markup wherever a manifest has room for it; made once."""
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INRO_HOME", str(folder / "home"))
        hospital = Hospital(folder)
        hospital.paths.state.mkdir(parents=True)
        shutil.copy(engine_state, hospital.paths.engine_state)
        conditions = (Condition(name=HOSTILE, passed=False, reason=HOSTILE),)
        scored = (msgspec.structs.replace(run("ja", 10, 5), task=HOSTILE),)
        model = hospital.file(
            "jmed",
            1,
            base=Base(name=HOSTILE, revision=HOSTILE),
            licence=HOSTILE,
            quantization=HOSTILE,
            intended_use=HOSTILE,
            versions={HOSTILE: HOSTILE},
            verdict=Verdict(passed=True, conditions=conditions, runs=scored, thresholds_sha256="0" * 64),
        )
        hospital.bring_in(model, approve=HOSTILE)
    return hospital


@pytest.fixture
def hospital(furnished: Hospital, home: Paths) -> Hospital:
    shutil.copytree(furnished.paths.data, home.data, dirs_exist_ok=True)
    return furnished


@pytest.fixture
def page(stage: Stage, hospital: Hospital, qtbot: QtBot) -> ModelsPage:
    return opened(stage, qtbot)


@pytest.fixture
def empty_page(stage: Stage, qtbot: QtBot) -> ModelsPage:
    return opened(stage, qtbot)


def opened(stage: Stage, qtbot: QtBot) -> ModelsPage:
    stage.window.resize(1280, 800)
    stage.window.show()
    page = models_page(stage)
    qtbot.waitUntil(lambda: stage.library.overview is not None)
    return page


def sign_in(stage: Stage, page: ModelsPage, qtbot: QtBot) -> None:
    page.panel.sign_in.click()
    page.library_view.sign_in.pin.setText(PIN)
    page.library_view.sign_in.confirm.click()
    qtbot.waitUntil(lambda: stage.administrator.signed_in)


def record_of(count: int) -> Contents:
    lines = tuple(
        Line(
            number=number,
            time="2026-11-20T01:02:03Z",
            user="suzuki",
            event=Approved(
                model="1" * 64,
                name="jmed-7b",
                manifest_sha256="",
                key_id="",
                backend="b6000",
                reason=f"{number} {HOSTILE}\n{'長い理由。' * 300}",
            ),
            previous="0" * 64,
        )
        for number in range(1, count + 1)
    )
    return Contents(lines, tuple(f"{number:064x}" for number in range(count)))


# --- no markup --------------------------------------------------------------------------------------------------------


def test_no_label_of_the_window_takes_markup(stage: Stage, page: ModelsPage, qtbot: QtBot) -> None:
    page.library_view.table.selectRow(0)
    page.policy_button.click()
    page.show_record()
    qtbot.waitUntil(lambda: page.record_view.lines.rowCount() > 0)
    page.record_view.table.selectRow(0)
    view = page.library_view
    own = {view.deed.progress, view.importing.left, *outside_of_the_page(stage.window, page)}
    markup = [label for label in stage.window.findChildren(QLabel) if label.textFormat() != Qt.TextFormat.PlainText]
    assert not [(type(label.parent()).__name__, label.text()) for label in markup if label not in own]


def outside_of_the_page(window: QWidget, page: ModelsPage) -> list[QLabel]:
    """Labels of the window whose texts are all the program's own."""
    own = {"SideBar", "_NewButton", "AdministratorPanel", "EmptyState", "StatusLine"}
    labels = [label for label in window.findChildren(QLabel) if not isinstance(label, ElidedLabel)]
    return [each for each in labels if not page.isAncestorOf(each) and type(each.parent()).__name__ in own]


def test_the_tool_tips_of_models_and_of_the_record_say_what_was_written(page: ModelsPage, qtbot: QtBot) -> None:
    model = page.library_view.table.model()
    page.show_record()
    qtbot.waitUntil(lambda: page.record_view.lines.rowCount() > 0)
    found = []
    for rows in (model, page.record_view.lines):
        for row in range(rows.rowCount()):
            for column in range(rows.columnCount()):
                found.append(rows.index(row, column).data(Qt.ItemDataRole.ToolTipRole) or "")
    assert not [text for text in found if "<b" in text or "<img" in text]
    assert any("&lt;b&gt;bold&lt;/b&gt;" in text for text in found)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("大学病院\N{IDEOGRAPHIC SPACE}情報部", "大学病院\N{IDEOGRAPHIC SPACE}情報部"),
        ("one\r\ntwo", "one\ntwo"),
        (TURNED, "abc\ufffdfed\ufffd[31m"),
        ("\udc80", "\ufffd"),
        ("x" * 1000, "x" * 1000),
        ("x" * 1001, "x" * 1000 + "…"),
        ("\n".join("abcdefghijklm"), "\n".join("abcdefghijkl") + "…"),
    ],
)
def test_a_text_from_outside_is_bounded_and_cannot_turn_the_writing(text: str, shown: str) -> None:
    assert plain_text(text) == shown


def test_a_text_from_outside_is_one_line_in_a_cell_and_short_on_a_button() -> None:
    assert plain_line("one\ntwo\r\nthree") == "one two three"
    assert plain_line("x" * 1_000_000) == "x" * 120 + "…"
    assert button_text("R&D") == "R&&D"
    assert button_text("a-very-long-name-of-a-model-that-goes-on-q4_k_m") == "a-very-long-nam…goes-on-q4_k_m"
    assert plain_tooltip("dry < wet") == '<p style="white-space: pre-wrap">dry &lt; wet</p>'
    assert plain_tooltip("two\nlines") == "two\nlines"


def test_a_shortened_label_tells_its_whole_text_without_markup(stage: Stage, qtbot: QtBot) -> None:
    label = ElidedLabel(HOSTILE)
    qtbot.addWidget(label)
    label.resize(20, 20)
    label.grab()
    assert "<b>" not in label.toolTip()
    assert "&lt;b&gt;" in label.toolTip()


# --- no end -----------------------------------------------------------------------------------------------------------


def test_facts_have_an_end_whatever_a_manifest_says() -> None:
    long = "x" * 4000
    manifest = Manifest(
        name="m",
        file="m.gguf",
        file_bytes=1,
        sha256=long,
        architecture="qwen2",
        quantization=long,
        parameters=1,
        context_length=1,
        licence="\n" * 4000,
        languages=("ja",),
        base=Base(name=long, revision=long),
        sources=tuple(Source(kind="data", name=long, sha256=long) for _ in range(1000)),
        versions={f"{number}{long}": long for number in range(1000)},
        intended_use=TURNED,
        verdict=Verdict(
            passed=False,
            conditions=(
                *(Condition(name=long, passed=True, reason=long) for _ in range(999)),
                Condition(name="asked last", passed=False, reason="not met"),
            ),
            runs=(),
            thresholds_sha256=long,
        ),
    )
    facts = of_papers(manifest, UNSIGNED)
    assert all(len(fact.text) < 7000 and fact.text.count("\n") <= 21 for fact in facts)
    conditions = next(fact for fact in facts if fact.name == "Conditions").text
    assert conditions.startswith("✗ asked last: not met\n")
    assert conditions.endswith("\n…")
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in "".join(fact.text for fact in facts)


def test_the_same_facts_are_not_laid_out_anew_and_are_copied_by_the_keyboard(stage: Stage, qtbot: QtBot) -> None:
    table = FactTable(stage.theme)
    qtbot.addWidget(table)
    assert table.focusPolicy() == Qt.FocusPolicy.NoFocus
    table.show_facts([Fact("Licence", "MIT"), Fact("Signature", "none")])
    before = table.findChildren(QLabel)
    table.show_facts([Fact("Licence", "MIT"), Fact("Signature", "none")])
    assert table.findChildren(QLabel) == before
    assert table.accessibleDescription() == "Licence: MIT\nSignature: none"
    QTest.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "Licence: MIT\nSignature: none"


def test_a_record_of_ten_thousand_lines_is_shown_at_once(
    stage: Stage, empty_page: ModelsPage, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    contents = record_of(10_000)
    monkeypatch.setattr(stage.library, "record", lambda on_done, on_failure: on_done(contents))
    empty_page.record_view.grab()
    began = time.thread_time()
    empty_page.show_record()
    empty_page.record_view.grab()
    stage.window.resize(1100, 760)
    empty_page.record_view.grab()
    taken = time.thread_time() - began
    assert empty_page.record_view.lines.rowCount() == 10_000
    # What took 46 s took it for each line; this is far from that on any machine, and far from what grabbing takes.
    assert taken < 3 * SHOWN_WITHIN_SECONDS


def test_all_of_a_line_is_below_the_record_and_stays_when_lines_are_added(
    stage: Stage, empty_page: ModelsPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter((3, 4))
    monkeypatch.setattr(stage.library, "record", lambda on_done, on_failure: on_done(record_of(next(counts))))
    empty_page.show_record()
    view = empty_page.record_view
    assert view.details.isHidden()
    view.table.selectRow(1)
    assert "2 · 2026-11-20" in view.details.text()
    assert HOSTILE in view.details.text()
    assert view.details.text().endswith("長い理由。")
    assert "\n" not in view.lines.index(1, 3).data()
    view.reload()
    assert view.table.currentIndex().row() == 2
    assert "2 · 2026-11-20" in view.details.text()


# --- what is said stays true ------------------------------------------------------------------------------------------


def test_what_became_of_an_export_is_said_in_the_language_of_the_moment_and_then_forgotten(
    stage: Stage, page: ModelsPage, tmp_path: Path, qtbot: QtBot
) -> None:
    view = page.record_view
    page.show_record()
    qtbot.waitUntil(view.export.isEnabled)
    stage.dialogs.next = tmp_path / "record.jsonl"
    view.export.click()
    assert "Exported" not in view.verdict.text()
    qtbot.waitUntil(lambda: "Exported to record.jsonl" in view.verdict.text())
    stage.translation.use("ja")
    qtbot.waitUntil(lambda: view.tr("Exported to {file}").format(file="record.jsonl") in view.verdict.text())
    assert "Exported to" not in view.verdict.text()
    stage.translation.use("en")
    view.export.click()
    qtbot.waitUntil(lambda: "could not be exported" in view.failure.text())
    assert "Exported" not in view.verdict.text()
    page.back.click()
    page.show_record()
    assert view.failure.isHidden()


def test_only_a_record_that_was_changed_is_called_not_sound(
    stage: Stage, page: ModelsPage, home: Paths, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    view = page.record_view
    lines = home.record / "record.jsonl"
    lines.write_bytes(lines.read_bytes().replace(b"jmed", b"jmad"))
    page.show_record()
    qtbot.waitUntil(lambda: view.verdict.text() == "The record is not sound.")
    stage.translation.use("ja")
    qtbot.waitUntil(lambda: view.verdict.text() == "記録に異常があります。")
    stage.translation.use("en")
    qtbot.waitUntil(lambda: view.verdict.text() == "The record is not sound.")
    assert not view.export.isEnabled()

    def unreadable(_: Record) -> Contents:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Record, "read", unreadable)
    view.reload()
    qtbot.waitUntil(lambda: view.verdict.text() == "The record cannot be read.")
    assert "Permission denied" in view.failure.text()


# --- the policy -------------------------------------------------------------------------------------------------------


def test_a_click_changes_only_its_own_rule(
    stage: Stage, page: ModelsPage, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    asked: list[tuple[object, object]] = []
    monkeypatch.setattr(stage.library, "set_policy", lambda _, unsigned, named, __: asked.append((unsigned, named)))
    sign_in(stage, page, qtbot)
    page.policy_button.click()
    page.policy_view.unsigned.click()
    page.policy_view.named.click()
    assert asked == [("allow", None), (None, "refuse")]


def test_what_is_clicked_after_the_time_ran_out_is_put_back_and_said(
    stage: Stage, page: ModelsPage, hospital: Hospital, qtbot: QtBot
) -> None:
    view = page.policy_view
    said = "The time ran out"

    def run_out(click: Callable[[], object]) -> None:
        sign_in(stage, page, qtbot)
        page.policy_button.click()
        assert view.failure.isHidden()
        stage.now += 16 * 60
        click()
        assert said in view.failure.text()
        assert view.failure.isVisible()
        page.back.click()

    run_out(view.unsigned.click)
    assert not view.unsigned.isChecked()
    run_out(lambda: view.keys[0].remove.click())
    assert view.removal.isHidden()
    stage.dialogs.next = hospital.signer.public_path
    run_out(view.add_key.click)
    assert view.offer.isHidden()


def test_trouble_of_the_policy_is_told_in_the_language_of_the_moment(
    stage: Stage, page: ModelsPage, hospital: Hospital, qtbot: QtBot
) -> None:
    view = page.policy_view
    sign_in(stage, page, qtbot)
    page.policy_button.click()
    stage.dialogs.next = hospital.signer.private_path
    view.add_key.click()
    stage.translation.use("ja")
    qtbot.waitUntil(lambda: view.failure.text().startswith("署名者の公開鍵ファイルではありません。"))
    stage.translation.use("en")
    qtbot.waitUntil(lambda: view.failure.text().startswith("This is not the public key file of a signer."))


def test_a_key_is_given_up_only_after_it_was_said_what_that_costs(
    stage: Stage, page: ModelsPage, hospital: Hospital, qtbot: QtBot
) -> None:
    view = page.policy_view
    sign_in(stage, page, qtbot)
    page.policy_button.click()
    row = view.keys[0]
    row.remove.click()
    assert hospital.signer.public.key_id in view.removal.label.text()
    assert "1 model must then be approved again: jmed" in view.removal.label.text()
    view.removal.cancel.click()
    assert view.removal.isHidden()
    with qtbot.waitSignal(stage.library.overview_changed):
        stage.library.refresh()
    assert view.keys == [row]
    row.remove.click()
    view.removal.confirm.click()
    qtbot.waitUntil(lambda: view.keys == [])
    assert view.removal.isHidden()


def test_the_question_names_a_few_of_many_models_and_the_one_in_use(
    stage: Stage, page: ModelsPage, hospital: Hospital, qtbot: QtBot
) -> None:
    assert stage.library.overview is not None
    entry = stage.library.overview.entries[0]
    question = KeyRemoval(stage.theme)
    qtbot.addWidget(question)
    question.show_key(hospital.signer.public, [*[entry] * 8, replace(entry, in_use=True)])
    assert "9 models must then be approved again: jmed, jmed, jmed, jmed, jmed, …" in question.label.text()
    assert "jmed is in use." in question.label.text()
    question.show_key(hospital.signer.public, [])
    assert "No approved model was signed with it." in question.label.text()


def test_what_is_shown_already_is_not_built_anew(stage: Stage, page: ModelsPage, qtbot: QtBot) -> None:
    table, rows = page.library_view.table, page.policy_view.keys
    cell = table.index_of("", Column.LICENCE)
    table.setCurrentIndex(cell)
    resets: list[None] = []
    table.rows.modelReset.connect(lambda: resets.append(None))
    before = table.currentIndex().data(Role.ENTRY)
    with qtbot.waitSignal(stage.library.overview_changed):
        stage.library.refresh()
    assert resets == []
    assert table.currentIndex().column() == Column.LICENCE
    assert table.currentIndex().data(Role.ENTRY) is not before
    assert page.policy_view.keys == rows
    sign_in(stage, page, qtbot)
    table.show_entries([*stage.library.overview.entries[1:]] if stage.library.overview else [])
    assert resets == [None]
    assert (table.currentIndex().data(Role.ENTRY).sha256, table.currentIndex().column()) == ("", Column.LICENCE)


# --- by keyboard and by ear -------------------------------------------------------------------------------------------


def test_tab_comes_to_the_fields_before_the_buttons(stage: Stage, qtbot: QtBot) -> None:
    form = Form(stage.theme)
    first, second = QLineEdit(), QLineEdit()
    form.add_field(first)
    form.add_field(second)
    holder = QWidget()
    qtbot.addWidget(holder)
    form.setParent(holder)
    order: list[QWidget] = []
    widget = form.nextInFocusChain()
    while widget is not None and widget is not form:
        if isinstance(widget, QLineEdit | QPushButton) and widget is not form.failure.action:
            order.append(widget)
        widget = widget.nextInFocusChain()
    assert order == [first, second, form.confirm, form.cancel]


def test_the_table_is_sorted_by_the_keyboard(stage: Stage, page: ModelsPage) -> None:
    table = page.library_view.table
    table.setCurrentIndex(table.index_of("", Column.SIZE))
    control = Qt.KeyboardModifier.ControlModifier
    QTest.keyClick(table, Qt.Key.Key_Down, control)
    down = [table.model().index(row, Column.NAME).data() for row in range(table.model().rowCount())]
    QTest.keyClick(table, Qt.Key.Key_Up, control)
    up = [table.model().index(row, Column.NAME).data() for row in range(table.model().rowCount())]
    assert len(up) == 2
    assert up == down[::-1]


def test_a_failure_is_news_once(stage: Stage, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    told: list[str] = []
    monkeypatch.setattr("app.ui.controls.QAccessible.updateAccessibility", lambda event: told.append(event.object()))
    panel = FailurePanel(stage.theme)
    qtbot.addWidget(panel)
    panel.hide()
    for sentence in ("The PIN is wrong.", "The PIN is wrong.", "Wait 5 seconds."):
        panel.show_failure(sentence, "")
    assert len(told) == 2
