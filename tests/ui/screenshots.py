"""Pictures of the window for a person to look at: `python tests/ui/screenshots.py OUT_DIR [SCALE [SCENE …]]`.

Japanese needs a Japanese font on the machine, such as Noto Sans CJK.
"""

from __future__ import annotations

import os

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # before Qt is imported

import gc
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QEvent, QEventLoop, Qt, QTimer
from PySide6.QtGui import QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from app.core.engine.protocol import Failed, Reading
from app.core.language import Language
from app.ui.i18n import TRANSLATIONS
from app.ui.palette import DARK, LIGHT, Palette
from tests.manifests import new_signer
from tests.ui import bench_scenes
from tests.ui.hospital import PIN, Hospital, models_page, verdict
from tests.ui.model_scenes import copying, held_import, probing
from tests.ui.stage import EXAMPLES, MODEL, Stage, done

ANSWERS: dict[Language, str] = {
    "ja": """## 要点
- 大腿前外側に **アドレナリン 0.3〜0.5 mg** を **筋注**。5〜15分ごとに反復可。
- 仰臥位で下肢挙上、高流量酸素、太い静脈路を確保。
- 低血圧には晶質液を 10〜20 mL/kg 急速投与。
- 抗ヒスタミン薬・ステロイドは補助であり、アドレナリンに代わらない。

## 経過
二相性反応に備えて観察する。

| 薬剤 | 用量 | 経路 |
|---|---|---|
| アドレナリン | 0.01 mg/kg（最大 0.5 mg） | 筋注 |
| 生理食塩液 | 10〜20 mL/kg | 静注 |

体重 60 kg では `0.01 × 60 = 0.6` となるため、上限の 0.5 mg とする。
""",
    "en": """## Key points
- Give **adrenaline 0.3–0.5 mg intramuscularly** into the anterolateral thigh; repeat every 5–15 minutes if needed.
- Lay the patient flat with raised legs, high-flow oxygen, a large-bore line.
- Treat hypotension with 10–20 mL/kg of crystalloid, given quickly.
- Antihistamines and steroids are adjuncts and do not replace adrenaline.

## Course
Observe for a biphasic reaction.

| Drug | Dose | Route |
|---|---|---|
| Adrenaline | 0.01 mg/kg (at most 0.5 mg) | IM |
| Saline | 10–20 mL/kg | IV |

At 60 kg, `0.01 × 60 = 0.6`, so the limit of 0.5 mg applies.
""",
}
QUESTIONS: dict[Language, str] = {
    "ja": "成人のアナフィラキシーの初期対応を、薬剤の投与経路とともに要点で教えてください。",
    "en": "What is the initial treatment of anaphylaxis in an adult? Please give the routes of the drugs.",
}
FAILURE = Failed(
    code="not_enough_memory",
    message="There is not enough memory.",
    needed_bytes=5_400_000_000,
    free_bytes=3_100_000_000,
)


def loading(stage: Stage) -> None:
    stage.engine.tell_load(0.42)
    _until(lambda: stage.inference.state.load_fraction > 0.4)
    stage.composer.text.setPlainText(QUESTIONS[stage.translation.language])


def load_failed(stage: Stage) -> None:
    stage.engine.tell_load(FAILURE)
    _until(lambda: stage.inference.state.phase == "failed")


def not_approved(stage: Stage) -> None:
    stage.engine.tell_load(Failed(code="model_not_approved", message="It waits for an administrator's approval."))
    _until(lambda: stage.inference.state.phase == "failed")


def empty(stage: Stage) -> None:
    stage.engine.tell_load(MODEL)
    _until(lambda: stage.inference.state.phase == "ready")


def reading(stage: Stage) -> None:
    empty(stage)
    stage.chat.ask(QUESTIONS[stage.translation.language])
    stage.engine.tell(Reading(id=1, done_tokens=512, total_tokens=1204))
    _wait(600)


