"""Imports: their steps, what is refused and why, and that a stopped, failed or killed one leaves nothing."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core.engine.client import EngineClient, EngineError
from app.core.engine.gauge import Gauge
from app.core.engine.protocol import Done, Piece, Reading
from app.core.errors import CheckRefused, InputError, MachineError
from app.core.files import sha256_file
from app.core.models import probe as trial
from app.core.models.copying import copy_hashing
from app.core.models.gguf_header import read_header
from app.core.models.importing import (
    Copying,
    HeaderRead,
    Import,
    ImportCancelled,
    MemoryCompared,
    PapersChecked,
    Placed,
    Placing,
    Prepared,
    Probing,
    SpaceFound,
    Step,
)
from app.core.models.library import ModelLibrary
from app.core.models.manifest import manifest_path
from app.core.models.probe import Limits
from app.core.models.record import Record
from app.core.paths import Paths
from tests.manifests import describe, import_model, new_signer
from tests.tiny_models import tiny_gguf

HANGING = """
import time
from app.core.engine import worker
from app.core.engine.session import Session
def hang(*arguments, **options):
    while True:
        time.sleep(0.01)
Session.load = hang
worker.main()
"""
"""A worker that is alive and never done with loading."""


@pytest.fixture
def library(home: Paths) -> ModelLibrary:
    return ModelLibrary(home.models)


@pytest.fixture
def source(tiny_model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "モデル 一.BIN"
    shutil.copy(tiny_model, path)
    return path


def nothing(_prepared: Prepared) -> None:
    pass


def left(home: Paths) -> list[Path]:
    return list(home.models.iterdir()) if home.models.exists() else []


def test_the_steps_of_an_import(library: ModelLibrary, source: Path) -> None:
    steps = list(Import(library, source, {}, nothing).steps())
    kinds = list(dict.fromkeys(type(step) for step in steps))
    assert kinds == [HeaderRead, MemoryCompared, SpaceFound, Copying, PapersChecked, Probing, Placing, Placed]
    compared = steps[1]
    assert isinstance(compared, MemoryCompared)
    assert [fit.context_length for fit in compared.fits] == [1024, 2048, 4096]
    assert all(fit.fits for fit in compared.fits)
    assert steps[2:3] == [SpaceFound(source.stat().st_size, steps[2].free_bytes)]  # type: ignore[union-attr]
    copied = [step for step in steps if isinstance(step, Copying)]
    assert copied[-1] == Copying(source.stat().st_size, source.stat().st_size)
    probed = [step for step in steps if isinstance(step, Probing)]
    assert probed == [Probing(number, 4) for number in range(1, 5)]


def test_with_a_gauge_an_import_tells_what_speed_to_expect(library: ModelLibrary, source: Path) -> None:
    compared = list(Import(library, source, {}, nothing, gauge=Gauge()).steps())[1]
    assert isinstance(compared, MemoryCompared)
    assert compared.speed is not None
    assert compared.gpu is not None


def test_cancelled_while_it_measures_it_leaves_nothing(library: ModelLibrary, source: Path, home: Paths) -> None:
    endless = HANGING.replace("Session.load", "Session.measure")
    bringing = Import(library, source, {}, nothing, gauge=Gauge([sys.executable, "-c", endless]))
    steps = bringing.steps()
    assert isinstance(next(steps), HeaderRead)
    ended = threading.Event()

    def cancel() -> None:
        # Until it is seen: the measurement may not have begun.
        while not ended.wait(0.01):
            bringing.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    try:
        with pytest.raises(ImportCancelled):
            list(steps)
    finally:
        ended.set()
        canceller.join()
    assert left(home) == []


def test_what_is_in_place_is_the_file_and_read_only(library: ModelLibrary, source: Path) -> None:
    added = import_model(library, source)
    assert added.path.name == "モデル 一.gguf"
    assert added.sha256 == sha256_file(source) == sha256_file(added.path)
    assert stat.S_IMODE(added.path.stat().st_mode) == 0o444
    assert added.manifest is None


def test_the_same_file_comes_in_once(library: ModelLibrary, source: Path, tiny_model: Path) -> None:
    assert import_model(library, source) == import_model(library, tiny_model)
    assert len(library.models()) == 1


def test_a_model_that_was_damaged_is_mended_by_importing_it_again(
    library: ModelLibrary, source: Path, home: Paths
) -> None:
    describe(source)
    added = import_model(library, source)
    added.path.chmod(0o644)
    added.path.write_bytes(b"GGUF")
    assert import_model(library, source) == added
    assert added.hashes() == (added.sha256,)
    added.path.unlink()
    assert library.models() == []
    assert import_model(library, source) == added
    assert [path.name for path in left(home)] == [added.sha256]


def test_a_name_that_claims_to_be_a_part_is_made_one_of_a_whole(
    library: ModelLibrary, tiny_model: Path, tmp_path: Path
) -> None:
    source = tmp_path / "x-00001-of-00002.gguf"
    shutil.copy(tiny_model, source)
    assert import_model(library, source).path.name == "x-00001-of-00002_.gguf"


def test_a_manifest_may_lie_elsewhere(library: ModelLibrary, source: Path, tmp_path: Path) -> None:
    signer = new_signer(tmp_path / "keys")
    elsewhere = tmp_path / "papers" / "any.json"
    elsewhere.parent.mkdir()
    signer.sign(describe(source).rename(elsewhere))
    prepared: list[Prepared] = []
    *_, last = Import(library, source, signer.trusted, prepared.append, manifest=elsewhere).steps()
    assert isinstance(last, Placed)
    assert last.model.name == "named"
    assert manifest_path(last.model.path).read_bytes() == elsewhere.read_bytes()
    assert prepared[0].key_id == signer.public.key_id
    with pytest.raises(FileNotFoundError):
        import_model(library, source, manifest=tmp_path / "none.json")


def test_a_file_of_another_manifest_is_refused_and_leaves_nothing(
    library: ModelLibrary, source: Path, home: Paths
) -> None:
    describe(source, sha256="0" * 64)
    with pytest.raises(CheckRefused, match="is not the file its manifest describes"):
        import_model(library, source)
    assert left(home) == []


def test_a_file_that_computes_no_numbers_is_refused_with_a_sentence(
    library: ModelLibrary, tmp_path: Path, home: Paths
) -> None:
    broken = tiny_gguf(tmp_path / "broken.gguf", broken=True)
    with pytest.raises(InputError, match="what it computes are no numbers"):
        import_model(library, broken)
    assert left(home) == []


@pytest.mark.parametrize("death", ["os.kill(os.getpid(), 11)", "os._exit(3)"])
def test_a_file_that_kills_the_probe_is_refused_with_a_sentence(
    library: ModelLibrary, source: Path, home: Paths, death: str
) -> None:
    program = f"""
