"""Pictures of the window for a person to look at: `python tests/ui/screenshots.py OUT_DIR [SCALE]`.

Japanese needs a Japanese font on the machine, such as Noto Sans CJK.
"""

from __future__ import annotations

import os

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # before Qt is imported

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from app.core.engine.protocol import Failed, Reading
from app.core.language import Language
from app.ui.i18n import TRANSLATIONS
from app.ui.palette import DARK, LIGHT, Palette
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
    for _ in range(100):
        if true():
            return
        _wait(20)
    raise TimeoutError


@contextmanager
def _on_stage(
    application: QApplication, translations: Path, language: Language, scale: float, palette: Palette
) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(application, Path(folder), translations, language=language, scale=scale, palette=palette)
        yield stage
        stage.close()
        stage.window.close()


def main(out: Path, scale: float) -> None:
    out.mkdir(parents=True, exist_ok=True)
    application = QApplication([])
    lrelease = str(Path(sys.executable).with_name("pyside6-lrelease"))
    subprocess.run([lrelease, str(TRANSLATIONS / "inro_ja.ts"), "-qm", str(out / "inro_ja.qm")], check=True)
    for language in ("ja", "en"):
        for name, palette in (("light", LIGHT), ("dark", DARK)):
            for scene in SCENES:
                with _on_stage(application, out, language, scale, palette) as stage:
                    stage.window.resize(1280, 800)
                    stage.window.show()
                    stage.demonstration = scene is not not_demonstration
                    stage.inference.start()
                    scene(stage)
                    _wait(150)
                    stage.window.grab().save(str(out / f"{scene.__name__}_{language}_{name}.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