def streaming(stage: Stage) -> None:
    empty(stage)
    answer = ANSWERS[stage.translation.language]
    stage.chat.ask(QUESTIONS[stage.translation.language])
    stage.engine.tell(answer[: len(answer) // 3])
    _wait(100)
    stage.engine.tell("…")
    _wait(200)


def finished(stage: Stage) -> None:
    empty(stage)
    _answer(stage, QUESTIONS[stage.translation.language], ANSWERS[stage.translation.language])


def conversation(stage: Stage) -> None:
    finished(stage)
    language = stage.translation.language
    short = {"ja": "第一選択は **b（アドレナリン）** です。", "en": "The first choice is **b (adrenaline)**."}
    _answer(stage, EXAMPLES[language][0], short[language])
    stage.window.new_question()
    _answer(stage, EXAMPLES[language][1], short[language])
    stage.window.history.opened.emit(stage.store.conversations()[-1].id)


def answer_failed(stage: Stage) -> None:
    empty(stage)
    language = stage.translation.language
    stage.chat.ask(QUESTIONS[language])
    stage.engine.tell(ANSWERS[language][:60], Failed(code="worker_died", message="The worker ended."))
    _until(lambda: not stage.chat.busy)


def not_demonstration(stage: Stage) -> None:
    """The stage was told so before the model was loaded."""
    conversation(stage)


def models_empty(stage: Stage) -> None:
    empty(stage)
    models_page(stage)
    _until(lambda: stage.library.overview is not None)


def models_first_pin(stage: Stage) -> None:
    models_empty(stage)
    models_page(stage).panel.sign_in.click()


def models_importing(stage: Stage) -> None:
    hospital = _furnished()[0]
    empty(stage)
    page = models_page(stage)
    _until(lambda: stage.library.overview is not None)
    held_import(stage, hospital.file("jmed-7b-v3", 9, verdict=verdict()), copying)
    page.library_view.table.clearSelection()


def models_trying(stage: Stage) -> None:
    hospital = Hospital(_folder())
    empty(stage)
    models_page(stage)
    _until(lambda: stage.library.overview is not None)
    held_import(stage, hospital.file("jmed-7b-v3", 9, verdict=verdict()), probing)


def models_imported(stage: Stage) -> None:
    hospital = Hospital(_folder())
    empty(stage)
    models_page(stage)
    stage.imports.bring_in([hospital.file("jmed-7b-v3", 9, verdict=verdict())])
    _until(lambda: stage.imports.progress is not None and not stage.imports.progress.running)
    _until(lambda: stage.library.overview is not None and len(stage.library.overview.entries) == 2)


def models_approving(stage: Stage) -> None:
    models_imported(stage)
    page = models_page(stage)
    page.library_view.importing.approve.click()
    page.library_view.deed.pin.setText("wrong-pin")
    page.library_view.deed.reason.setPlainText("2026-11-27 医療安全委員会")
    page.library_view.deed.confirm.click()
    _until(lambda: page.library_view.deed.failure.isVisible())


def models_refused(stage: Stage) -> None:
    hospital = Hospital(_folder())
    empty(stage)
    models_page(stage)
    model = hospital.file("jmed-7b-v3", 9, verdict=verdict())
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    stage.imports.bring_in([model])
    _until(lambda: stage.imports.progress is not None and not stage.imports.progress.running)


def models_signed_in(stage: Stage) -> None:
    _, ids = _furnished()
    empty(stage)
    page = models_page(stage)
    stage.administrator.sign_in(PIN, lambda: None, print)
    _until(lambda: stage.administrator.signed_in)
    _until(lambda: stage.library.overview is not None)
    page.library_view.table.choose(ids["jmed-7b-v2"])


def models_menu(stage: Stage) -> None:
    models_signed_in(stage)
    table = models_page(stage).library_view.table
    table.setFocus()
    QTest.keyClick(table, Qt.Key.Key_Return)


def models_locked(stage: Stage) -> None:
    _furnished()
    empty(stage)
    models_page(stage)
    _until(lambda: stage.library.overview is not None)


def models_record(stage: Stage) -> None:
    models_signed_in(stage)
    models_page(stage).record_button.click()
    _wait(400)


def models_policy(stage: Stage) -> None:
    models_signed_in(stage)
    page = models_page(stage)
    stage.dialogs.next = new_signer(_folder(), "別の施設").public_path
    page.policy_button.click()
    page.policy_view.add_key.click()
    _wait(200)


SCENES: tuple[Callable[[Stage], None], ...] = (
    loading,
    load_failed,
    not_approved,
    empty,
    reading,
    streaming,
    finished,
    conversation,
    answer_failed,
    not_demonstration,
    models_empty,
    models_first_pin,
    models_locked,
    models_signed_in,
    models_menu,
    models_importing,
    models_trying,
    models_imported,
    models_approving,
    models_refused,
    models_record,
    models_policy,
    *bench_scenes.SCENES,
)


def _answer(stage: Stage, question: str, answer: str) -> None:
    stage.chat.ask(question)
    stage.engine.tell(answer, done())
    _until(lambda: not stage.chat.busy)


def _wait(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def _until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        _wait(20)
    raise TimeoutError


@contextmanager
def _on_stage(
    application: QApplication, translations: Path, language: Language, scale: float, palette: Palette
) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["INRO_HOME"] = folder
        stage = Stage(application, Path(folder), translations, language=language, scale=scale, palette=palette)
        yield stage
        stage.close()
        stage.window.close()
        # Every later stage would style the windows of the earlier ones anew.
        stage.window.deleteLater()
        application.sendPostedEvents(stage.window, QEvent.Type.DeferredDelete)
        gc.collect()


def _folder() -> Path:
    return Path(tempfile.mkdtemp(dir=os.environ["INRO_HOME"]))


_FURNISHED: list[tuple[Hospital, dict[str, str]]] = []


def _furnished() -> tuple[Hospital, dict[str, str]]:
    """A library with models, made for the first picture and copied for the others."""
    here = Path(os.environ["INRO_HOME"])
    if not _FURNISHED:
        original = Path(tempfile.mkdtemp())
        os.environ["INRO_HOME"] = str(original)
        hospital = Hospital(_folder())
        _FURNISHED.append((hospital, hospital.furnish()))
        os.environ["INRO_HOME"] = str(here)
    shutil.copytree(_FURNISHED[0][0].paths.data, here / "data", dirs_exist_ok=True, ignore=_keep_history)
    return _FURNISHED[0]


def _keep_history(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("history")]


def main(out: Path, scale: float, wanted: Sequence[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    gc.disable()  # as the application does: see app.ui.garbage
    application = QApplication([])
    lrelease = str(Path(sys.executable).with_name("pyside6-lrelease"))
    subprocess.run([lrelease, str(TRANSLATIONS / "inro_ja.ts"), "-qm", str(out / "inro_ja.qm")], check=True)
    for language in ("ja", "en"):
        for name, palette in (("light", LIGHT), ("dark", DARK)):
            for scene in SCENES:
                if wanted and scene.__name__ not in wanted:
                    continue
                with _on_stage(application, out, language, scale, palette) as stage:
                    stage.window.resize(1280, 800)
                    stage.window.show()
                    stage.demonstration = scene is not not_demonstration
                    stage.inference.start()
                    scene(stage)
                    _wait(150)
                    picture = stage.window.grab()
                    for menu in stage.window.findChildren(QMenu):
                        if menu.isVisible():
                            painter = QPainter(picture)
                            painter.drawPixmap(stage.window.mapFromGlobal(menu.pos()), menu.grab())
                            painter.end()
                    picture.save(str(out / f"{scene.__name__}_{language}_{name}.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.0, sys.argv[3:])
