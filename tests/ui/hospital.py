"""A hospital with an administrator, a trusted signer and models in every state that a person may meet."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from app.core.models.administration import Administration
from app.core.models.importing import Placed
from app.core.models.manifest import Base, Condition, ScoredRun, Source, Verdict
from app.core.models.pin import PinGuard
from app.core.paths import user_paths
from app.ui.models.page import ModelsPage
from tests.manifests import Signer, describe, new_signer
from tests.tiny_models import tiny_gguf
from tests.ui.stage import Stage

PIN = "hinode-42"


def run(language: Any, n: int, correct: int) -> ScoredRun:
    share = correct / n
    return ScoredRun(
        task="igakuqa",
        language=language,
        how="letter",
        n=n,
        correct=correct,
        accuracy=share,
        interval_95=(share - 0.026, share + 0.026),
        items_sha256="0" * 64,
        llama_cpp_commit="0" * 40,
    )


def verdict(*, passed: bool = True) -> Verdict:
    return Verdict(
        passed=passed,
        conditions=(
            Condition(name="accuracy", passed=passed, reason="764 of 1,455 right: 52.5 %, at least 50 % are wanted."),
            Condition(name="rate of prohibited options", passed=True, reason="One was chosen in 3 of 78 questions."),
        ),
        runs=(run("ja", 1455, 764), run("en", 1455, 730)),
        thresholds_sha256="0" * 64,
    )


class Hospital:
    """A home with a PIN, a trusted signer and, when asked, models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = user_paths()
        self.administration = Administration(self.paths)
        self.guard = PinGuard(self.paths.administrator)
        self.administration.set_pin(self.guard, None, PIN)
        self.authority = self.guard.check(PIN)
        self.signer: Signer = new_signer(folder / "keys", "大学病院 医療情報部")
        self.administration.trust(self.authority, self.signer.public)

    def file(self, name: str, seed: int, *, signed: bool = True, manifest: bool = True, **claims: Any) -> Path:
        model = tiny_gguf(self.folder / f"{name}.gguf", seed=seed, context_length=4096, layers=2, name=name)
        if manifest:
            path = describe(model, name=name, **claims)
            if signed:
                self.signer.sign(path)
        return model

    def bring_in(self, model: Path, *, approve: str = "", use: bool = False) -> str:
        """The SHA-256."""
        *_, last = self.administration.bring_in(model).steps()
        assert isinstance(last, Placed)
        sha256 = last.model.sha256
        if approve:
            self.administration.approve(self.authority, sha256, approve)
        if use:
            self.administration.use(sha256)
        return sha256

    def furnish(self) -> dict[str, str]:
        """A library as a hospital may have it; SHA-256 by name."""
        scored: dict[str, Any] = {
            "base": Base(name="Qwen2-7B + MFPT + QLoRA"),
            "licence": "CC-BY-NC-SA-4.0",
            "verdict": verdict(),
            "intended_use": "医学的な質問への参考情報の提示。診断・処方には用いない。",
            "sources": (
                Source(kind="checkpoint", name="qwen2-7b-mfpt", sha256="1" * 64),
                Source(kind="adapter", name="igaku-qlora", sha256="2" * 64),
            ),
            "versions": {"inro": "0.1", "llama.cpp": "b6000"},
        }
        today = datetime.date.today()
        ids = {}
        ids["jmed-7b-v1"] = self.bring_in(
            self.file("jmed-7b-v1", 1, **scored), approve="医療安全委員会 2026-11-20 承認", use=True
        )
        ids["jmed-7b-v2"] = self.bring_in(
            self.file("jmed-7b-v2", 2, **scored, expires=today + datetime.timedelta(days=400)),
            approve="第 2 版の評価を確認",
            use=True,
        )
        ids["general-7b"] = self.bring_in(self.file("general-7b", 3, signed=False))
        ids["old-7b"] = self.bring_in(
            self.file("old-7b", 4, expires=today - datetime.timedelta(days=3), verdict=verdict(passed=False))
        )
        return ids


def models_page(stage: Stage) -> ModelsPage:
    stage.window.show_page("models")
    page = stage.window.findChild(ModelsPage)
    assert page is not None
    return page