import os
from app.core.engine import worker
from app.core.engine.session import Session
def die(*arguments, **options): {death}
Session.load = die
worker.main()
"""
    with pytest.raises(EngineError, match="the file is damaged or not supported"):
        import_model(library, source, worker=lambda limits: [sys.executable, "-c", program])
    assert left(home) == []


def test_a_probe_that_takes_too_long_is_ended(library: ModelLibrary, source: Path, home: Paths) -> None:
    with pytest.raises(InputError, match=r"did not answer within 0\.5 seconds"):
        import_model(
            library,
            source,
            limits=lambda header: Limits(2**40, 0.5),
            worker=lambda limits: [sys.executable, "-c", HANGING],
        )
    assert left(home) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the system knows no limit for what a process writes to")
def test_a_probe_that_takes_too_much_memory_is_refused(library: ModelLibrary, slower_model: Path, home: Paths) -> None:
    with pytest.raises(EngineError):
        import_model(library, slower_model, limits=lambda header: Limits(30_000_000, 100))
    assert left(home) == []


@pytest.mark.parametrize("kind", [HeaderRead, MemoryCompared, SpaceFound, Copying, PapersChecked, Probing])
def test_cancelled_at_any_step_it_leaves_nothing(
    library: ModelLibrary, source: Path, home: Paths, kind: type[Step]
) -> None:
    bringing = Import(library, source, {}, nothing)
    seen = []

    def run() -> None:
        for step in bringing.steps():
            seen.append(type(step))
            if isinstance(step, kind):
                bringing.cancel()

    with pytest.raises(ImportCancelled, match="nothing of it is kept"):
        run()
    assert seen[-1] is kind
    assert left(home) == []


class CancelledInTime(EngineClient):
    """A real engine that is cancelled when it begins to read a question: before the answer has a token."""

    def generate(self, *arguments: Any, **options: Any) -> Generator[Reading | Piece | Done, None, None]:
        for event in super().generate(*arguments, **options):
            if isinstance(event, Reading):
                self.cancel()
            yield event


def test_a_trial_that_is_cancelled_before_an_answer_is_not_the_models_fault(slower_model: Path, tmp_path: Path) -> None:
    with CancelledInTime() as engine, pytest.raises(EngineError) as raised:
        list(trial.probe(engine, slower_model, read_header(slower_model), 300, threading.Event(), tmp_path))
    assert raised.value.failure.code == "cancelled"


def test_another_thread_cancels_a_probe_that_does_not_end(library: ModelLibrary, source: Path, home: Paths) -> None:
    bringing = Import(library, source, {}, nothing, worker=lambda limits: [sys.executable, "-c", HANGING])

    def run() -> None:
        for step in bringing.steps():
            if isinstance(step, PapersChecked):
                threading.Thread(target=bringing.cancel).start()

    with pytest.raises(ImportCancelled):
        run()
    assert left(home) == []


@pytest.mark.parametrize("kind", [SpaceFound, Copying, Probing])
def test_left_at_any_step_it_leaves_nothing(library: ModelLibrary, source: Path, home: Paths, kind: type[Step]) -> None:
    steps = Import(library, source, {}, nothing).steps()
    assert any(isinstance(step, kind) for step in steps)
    steps.close()
    assert left(home) == []


def test_what_the_record_refuses_does_not_come_in(library: ModelLibrary, source: Path, home: Paths) -> None:
    def refuse(_prepared: Prepared) -> None:
        raise CheckRefused("The record was changed.")

    with pytest.raises(CheckRefused, match="record"):
        list(Import(library, source, {}, refuse).steps())
    assert left(home) == []


def test_a_disk_that_is_too_small_is_said_in_numbers(
    library: ModelLibrary, source: Path, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(source)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(MachineError, match=r"needs 0\.00 GB on the disk, and 0\.00 GB are free"):
        import_model(library, source)
    assert left(home) == []


def test_a_source_that_was_exchanged_while_it_was_copied_is_checked_again(
    library: ModelLibrary, source: Path, home: Paths
) -> None:
    steps = Import(library, source, {}, nothing).steps()
    assert isinstance(next(steps), HeaderRead)
    source.write_bytes(b"GGUF" + bytes(5000))
    with pytest.raises(InputError, match="not a usable GGUF model file"):
        list(steps)
    assert left(home) == []


def test_a_source_that_grows_while_it_is_copied_does_not_fill_the_disk(
    library: ModelLibrary, source: Path, home: Paths
) -> None:
    steps = Import(library, source, {}, nothing).steps()
    assert isinstance(next(steps), HeaderRead)
    with source.open("ab") as file:
        file.write(bytes(9_000_000))
    with pytest.raises(CheckRefused, match="was changed while it was copied"):
        list(steps)
    assert left(home) == []


def test_a_copy_of_several_chunks_is_the_same(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 90_001)
    hashes: list[str] = []

    def copy() -> Iterator[int]:
        hashes.append((yield from copy_hashing(source, target)))

    counts = list(copy())
    assert hashes == [sha256_file(source)]
    assert sum(counts) == source.stat().st_size
    assert len([count for count in counts if count]) > 5
    assert target.read_bytes() == source.read_bytes()


def test_a_source_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises((InputError, IsADirectoryError)):
        list(copy_hashing(tmp_path, tmp_path / "target"))


KILLED = """
import os, signal, sys
from pathlib import Path
from app.core.models.administration import Administration
from app.core.paths import user_paths
source, moment = Path(sys.argv[1]), int(sys.argv[2])
paths = user_paths()
seen = 0
EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree", "subprocess.Popen")
def hook(event, arguments):
    global seen
    if event in EVENTS and str(paths.data) in str(arguments):
        seen += 1
        if seen == moment:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
list(Administration(paths).bring_in(source).steps())
print(seen)
"""


def run_killed(source: Path, moment: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", KILLED, str(source), str(moment)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_killed_at_any_moment_it_is_there_with_its_line_or_not_at_all(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Path
) -> None:
    describe(source)
    whole = run_killed(source, 0)
    assert whole.returncode == 0, whole.stderr
    moments = int(whole.stdout)
    assert moments > 20
    seen = set()
    for moment in range(1, moments + 1, 5):
        shutil.rmtree(home.data)
        assert run_killed(source, moment).returncode == -9
        library = ModelLibrary(home.models)
        models = library.models()
        lines = [line.event.__struct_config__.tag for line in Record(home.record).read().lines]
        seen.add((len(models), "imported" in lines))
        for model in models:
            assert model.hashes() == (model.sha256,)
            assert model.name == "named"
        with library.scratch():
            pass
        assert [path.name for path in left(home)] == [model.sha256 for model in models]
    # Never in the library without a line.
    assert (1, False) not in seen
    assert {(0, False), (1, True)} <= seen
