"""What a person is shown of the library: every model with its state and what speaks against it."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest

from app.core.models.administration import Administration
from app.core.models.manifest import Verdict
from app.core.models.pin import PinGuard
from app.core.paths import Paths
from tests.manifests import Signer, describe, new_signer

TODAY = datetime.date(2026, 11, 27)
PASSED = Verdict(passed=True, conditions=(), runs=(), thresholds_sha256="0" * 64)
FAILED = Verdict(passed=False, conditions=(), runs=(), thresholds_sha256="0" * 64)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return new_signer(tmp_path / "keys")


@pytest.fixture
def administration(home: Paths, signer: Signer) -> Administration:
    administration = Administration(home, today=lambda: TODAY)
    guard = PinGuard(home.administrator)
    administration.set_pin(guard, None, "hinode-42")
    administration.trust(guard.check("hinode-42"), signer.public)
    return administration


@pytest.fixture
def source(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(tiny_model, tmp_path / "x.gguf"))


def bring_in(administration: Administration, source: Path) -> None:
    for _ in administration.bring_in(source).steps():
        pass


def test_an_empty_library_has_the_demonstration_model_in_use(administration: Administration) -> None:
    overview = administration.overview()
    (entry,) = overview.entries
    assert entry.sha256 == ""
    assert entry.usable
    assert overview.in_use == entry
    assert entry.marks == ("demonstration",)
    assert overview.back_to is None


def test_a_file_without_papers(administration: Administration, source: Path) -> None:
    bring_in(administration, source)
    entry = administration.overview().entries[0]
    assert (entry.name, entry.quantization, entry.licence) == ("x", "F32", "")
    assert entry.standing.state == "waiting"
    assert not entry.usable
    assert entry.marks == ("not_scored", "unsigned")


@pytest.mark.parametrize(
    ("verdict", "expires", "marks"),
    [
        (PASSED, None, ()),
        (PASSED, TODAY, ()),
        (PASSED, TODAY - datetime.timedelta(days=1), ("expired",)),
        (FAILED, None, ("failed_gate",)),
        (None, None, ("not_scored",)),
    ],
)
def test_what_the_papers_say_is_marked(
    administration: Administration,
    signer: Signer,
    source: Path,
    verdict: Verdict | None,
    expires: datetime.date | None,
    marks: tuple[str, ...],
) -> None:
    signer.sign(describe(source, verdict=verdict, expires=expires))
    bring_in(administration, source)
    assert administration.overview().entries[0].marks == marks


def test_a_damaged_model_does_not_hide_the_others(administration: Administration, source: Path) -> None:
    bring_in(administration, source)
    (model,) = (entry for entry in administration.overview().entries if entry.sha256)
    model.model.path.chmod(0o644)
    model.model.path.write_bytes(b"GGUF")
    damaged, demonstration = administration.overview().entries
    assert "damaged" in damaged.marks
    assert demonstration.in_use
