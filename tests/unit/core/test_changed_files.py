"""An approved model in the library of which a single byte was changed: neither may it answer, nor is it verified."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from app import cli
from app.core.errors import CheckRefused, InputError
from app.core.models.administration import Administration
from app.core.models.approvals import Approvals
from app.core.models.examination import check_contents, examine
from app.core.models.gguf_header import read_header
from app.core.models.importing import Placed
from app.core.models.library import InstalledModel
from app.core.models.pin import PinGuard
from app.core.models.record import Record
from app.core.models.selection import SelectedModel, select
from app.core.models.signing import PublicKey
from app.core.models.standing import Standing
from app.core.paths import Paths
from app.core.settings import read_settings
from tests.manifests import describe, new_signer
from tests.tiny_models import tiny_gguf

WEIGHTS = 2000
"""Changes that are tried: SHA-256 covers every byte alike, so that more of them would only take longer."""


class ReadOnce(Approvals):
    """The record does not change here, and reading it takes longer than the file."""

    @cache  # noqa: B019 - it lives as long as a test
    def standing(self) -> Standing:
        return super().standing()


@pytest.fixture
def model(home: Paths, tmp_path: Path) -> InstalledModel:
    """Imported, signed, approved, and chosen; as the administrator would, it can be written to."""
    source = tiny_gguf(tmp_path / "model.gguf", quant="Q8_0")
    signer, guard, office = new_signer(tmp_path / "keys"), PinGuard(home.administrator), Administration(home)
    signer.sign(describe(source))
    office.set_pin(guard, None, "hinode-42")
    authority = guard.check("hinode-42")
    office.trust(authority, signer.public)
    *_, last = office.bring_in(source).steps()
    assert isinstance(last, Placed)
    office.approve(authority, "named", "tried")
    office.use("named")
    last.model.path.chmod(0o644)
    return last.model


@pytest.fixture
def choose(home: Paths) -> Callable[[], SelectedModel]:
    approvals, settings = ReadOnce(Record(home.record)), read_settings(home.settings)
    return lambda: select(None, settings, home, approvals)


def verified(path: Path, trusted: Mapping[str, PublicKey]) -> bool:
    """What `inro models verify` asks of the file itself."""
    try:
        return check_contents(examine(path, trusted)) is None
    except InputError:
        return False


def verify(path: Path) -> int:
    """The exit code of the command."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return cli.main(["models", "verify", str(path)])


def test_every_changed_byte_of_a_model_file_is_found(
    home: Paths, model: InstalledModel, choose: Callable[[], SelectedModel]
) -> None:
    trusted = Administration(home).trusted()
    assert choose().sha256 == model.sha256
    assert verified(model.path, trusted)
    assert verify(model.path) == 0
    rng = random.Random(0)
    header = range(read_header(model.path).data_offset)
    weights = rng.sample(range(len(header), model.file_bytes), WEIGHTS)
    by_command = {*rng.sample(header, 10), *weights[:10]}
    with model.path.open("r+b", buffering=0) as file:
        for at in (*header, *weights):
            file.seek(at)
            (byte,) = file.read(1)
            file.seek(at)
            file.write(bytes([byte ^ rng.randrange(1, 256)]))
            with pytest.raises(CheckRefused, match="is not the file that was imported"):
                choose()
            assert not verified(model.path, trusted), at
            assert at not in by_command or verify(model.path) in ((1,) if at in weights else (1, 2)), at
            file.seek(at)
            file.write(bytes([byte]))
    assert choose().sha256 == model.sha256
    assert verify(model.path) == 0


@pytest.mark.parametrize("change", [-1, 1])
def test_a_byte_more_or_less_is_found(model: InstalledModel, choose: Callable[[], SelectedModel], change: int) -> None:
    with model.path.open("r+b") as file:
        file.truncate(model.file_bytes + change)
    with pytest.raises(CheckRefused, match="is not the file that was imported"):
        choose()
    assert verify(model.path) in (1, 2)
