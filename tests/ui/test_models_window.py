"""The page of models through the real window, over a real library: from the stick to the question, and back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.models.administration import Administration
from app.core.models.pin import FREE_ATTEMPTS
from app.core.models.record import Record
from app.core.paths import Paths
from app.ui.models.columns import Column
from app.ui.models.page import ModelsPage
from tests.ui.hospital import PIN, Hospital, models_page
from tests.ui.stage import MODEL, Stage
from tests.ui.test_layout import cut_off

IMPORT_MILLISECONDS = 60_000


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory, engine_state: Path) -> tuple[Path, dict[str, str]]:
    """The data folder of a hospital with four models, and their SHA-256 by name; made once."""
    home = tmp_path_factory.mktemp("hospital")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INRO_HOME", str(home / "home"))
        hospital = Hospital(home)
        hospital.paths.state.mkdir(parents=True)
        shutil.copy(engine_state, hospital.paths.engine_state)
        return hospital.paths.data, hospital.furnish()


@pytest.fixture
def models(furnished: tuple[Path, dict[str, str]], home: Paths) -> dict[str, str]:
    shutil.copytree(furnished[0], home.data, dirs_exist_ok=True)
    return furnished[1]


@pytest.fixture
def page(stage: Stage, qtbot: QtBot) -> ModelsPage:
    """Of a window that was just opened, with the page of models in front."""
    stage.window.resize(1280, 800)
    stage.window.show()
    page = models_page(stage)
    qtbot.waitUntil(lambda: stage.library.overview is not None)
    return page


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    """A PIN and a trusted signer, no models."""
    (tmp_path / "stick").mkdir()
    return Hospital(tmp_path / "stick")


def sign_in(stage: Stage, page: ModelsPage, qtbot: QtBot, pin: str = PIN) -> None:
    page.panel.sign_in.click()
    page.library_view.sign_in.pin.setText(pin)
    page.library_view.sign_in.confirm.click()
    qtbot.waitUntil(lambda: not stage.administrator.deeds.busy)


def names(page: ModelsPage) -> list[str]:
    model = page.library_view.table.model()
    return [model.index(row, Column.NAME).data() for row in range(model.rowCount())]


def state_of(page: ModelsPage, sha256: str) -> str:
    text: str = page.library_view.table.index_of(sha256, Column.STATE).data()
    return text


def ended(stage: Stage, qtbot: QtBot) -> None:
    """Wait until the import has ended and the page shows what there is now."""
    qtbot.waitUntil(
        lambda: stage.imports.progress is not None and not stage.imports.progress.running, timeout=IMPORT_MILLISECONDS
    )
    settled(stage, qtbot)


def settled(stage: Stage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(stage.library.overview_changed, timeout=IMPORT_MILLISECONDS):
        stage.library.refresh()
    qtbot.waitUntil(lambda: stage.library.deed is None)


def menu(stage: Stage, page: ModelsPage, sha256: str, text: str) -> None:
    """Choose an entry of a model's menu."""
    assert stage.library.overview is not None
    entry = stage.library.overview.of(sha256)
    assert entry is not None
    (action,) = (action for action in page.menu(entry).actions() if action.text() == text)
    assert action.isEnabled()
    action.trigger()


def decide(stage: Stage, page: ModelsPage, qtbot: QtBot, reason: str, pin: str = PIN) -> None:
    form = page.library_view.deed
    form.reason.setPlainText(reason)
    form.pin.setText(pin)
    form.confirm.click()
    qtbot.waitUntil(lambda: not form.busy, timeout=IMPORT_MILLISECONDS)
    settled(stage, qtbot)


def chosen(home: Paths) -> str | None:
    found: str | None = json.loads(home.settings.read_bytes())["model"]
    return found


def reasons(home: Paths) -> list[str]:
    return [getattr(line.event, "reason", "") for line in Record(home.record).read().lines]


def test_the_first_administrator_chooses_a_pin(stage: Stage, page: ModelsPage, qtbot: QtBot) -> None:
    form = page.library_view.sign_in
    assert names(page) == ["inro-demo"]
    page.panel.sign_in.click()
    form.new_pin.setText("123")
    form.again.setText("123")
    assert not form.confirm.isEnabled()
    form.new_pin.setText(PIN)
    form.again.setText(f"{PIN}x")
    assert "not the same" in form.failure.text()
    form.again.setText(PIN)
    form.confirm.click()
    qtbot.waitUntil(lambda: stage.administrator.signed_in)
    assert form.isHidden()
    assert page.panel.state.text() == "Signed in · locks in 15 min"
    page.panel.lock.click()
    assert page.panel.state.text() == "Not signed in"


