"""The real window, as the application opens it: asks one question, prints the answer's state and tokens, and closes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from app.__main__ import Application
from app.core.asking import Options
from app.core.history.store import Message
from app.core.paths import user_paths
from app.services.inference import EngineState


def main() -> None:
    qt = QApplication([])
    application = Application(qt, user_paths(), Path(sys.argv[1]), Options(max_tokens=20))
    asked = False

    def on_state(state: EngineState) -> None:
        nonlocal asked
        if state.phase == "ready" and not asked:
            asked = True
            application.chat.ask("熱の原因は何ですか。")
        elif state.phase == "failed":
            sys.exit(f"the engine failed: {state.failure}")

    def on_answer(message: Message) -> None:
        print(message.state, message.completion_tokens)
        qt.quit()

    application.inference.state_changed.connect(on_state)
    application.chat.answer_finished.connect(on_answer)
    application.window.show()
    application.inference.start()
    qt.exec()
    application.close()


if __name__ == "__main__":
    main()
