"""Files that pass the header's reader and are hostile all the same: the import refuses them, and leaves nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.engine.client import EngineError
from app.core.errors import InputError, UserFacingError
from app.core.models.gguf_header import read_header
from app.core.models.library import ModelLibrary
from app.core.paths import Paths
from tests.hostile import models, templates
from tests.hostile.gguf_parts import Parts, take_apart
from tests.manifests import import_model
from tests.tiny_models import tiny_gguf

Refuse = Callable[[Path], str]


@pytest.fixture
def refuse(home: Paths) -> Refuse:
    """Bring a file in that must be refused; the sentence."""

    def bring_in(path: Path) -> str:
        read_header(path)  # The reader has nothing against it.
        with pytest.raises((InputError, EngineError)) as error:
            import_model(ModelLibrary(home.models), path)
        assert isinstance(error.value, UserFacingError)
        assert list(home.models.iterdir()) == []
        sentence = str(error.value)
        assert sentence.isprintable()
        assert len(sentence) < 300
        return sentence

    return bring_in


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return take_apart(tiny_gguf(tmp_path_factory.mktemp("base") / "base.gguf", layers=2))


def changed(base: Parts, change: models.Change, folder: Path) -> Path:
    parts = base.copy()
    change(parts)
    path = folder / "hostile.gguf"
    path.write_bytes(parts.whole())
    assert parts.whole() != base.whole()
    return path


@pytest.mark.parametrize("name", models.KILLING)
def test_a_file_that_ends_the_engine_is_refused(refuse: Refuse, base: Parts, tmp_path: Path, name: str) -> None:
    sentence = refuse(changed(base, models.KILLING[name], tmp_path))
    assert "The engine ended while it loaded this file" in sentence or "did not survive its trial" in sentence


@pytest.mark.parametrize("name", models.REFUSED)
def test_a_file_that_the_engine_cannot_use_is_refused(refuse: Refuse, base: Parts, tmp_path: Path, name: str) -> None:
    sentence = refuse(changed(base, models.REFUSED[name], tmp_path))
    words = ("cannot be loaded", "cannot be used", "GB of memory")
    assert any(word in sentence for word in words), sentence


@pytest.mark.parametrize("name", models.HARMLESS)
def test_a_file_that_is_only_strange_may_come_in(home: Paths, base: Parts, tmp_path: Path, name: str) -> None:
    added = import_model(ModelLibrary(home.models), changed(base, models.HARMLESS[name], tmp_path))
    assert added.hashes() == (added.sha256,)


@pytest.mark.parametrize("name", templates.ALL)
def test_a_poisoned_chat_template_is_refused(refuse: Refuse, tmp_path: Path, name: str) -> None:
    sentence = refuse(tiny_gguf(tmp_path / "poisoned.gguf", template=templates.ALL[name]))
    assert "chat template" in sentence