@pytest.mark.usefixtures("hospital")
def test_it_locks_after_a_quarter_of_an_hour_even_one_spent_asleep(
    stage: Stage, page: ModelsPage, qtbot: QtBot
) -> None:
    sign_in(stage, page, qtbot)
    stage.now += 14 * 60
    stage.administrator.tick()
    assert page.panel.state.text() == "Signed in · locks in 1 min"
    stage.now += 61
    assert stage.administrator.authority() is None
    stage.administrator.tick()
    assert page.panel.state.text() == "Not signed in"


@pytest.mark.usefixtures("hospital")
def test_wrong_pins_are_told_and_slowed_down(stage: Stage, page: ModelsPage, qtbot: QtBot) -> None:
    form = page.library_view.sign_in
    for _ in range(FREE_ATTEMPTS):
        sign_in(stage, page, qtbot, "wrong-pin")
        assert form.failure.text() == "The PIN is wrong."
    sign_in(stage, page, qtbot)
    assert form.failure.text() == "Wrong PINs were given. Wait 5 seconds, then try again."
    assert not stage.administrator.signed_in


def test_from_the_stick_to_the_question(
    stage: Stage, page: ModelsPage, hospital: Hospital, home: Paths, qtbot: QtBot
) -> None:
    stage.dialogs.next = hospital.file("jmed-7b", 1)
    page.import_button.click()
    panel = page.library_view.importing
    assert panel.isVisible()
    assert not page.import_button.isEnabled()
    ended(stage, qtbot)
    assert {name: chip.property("chip") for name, chip in panel.chips.items()} == {
        "header": "good",
        "memory": "good",
        "copy": "good",
        "papers": "good",
        "probe": "good",
        "approval": "check",
    }
    assert panel.chips["papers"].text() == "✓ Signed by 大学病院 医療情報部"
    assert names(page) == ["inro-demo"]
    assert "1 more model is not approved" in page.library_view.hidden.text()

    panel.approve.click()
    decide(stage, page, qtbot, "committee of 27 November", pin="wrong-pin")
    assert page.library_view.deed.failure.text() == "The PIN is wrong."
    assert page.library_view.deed.reason.toPlainText() == "committee of 27 November"
    decide(stage, page, qtbot, "committee of 27 November")
    assert "committee of 27 November" in reasons(home)
    assert names(page) == ["jmed-7b", "inro-demo"]
    assert panel.chips["approval"].text() == "✓ Approved"

    with qtbot.waitSignal(stage.library.switched):
        panel.use.click()
    settled(stage, qtbot)
    assert stage.library.overview is not None
    assert stage.library.overview.in_use is not None
    assert chosen(home) == stage.library.overview.in_use.sha256
    assert stage.inference.state.phase in ("starting", "loading")
    panel.close_button.click()
    assert panel.isHidden()


def test_a_folder_from_the_stick_can_be_dropped(
    stage: Stage, page: ModelsPage, hospital: Hospital, qtbot: QtBot
) -> None:
    hospital.file("jmed-7b", 1)
    drop(page, hospital.folder)
    ended(stage, qtbot)
    assert page.library_view.importing.chips["papers"].property("chip") == "good"


def test_what_is_dropped_must_be_one_model(stage: Stage, page: ModelsPage, hospital: Hospital, qtbot: QtBot) -> None:
    drop(page, hospital.file("one", 1), hospital.file("two", 2))
    ended(stage, qtbot)
    assert "It is not clear which file is the model" in page.library_view.importing.failure.text()


