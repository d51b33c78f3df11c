"""Ten thousand hostile files: the window's process reads them or refuses them with a sentence, within its bounds.

Each kind of damage is made from real files by a seeded generator (tests/hostile). A process of its own does with every
file what the window's does before it is copied.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest

from tests.hostile.companions import manifest_cases, many_parts, monsters, part_cases
from tests.hostile.gguf_parts import Parts, take_apart
from tests.hostile.headers import KINDS, Case, File, header_cases
from tests.manifests import manifest_of
from tests.tiny_models import tiny_gguf

EACH, PARTS, MANIFESTS = 600, 400, 800
SECONDS = 2.0
"""Of the processor: other programs may take the clock's."""
MEGABYTES = 64
MAX_SENTENCE = 1000

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the system knows no limit for what a process writes to"
)


class WindowProcess:
    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self._folder, self._process = folder, process
        self.outcomes: Counter[tuple[str, str]] = Counter()

    def look_at(self, case: Case) -> str:
        """The sentence with which the files are refused, empty where they are not."""
        paths = [_write(self._folder, file) for file in case.files]
        manifest = paths[0].with_suffix(".manifest.json")
        if case.manifest is not None:
            manifest.write_bytes(case.manifest)
        self._stdin.write(f"{paths[0]}\n")
        self._stdin.flush()
        line = self._stdout.readline()
        what = f"{case.kind} {case.number}"
        assert line, f"{what}: the process ended with {self._process.wait()}"
        answer = json.loads(line)
        assert not answer["raised"], f"{what}: {answer['raised']}"
        for path in (*paths, manifest):
            path.unlink(missing_ok=True)
        sentence = str(answer["refused"])
        assert sentence.isprintable(), f"{what}: {sentence[:500]!r}"
        assert len(sentence) < MAX_SENTENCE, f"{what}: {sentence[:500]!r}"
        self.outcomes[case.kind, "refused" if sentence else "read"] += 1
        return sentence

    def finish(self) -> dict[str, Any]:
        """The figures of all cases together."""
        self._stdin.close()
        figures: dict[str, Any] = json.loads(self._stdout.readline())
        return figures

    @property
    def _stdin(self) -> IO[str]:
        assert self._process.stdin
        return self._process.stdin

    @property
    def _stdout(self) -> IO[str]:
        assert self._process.stdout
        return self._process.stdout


@contextmanager
def window_process(folder: Path, good: Path) -> Iterator[WindowProcess]:
    command = [sys.executable, "-m", "tests.hostile.window_process", str(good), str(MEGABYTES), str(SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield WindowProcess(folder, process)
        finally:
            process.kill()


def _write(folder: Path, file: File) -> Path:
    path = folder / file.name
    with path.open("wb") as stream:
        stream.write(file.header)
        stream.truncate(file.file_bytes)
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("good")
    return [
        tiny_gguf(folder / "plain.gguf", layers=2),
        tiny_gguf(folder / "quantized.gguf", quant="Q8_0", merges=("=a", "bc")),
        tiny_gguf(folder / "bare.gguf", quant="F16", template=None, vocabulary=300),
    ]


@pytest.fixture(scope="module")
def bases(good: list[Path]) -> list[Parts]:
    return [take_apart(path) for path in good]


def test_the_files_that_are_damaged_are_good_ones(good: list[Path], bases: list[Parts]) -> None:
    assert [base.whole() for base in bases] == [path.read_bytes() for path in good]


def test_ten_thousand_hostile_files_are_read_or_refused_within_bounds(
    good: list[Path], bases: list[Parts], tmp_path: Path
) -> None:
    manifest = json.loads(msgspec.json.encode(manifest_of(good[0], file="file.gguf")))
    cases: list[Iterable[Case]] = [
        header_cases(bases, EACH),
        part_cases(bases[0], PARTS),
        manifest_cases(bases[0], manifest, MANIFESTS),
        monsters(bases[0]),
    ]
    with window_process(tmp_path, good[0]) as window:
        for some in cases:
            for case in some:
                window.look_at(case)
        figures = window.finish()
    counts = Counter(kind for (kind, _), count in window.outcomes.items() for _ in range(count))
    assert counts == Counter(dict.fromkeys(KINDS, EACH) | {"parts": PARTS, "manifests": MANIFESTS, "monsters": 9})
    assert counts.total() > 10_000
    # Neither does every file pass, nor is every one refused for what was not damaged.
    refused = {kind for kind, outcome in window.outcomes if outcome == "refused"}
    read = {kind for kind, outcome in window.outcomes if outcome == "read"}
    assert refused == set(counts)
    assert {"templates", "flips", "wrong_types", "hyperparameters", "parts", "manifests", "monsters"} <= read
    assert figures["slowest"] < SECONDS
    assert figures["grown"] < MEGABYTES * 1_000_000
    # The window's process neither renders a template nor brings the engine in.
    assert figures["imported"] == []


def test_the_parts_of_a_model_share_one_allowance(good: list[Path], bases: list[Parts], tmp_path: Path) -> None:
    with window_process(tmp_path, good[0]) as window:
        few, many = (Case("parts", count, tuple(many_parts(bases[0], count, 100_000))) for count in (3, 30))
        assert window.look_at(few) == ""
        assert "more tokens than any model needs" in window.look_at(many)
