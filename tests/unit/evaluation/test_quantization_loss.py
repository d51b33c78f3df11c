"""The figures of a quantization loss are those of the two files' predictions, whatever fits into memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from math import exp, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import entropy

from app.core.engine.client import EngineClient
from app.core.errors import ExitCode, InputError
from app.core.files import sha256_file
from app.core.models.gguf_header import read_header
from evaluation.cli import main
from evaluation.quantization_loss.divergence import Divergences
from evaluation.quantization_loss.measuring import Bounds, measure
from evaluation.quantization_loss.pair import opened
from evaluation.quantization_loss.parts import parts
from evaluation.quantization_loss.result import QuantizationLoss, divergence, same_top
from evaluation.statistics import wilson
from tests.tiny_models import VOCABULARY, tiny_gguf

CONTEXT = 64
WORDS = "The patient, 54 years old, has had a dry cough for two weeks; 咳が続いている。 " * 5


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("quantized")
    return {
        kind: tiny_gguf(folder / f"{kind}.gguf", quant=None if kind == "F32" else kind, layers=2, hidden=128)
        for kind in ("F32", "Q8_0", "Q4_0")
    }


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "prose.txt"
    path.write_text(WORDS, "utf-8")
    return path


@contextmanager
def silent(name: str, total: int, unit: str) -> Iterator[Any]:
    yield lambda steps: None


def loss_of(reference: Path, candidate: Path, text: Path, bounds: Bounds | None = None) -> QuantizationLoss:
    return measure(reference, candidate, text, CONTEXT, 1, silent, bounds)


def logits_of(path: Path, chunks: list[list[int]], folder: Path) -> list[Any]:
    """Of every position of each chunk, read at once and without the code under test."""
    with EngineClient() as engine:
        engine.load(path, threads=1)
        found = []
        for chunk in chunks:
            engine.logits(chunk, folder / "logits", exact=True)
            found.append(np.fromfile(folder / "logits", np.float32).reshape(len(chunk), VOCABULARY))
    return found


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_the_figures_are_those_of_an_independent_calculation(
    files: dict[str, Path], text: Path, tmp_path: Path, kind: str
) -> None:
    loss = loss_of(files["F32"], files[kind], text)
    with EngineClient() as engine:
        engine.load(files["F32"])
        tokens = list(engine.tokenize(WORDS))
    chunks = [tokens[place : place + CONTEXT] for place in range(0, len(tokens) - CONTEXT + 1, CONTEXT)]
    assert len(chunks) > 3
    kl, tops, ours, theirs = [], [], [], []
    both = (logits_of(files[name], chunks, tmp_path) for name in ("F32", kind))
    for chunk, reference, candidate in zip(chunks, *both, strict=True):
        half = slice(CONTEXT // 2, CONTEXT - 1)
        p, q = (log_softmax(one[half].astype(float), axis=1) for one in (reference, candidate))
        kl.append(entropy(np.exp(p), np.exp(q), axis=1))
        tops.append(p.argmax(axis=1) == q.argmax(axis=1))
        following = chunk[CONTEXT // 2 + 1 :]
        ours.append(-np.mean([row[token] for row, token in zip(p, following, strict=True)]))
        theirs.append(-np.mean([row[token] for row, token in zip(q, following, strict=True)]))
    assert loss.chunks == len(chunks)
    assert loss.kl.mean.value == pytest.approx(np.mean(kl), rel=1e-6)
    assert loss.kl.mean.error == pytest.approx(np.std(np.mean(kl, axis=1), ddof=1) / sqrt(len(chunks)), rel=1e-6)
    assert loss.kl.median == pytest.approx(np.median(kl), rel=1e-6)
    assert loss.kl.percentile_99 == pytest.approx(np.percentile(kl, 99), rel=1e-6)
    assert loss.kl.maximum == pytest.approx(np.max(kl), rel=1e-6)
    assert (loss.same_top.same, loss.same_top.positions) == (int(np.sum(tops)), np.size(tops))
    interval = wilson(int(np.sum(tops)), np.size(tops))
    assert interval is not None
    assert loss.same_top.interval_95 == (interval.low, interval.high)
    assert loss.perplexity.reference.value == pytest.approx(exp(np.mean(ours)), rel=1e-6)
    assert loss.perplexity.candidate.value == pytest.approx(exp(np.mean(theirs)), rel=1e-6)
    ratio, differences = loss.perplexity.ratio, np.array(theirs) - np.array(ours)
    assert ratio.value == pytest.approx(exp(differences.mean()), rel=1e-6)
    assert ratio.error == pytest.approx(ratio.value * differences.std(ddof=1) / sqrt(len(chunks)), rel=1e-6)


def test_fewer_bits_lose_more_and_a_file_loses_nothing_to_itself(files: dict[str, Path], text: Path) -> None:
    none, little, much = (loss_of(files["F32"], files[kind], text) for kind in ("F32", "Q8_0", "Q4_0"))
    assert (none.kl.maximum, none.same_top.share, none.perplexity.ratio.value) == (0.0, 1.0, 1.0)
    assert 0 < little.kl.mean.value < much.kl.mean.value
    assert little.same_top.share > much.same_top.share


def test_the_figures_do_not_depend_on_memory_or_disk(files: dict[str, Path], text: Path) -> None:
    """Both files loaded; one at a time, in one round and in rounds of one part; chunks in several parts."""
    row = 4 * VOCABULARY
    usual = loss_of(files["F32"], files["Q4_0"], text, Bounds(memory=1 << 40))
    for bounds in (
        Bounds(memory=0),
        Bounds(memory=0, round=1),
        Bounds(memory=0, round=20 * row, part=5 * row),
        Bounds(memory=1 << 40, part=1),
    ):
        other = loss_of(files["F32"], files["Q4_0"], text, bounds)
        assert other.chunks == usual.chunks
        assert other.same_top == usual.same_top
        assert other.kl.mean.value == pytest.approx(usual.kl.mean.value, rel=1e-5)
        assert other.perplexity.ratio.value == pytest.approx(usual.perplexity.ratio.value, rel=1e-5)


def test_nothing_is_left_beside_the_file(files: dict[str, Path], text: Path) -> None:
    before = sorted(files["Q8_0"].parent.iterdir())
    loss_of(files["F32"], files["Q8_0"], text)
    assert sorted(files["Q8_0"].parent.iterdir()) == before


def test_the_second_half_of_each_chunk_counts_and_chunks_begin_as_texts_do() -> None:
    assert [(one.tokens, one.first, one.following) for one in parts(range(1, 18), [], 8, 100)] == [
        ((1, 2, 3, 4, 5, 6, 7), 4, (6, 7, 8)),
        ((9, 10, 11, 12, 13, 14, 15), 4, (14, 15, 16)),
    ]
    first, second = parts(range(1, 18), [0], 8, 100)
    assert (first.tokens, first.following) == ((0, 1, 2, 3, 4, 5, 6), (5, 6, 7))
    assert (second.tokens, second.following) == ((0, 9, 10, 11, 12, 13, 14), (13, 14, 15))
    pieces = [(one.chunk, one.tokens[-1], one.first, one.following) for one in parts(range(1, 18), [], 8, 2)]
    assert pieces == [(0, 6, 4, (6, 7)), (0, 7, 6, (8,)), (1, 14, 4, (14, 15)), (1, 15, 6, (16,))]


def test_what_a_model_puts_before_every_text_begins_each_chunk(
    files: dict[str, Path], text: Path, tmp_path: Path
) -> None:
    key = b"tokenizer.ggml.add_bos_token" + (7).to_bytes(4, "little")  # of the type of truth values
    data = files["F32"].read_bytes()
    assert data.count(key + b"\0") == 1
    beginning = tmp_path / "beginning.gguf"
    beginning.write_bytes(data.replace(key + b"\0", key + b"\1"))
    headers = (read_header(beginning), read_header(files["F32"]))
    with opened((beginning, files["F32"]), headers, CONTEXT, 1, 0) as pair:
        assert not pair.together
        tokens, before = pair.tokens(pair.reference, WORDS)
        assert len(before) == 1
        assert pair.tokens(pair.candidate, WORDS) == (tokens, ())
    with pytest.raises(InputError, match="split the text into other tokens"):
        loss_of(beginning, files["F32"], text)
    with_it, without = loss_of(beginning, beginning, text), loss_of(files["F32"], files["F32"], text)
    assert with_it.perplexity.reference.value != without.perplexity.reference.value


def test_errors_are_between_chunks_and_not_between_their_tokens() -> None:
    def chunk(kl: float, same: bool) -> Divergences:
        return Divergences(np.full(50, kl), np.full(50, same), np.ones(50), np.ones(50))

    chunks = {0: chunk(1.0, True), 1: chunk(3.0, True), 2: chunk(5.0, False)}
    assert divergence(chunks).mean.value == 3.0
    assert divergence(chunks).mean.error == pytest.approx(2.0 / sqrt(3))
    assert same_top(chunks).share == pytest.approx(2 / 3)
    assert same_top(chunks).error == pytest.approx(1 / 3)


# --- what cannot be compared ------------------------------------------------------------------------------------------


def test_files_of_other_models_are_refused(files: dict[str, Path], text: Path, tmp_path: Path) -> None:
    larger = tiny_gguf(tmp_path / "larger.gguf", vocabulary=300)
    with pytest.raises(InputError, match=r"vocabulary of 259 tokens and larger\.gguf one of 300"):
        loss_of(files["F32"], larger, text)
    other = tmp_path / "other.gguf"
    other.write_bytes(files["F32"].read_bytes().replace(_token("t"), _token("\x7f"), 1))
    with pytest.raises(InputError, match="split the text into other tokens"):
        loss_of(files["F32"], other, text)


def _token(character: str) -> bytes:
    """A token as the file's list has it."""
    raw = character.encode()
    return len(raw).to_bytes(8, "little") + raw