def drop(page: ModelsPage, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    actions, button, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entering = QDragEnterEvent(QPoint(5, 5), actions, data, button, none)
    QApplication.sendEvent(page, entering)
    assert entering.isAccepted()
    QApplication.sendEvent(page, QDropEvent(QPointF(5, 5), actions, data, button, none))


def test_a_changed_file_is_refused_with_a_sentence_and_nothing_is_kept(
    stage: Stage, page: ModelsPage, hospital: Hospital, home: Paths, qtbot: QtBot
) -> None:
    model = hospital.file("jmed-7b", 1)
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    stage.dialogs.next = model
    page.import_button.click()
    ended(stage, qtbot)
    panel = page.library_view.importing
    assert "not the one that its manifest and signature describe" in panel.failure.text()
    assert "Nothing of the file is kept" in panel.failure.text()
    assert panel.chips["papers"].property("chip") == "bad"
    assert list(home.models.iterdir()) == []


def test_what_is_no_model_is_refused_at_its_header(
    stage: Stage, page: ModelsPage, hospital: Hospital, qtbot: QtBot
) -> None:
    stage.dialogs.next = hospital.folder / "notes.gguf"
    stage.dialogs.next.write_bytes(b"GGUF" + bytes(60))
    page.import_button.click()
    ended(stage, qtbot)
    panel = page.library_view.importing
    assert "not a model that this application can use" in panel.failure.text()
    assert panel.chips["header"].property("chip") == "bad"


def test_an_import_is_cancelled_while_it_copies(
    stage: Stage, page: ModelsPage, hospital: Hospital, home: Paths, qtbot: QtBot
) -> None:
    def cancel() -> None:
        if stage.imports.progress is not None and stage.imports.progress.stage == "copy":
            page.library_view.importing.cancel.click()

    stage.imports.changed.connect(cancel)
    stage.dialogs.next = hospital.file("jmed-7b", 1)
    page.import_button.click()
    ended(stage, qtbot)
    assert "The import was cancelled" in page.library_view.importing.failure.text()
    assert list(home.models.iterdir()) == []


def test_closing_the_window_ends_an_import(
    stage: Stage, page: ModelsPage, hospital: Hospital, home: Paths, qtbot: QtBot
) -> None:
    stage.imports.bring_in([hospital.file("jmed-7b", 1)])
    qtbot.waitUntil(lambda: stage.imports.progress is not None and stage.imports.progress.copying is not None)
    stage.imports.close()
    assert list(home.models.iterdir()) == []


def test_clinicians_see_what_they_may_use(stage: Stage, models: dict[str, str], page: ModelsPage, qtbot: QtBot) -> None:
    assert names(page) == ["jmed-7b-v1", "jmed-7b-v2", "inro-demo"]
    assert state_of(page, models["jmed-7b-v2"]) == "in use"
    sign_in(stage, page, qtbot)
    assert names(page) == ["general-7b", "jmed-7b-v1", "jmed-7b-v2", "old-7b", "inro-demo"]
    assert state_of(page, models["general-7b"]) == "waiting for approval · not scored · unsigned"
    assert state_of(page, models["old-7b"]) == "waiting for approval · failed its scoring · expired"


def test_the_table_shows_scores_with_their_intervals_and_sorts(
    stage: Stage, models: dict[str, str], page: ModelsPage, qtbot: QtBot
) -> None:
    table = page.library_view.table
    score = table.index_of(models["jmed-7b-v1"], Column.SCORE)
    assert score.data(Qt.ItemDataRole.AccessibleTextRole) == "ja 52.5 ± 2.6 en 50.2 ± 2.6"
    assert "764 of 1455 right" in score.data(Qt.ItemDataRole.ToolTipRole)
    table.sortByColumn(Column.SIZE, Qt.SortOrder.DescendingOrder)
    assert names(page)[0] == "inro-demo"


def test_one_click_goes_back_to_the_model_before(
    stage: Stage, models: dict[str, str], page: ModelsPage, home: Paths, qtbot: QtBot
) -> None:
    assert page.roll_back.text() == "Back to jmed-7b-v1"
    with qtbot.waitSignal(stage.library.switched):
        QTest.mouseClick(page.roll_back, Qt.MouseButton.LeftButton)
    assert chosen(home) == models["jmed-7b-v1"]
    settled(stage, qtbot)
    assert page.roll_back.text() == "Back to inro-demo"


def test_an_approval_is_withdrawn_and_the_model_removed(
    stage: Stage, models: dict[str, str], page: ModelsPage, home: Paths, qtbot: QtBot
) -> None:
    first = models["jmed-7b-v1"]
    sign_in(stage, page, qtbot)
    menu(stage, page, first, "Withdraw the approval…")
    decide(stage, page, qtbot, "wrong dose in an answer")
    assert state_of(page, first) == "approval withdrawn"
    menu(stage, page, first, "Remove…")
    decide(stage, page, qtbot, "no longer wanted")
    assert "jmed-7b-v1" not in names(page)
    assert reasons(home)[-2:] == ["wrong dose in an answer", "no longer wanted"]


def test_what_speaks_against_an_approval_is_said(
    stage: Stage, models: dict[str, str], page: ModelsPage, qtbot: QtBot
) -> None:
    sign_in(stage, page, qtbot)
    failure = page.library_view.deed.failure
    menu(stage, page, models["general-7b"], "Approve…")
    decide(stage, page, qtbot, "please")
    assert "not signed, and the policy of this PC asks for a trusted signature" in failure.text()
    menu(stage, page, models["old-7b"], "Approve…")
    assert failure.isHidden()
    decide(stage, page, qtbot, "please")
    assert "The day until which its maker stands by the model is past" in failure.text()


def test_the_policy_is_changed_and_shown_in_the_status_line(
    stage: Stage, models: dict[str, str], page: ModelsPage, qtbot: QtBot
) -> None:
    assert page.note.text() == "Policy: signed files only"
    assert page.note.isVisible()
    page.policy_button.click()
    assert not page.policy_view.unsigned.isEnabled()
    sign_in(stage, page, qtbot)
    page.policy_button.click()
    page.policy_view.unsigned.click()
    qtbot.waitUntil(lambda: page.note.text() == "Policy: unsigned files allowed")
    stage.window.show_page("ask")
    assert page.note.isHidden()


def test_a_key_is_compared_before_it_is_trusted(
    stage: Stage, models: dict[str, str], page: ModelsPage, tmp_path: Path, qtbot: QtBot
) -> None:
    from tests.manifests import new_signer

    other = new_signer(tmp_path / "other", "Another house")
    sign_in(stage, page, qtbot)
    page.policy_button.click()
    view = page.policy_view
    stage.dialogs.next = other.private_path
    view.add_key.click()
    assert "not the public key file" in view.failure.text()
    stage.dialogs.next = other.public_path
    view.add_key.click()
    assert other.public.key_id in view.offer.label.text()
    view.offer.trust.click()
    qtbot.waitUntil(lambda: len(view.keys) == 2)
    row = next(row for row in view.keys if row.key.name != "Another house")
    row.remove.click()
    assert "jmed-7b-v1" in view.removal.label.text()
    view.removal.confirm.click()
    qtbot.waitUntil(lambda: len(view.keys) == 1)
    qtbot.waitUntil(lambda: names(page) == ["general-7b", "jmed-7b-v1", "jmed-7b-v2", "old-7b", "inro-demo"])
    assert "to be approved again" in state_of(page, models["jmed-7b-v1"])


def test_the_record_is_shown_and_exported(
    stage: Stage, models: dict[str, str], page: ModelsPage, home: Paths, tmp_path: Path, qtbot: QtBot
) -> None:
    page.record_button.click()
    view = page.record_view
    qtbot.waitUntil(lambda: view.lines.rowCount() > 0)
    assert view.lines.rowCount() == len(Record(home.record).read().lines)
    assert "The record is sound" in view.verdict.text()
    latest = [view.lines.index(row, 3).data() for row in range(view.lines.rowCount())]
    assert "Switched to jmed-7b-v2" in latest
    stage.dialogs.next = tmp_path / "record.jsonl"
    view.export.click()
    qtbot.waitUntil(lambda: "Exported to record.jsonl" in view.verdict.text())
    assert (tmp_path / "record.jsonl").read_bytes().count(b"\n") == view.lines.rowCount()
    view.export.click()
    qtbot.waitUntil(lambda: "could not be exported" in view.failure.text())


def test_a_changed_record_is_said_and_nothing_is_approved(
    stage: Stage, models: dict[str, str], page: ModelsPage, home: Paths, qtbot: QtBot
) -> None:
    lines = home.record / "record.jsonl"
    sign_in(stage, page, qtbot)
    lines.write_bytes(lines.read_bytes().replace(b"general-7b", b"general-8b"))
    page.record_button.click()
    qtbot.waitUntil(lambda: page.record_view.verdict.text() == "The record is not sound.")
    assert "was changed" in page.record_view.failure.text()
    page.back.click()
    menu(stage, page, models["jmed-7b-v1"], "Withdraw the approval…")
    page.library_view.deed.reason.setPlainText("please")
    page.library_view.deed.confirm.click()
    qtbot.waitUntil(lambda: "could not be done" in page.library_view.deed.failure.text())
    assert b"please" not in lines.read_bytes()


def test_a_model_that_vanished_is_said(
    stage: Stage, models: dict[str, str], page: ModelsPage, home: Paths, qtbot: QtBot
) -> None:
    shutil.rmtree(home.models / models["jmed-7b-v1"])
    page.roll_back.click()
    qtbot.waitUntil(lambda: "could not be done" in page.library_view.failure.text())
    settled(stage, qtbot)
    assert names(page) == ["jmed-7b-v2", "inro-demo"]


def test_what_was_done_in_a_terminal_is_seen_when_the_page_is_opened_again(
    stage: Stage, models: dict[str, str], page: ModelsPage, home: Paths, qtbot: QtBot
) -> None:
    stage.window.show_page("ask")
    Administration(home).use("demo")
    stage.window.show_page("models")
    qtbot.waitUntil(lambda: state_of(page, "").startswith("in use"))


@pytest.fixture(params=[(language, scale) for language in ("ja", "en") for scale in (1.0, 2.0)], ids=str)
def at_size(
    request: pytest.FixtureRequest, models: dict[str, str], qtbot: QtBot, tmp_path: Path, translations: Path
) -> Iterator[Stage]:
    language, scale = request.param
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    stage = Stage(application, tmp_path, translations, language=language, scale=scale)
    qtbot.addWidget(stage.window)
    stage.window.resize(1280, 800)
    stage.window.show()
    yield stage
    stage.close()


def test_nothing_is_cut_off(at_size: Stage, models: dict[str, str], tmp_path: Path, qtbot: QtBot) -> None:
    stage, page = at_size, models_page(at_size)
    view = page.library_view
    qtbot.waitUntil(lambda: stage.library.overview is not None)
    view.table.choose(models["jmed-7b-v2"])
    stage.imports.bring_in([tmp_path / "there is no such file.gguf"])
    ended(stage, qtbot)
    view.sign_in.ask(new_pin=True)
    assert stage.library.overview is not None
    view.deed.ask("approve", stage.library.overview.entries[0])
    qtbot.waitUntil(lambda: cut_off(stage.window) == [])
    page.policy_button.click()
    qtbot.waitUntil(lambda: cut_off(stage.window) == [])
    page.show_record()
    qtbot.waitUntil(lambda: page.record_view.lines.rowCount() > 0)
    qtbot.waitUntil(lambda: cut_off(stage.window) == [])


def test_the_loaded_model_is_exchanged_when_another_is_chosen(
    stage: Stage, models: dict[str, str], page: ModelsPage, qtbot: QtBot
) -> None:
    stage.inference.start()
    stage.engine.tell_load(MODEL)
    qtbot.waitUntil(lambda: stage.inference.state.phase == "ready")
    stage.library.use("")
    qtbot.waitUntil(lambda: stage.inference.state.phase == "loading")
    stage.engine.tell_load(MODEL)
    qtbot.waitUntil(lambda: stage.inference.state.phase == "ready")


def test_a_pin_is_never_left_in_a_form(stage: Stage, models: dict[str, str], page: ModelsPage, qtbot: QtBot) -> None:
    form = page.library_view.deed
    menu(stage, page, models["jmed-7b-v1"], "Withdraw the approval…")
    form.reason.setPlainText("a reason")
    form.pin.setText(PIN)
    form.cancel.click()
    menu(stage, page, models["jmed-7b-v1"], "Withdraw the approval…")
    assert (form.reason.toPlainText(), form.pin.text()) == ("a reason", "")
    form.pin.setText(PIN)
    sign_in(stage, page, qtbot)
    page.panel.lock.click()
    assert form.pin.text() == ""
    page.panel.sign_in.click()
    page.library_view.sign_in.pin.setText(PIN)
    stage.window.show_page("ask")
    stage.window.show_page("models")
    assert page.library_view.sign_in.pin.text() == ""


def test_a_pin_given_for_one_deed_signs_nobody_in(
    stage: Stage, models: dict[str, str], page: ModelsPage, qtbot: QtBot
) -> None:
    menu(stage, page, models["jmed-7b-v1"], "Withdraw the approval…")
    decide(stage, page, qtbot, "a reason")
    assert not stage.administrator.signed_in
    assert names(page) == ["jmed-7b-v2", "inro-demo"]


def test_the_pin_is_changed_and_a_wrong_current_one_is_said(
    stage: Stage, models: dict[str, str], page: ModelsPage, qtbot: QtBot
) -> None:
    form = page.library_view.sign_in
    sign_in(stage, page, qtbot)
    page.panel.new_pin.click()
    for edit, text in ((form.pin, "wrong-pin"), (form.new_pin, "asahi-43"), (form.again, "asahi-43")):
        edit.setText(text)
    form.confirm.click()
    stage.administrator.tick()
    assert stage.administrator.authority() is not None
    qtbot.waitUntil(lambda: form.failure.text() == "The PIN is wrong.")
    assert form.isVisible()
    for edit, text in ((form.pin, PIN), (form.new_pin, "asahi-43"), (form.again, "asahi-43")):
        edit.setText(text)
    form.confirm.click()
    qtbot.waitUntil(form.isHidden)
    page.panel.lock.click()
    sign_in(stage, page, qtbot, "asahi-43")
    assert stage.administrator.signed_in


def test_a_clock_that_is_put_back_ends_the_session(
    stage: Stage, models: dict[str, str], page: ModelsPage, qtbot: QtBot
) -> None:
    sign_in(stage, page, qtbot)
    stage.now -= 3600
    assert stage.administrator.authority() is None


def test_an_approval_is_for_the_manifest_that_was_shown(
    stage: Stage, page: ModelsPage, hospital: Hospital, home: Paths, qtbot: QtBot
) -> None:
    model = hospital.file("jmed-7b", 1, licence="MIT")
    sha256 = hospital.bring_in(model)
    settled(stage, qtbot)
    menu(stage, page, sha256, "Approve…")
    hospital.file("jmed-7b", 1, licence="Apache-2.0")
    hospital.bring_in(model)
    decide(stage, page, qtbot, "MIT is fine")
    assert "came with another manifest in the meantime" in page.library_view.deed.failure.text()
    assert reasons(home)[-1] == ""


def test_a_deed_that_fails_after_the_form_went_on_is_still_said(
    stage: Stage, models: dict[str, str], page: ModelsPage, home: Paths, qtbot: QtBot
) -> None:
    sign_in(stage, page, qtbot)
    form = page.library_view.deed
    menu(stage, page, models["general-7b"], "Approve…")
    form.reason.setPlainText("please")
    form.confirm.click()
    assert stage.library.overview is not None
    old = stage.library.overview.of(models["old-7b"])
    assert old is not None
    form.ask("remove", old)
    qtbot.waitUntil(lambda: not form.busy)
    assert form.failure.isHidden()
    assert page.library_view.failure.text().startswith("general-7b: The model is not signed")
    assert (home.models / models["old-7b"]).is_dir()


def test_another_model_that_answers_is_said_and_can_be_exchanged(
    stage: Stage, models: dict[str, str], page: ModelsPage, home: Paths, qtbot: QtBot
) -> None:
    view = page.library_view
    stage.inference.start()
    stage.engine.tell_load(MODEL)
    qtbot.waitUntil(view.other_loaded.isVisible)
    stage.window.show_page("ask")
    Administration(home).use("demo")
    stage.window.show_page("models")
    qtbot.waitUntil(lambda: state_of(page, "").startswith("in use"))
    view.load_now.click()
    assert stage.inference.state.phase in ("starting", "loading")


def test_a_model_that_claims_the_hash_of_another_does_not_take_its_place(
    stage: Stage, models: dict[str, str], page: ModelsPage, home: Paths, tmp_path: Path, qtbot: QtBot
) -> None:
    from tests.manifests import describe
    from tests.tiny_models import tiny_gguf

    used = models["jmed-7b-v2"]
    impostor = tiny_gguf(tmp_path / "impostor.gguf", seed=77)
    describe(impostor, name=used)
    stage.dialogs.next = impostor
    page.import_button.click()
    ended(stage, qtbot)
    sign_in(stage, page, qtbot)
    menu(stage, page, used, "Withdraw the approval…")
    decide(stage, page, qtbot, "it was this one")
    assert state_of(page, used) == "approval withdrawn"