@pytest.mark.parametrize("broken", ["reference", "candidate"])
def test_logits_that_are_no_numbers_are_told_with_their_file(
    files: dict[str, Path], text: Path, tmp_path: Path, broken: str
) -> None:
    nan = tmp_path / "nan.gguf"
    data = bytearray(files["F32"].read_bytes())
    header = read_header(files["F32"])
    (norm,) = (tensor for tensor in header.tensors if tensor.name == "output_norm.weight")
    place = header.data_offset + norm.offset
    data[place : place + 4] = np.float32("nan").tobytes()
    nan.write_bytes(data)
    pair = (nan, files["F32"]) if broken == "reference" else (files["F32"], nan)
    with pytest.raises(InputError, match=r"nan\.gguf gives logits that are no numbers in chunk 1"):
        loss_of(*pair, text)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"\xff\xfea", "UTF-8"),
        (b"too short", "9 tokens, and 128 are needed"),
        (b"x" * (16 * 1024 * 1024 + 1), "give a part of it"),
    ],
)
def test_a_text_that_cannot_be_used_is_told_in_a_sentence(
    files: dict[str, Path], tmp_path: Path, data: bytes, sentence: str
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=sentence):
        loss_of(files["F32"], files["Q8_0"], path)


def test_the_command(files: dict[str, Path], text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["quantization-loss", str(files["F32"]), str(files["Q4_0"]), "--text", str(text)]
    assert main([*command, "--context", "64", "--json"]) == ExitCode.DONE
    loss = json.loads(capsys.readouterr().out)
    assert loss["format"] == "inro-quantization-loss/1"
    assert loss["reference"]["sha256"] == sha256_file(files["F32"])
    assert loss["candidate"]["sha256"] == sha256_file(files["Q4_0"])
    assert loss["context"] == 64
    assert main([*command, "--context", "64"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "KL divergence" in shown
    assert f"{loss['kl']['median']:.6f}" in shown
    assert main([*command, "--context", "4"]) == ExitCode.USAGE
    assert main([*command, "--context", "100000"]) == ExitCode.USAGE
    assert "from 8 to 2,048" in capsys.readouterr().err
