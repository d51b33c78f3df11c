"""The bounded header reader: it tells what a good file says and refuses every bad one with a sentence."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.errors import InputError
from app.core.models.gguf_header import read_header
from app.core.models.gguf_reader import Allowance, Reader
from app.core.models.gguf_source import Malformed
from tests.tiny_models import tiny_gguf


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return tiny_gguf(tmp_path_factory.mktemp("gguf") / "good.gguf", layers=2).read_bytes()


def read(folder: Path, data: bytes) -> None:
    path = folder / "file.gguf"
    path.write_bytes(data)
    read_header(path)


def test_tells_what_a_good_file_says(tiny_model: Path) -> None:
    header = read_header(tiny_model)
    assert (header.architecture, header.name) == ("qwen2", "tiny")
    assert header.vocabulary == 259
    assert header.number("context_length") == 4096
    assert header.chat_template is not None
    assert header.parameters > 0
    assert sum(tensor.nbytes for tensor in header.tensors) < header.file_bytes


HEAD = b"GGUF" + struct.pack("<I", 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too short"),
        (b"PK\x03\x04" * 20, "does not begin with GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        (HEAD + struct.pack("<QQ", 2**63, 0), "claims 9223372036854775808 tensors"),
        (HEAD + struct.pack("<QQ", 0, 2**40), "claims 1099511627776 metadata keys"),
        (HEAD + struct.pack("<QQQ", 0, 1, 2**60), "bytes in one text"),
        # An array of 2^60 strings in a file of 49 bytes (ggml-org/llama.cpp#27188).
        (HEAD + struct.pack("<QQQ", 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 2**60), "items in one array"),
        (HEAD + struct.pack("<QQQ", 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 9, 1) + bytes(20), "array of type 9"),
        (HEAD + struct.pack("<QQQ", 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 5) + bytes(20), "ends inside"),
        (HEAD + struct.pack("<QQQ", 0, 1, 2) + b"\xff\xfe" + bytes(20), "not UTF-8"),
        (HEAD + struct.pack("<QQQ", 0, 1, 1) + b"k" + struct.pack("<I", 77) + bytes(20), "unknown type 77"),
    ],
)
def test_refuses_a_crafted_header_with_its_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read(tmp_path, data)


def test_refuses_an_architecture_that_is_not_supported(tmp_path: Path, good: bytes) -> None:
    with pytest.raises(InputError, match="'mamba'"):
        read(tmp_path, good.replace(b"qwen2", b"mamba"))


def test_refuses_a_file_that_is_cut_short_and_says_by_how_much(tmp_path: Path, good: bytes) -> None:
    with pytest.raises(InputError, match="incomplete, 100 bytes are missing"):
        read(tmp_path, good[:-100])


def test_refuses_layers_that_are_not_there(tmp_path: Path, good: bytes) -> None:
    key = b"qwen2.block_count" + struct.pack("<I", 4)
    with pytest.raises(InputError, match="claims 600 layers and holds 2"):
        read(tmp_path, good.replace(key + struct.pack("<I", 2), key + struct.pack("<I", 600)))


def test_a_file_that_becomes_shorter_while_it_is_read_is_refused(good: bytes) -> None:
    with pytest.raises(Malformed, match="ends inside its header"):
        Reader(io.BytesIO(good[:3000]), len(good), Allowance()).header(len(good))


@pytest.mark.skipif(sys.platform != "linux", reason="there is no file that cannot be read")
def test_a_file_whose_disk_is_gone_is_refused_with_the_reason(good: bytes) -> None:
    # As a stick that is pulled out: it is open, it has a size, and reading it fails.
    with Path("/proc/self/mem").open("rb") as file, pytest.raises(Malformed, match="cannot be read to its end"):
        Reader(file, len(good), Allowance()).header(len(good))


def test_refuses_tensors_that_overlap(tmp_path: Path, good: bytes) -> None:
    header_end = good.index(b"output_norm.weight") + len(b"output_norm.weight")
    # n_dims, one dimension, type, then the offset, which is moved onto the first tensor.
    at = header_end + 4 + 8 + 4
    with pytest.raises(InputError, match="overlaps"):
        read(tmp_path, good[:at] + struct.pack("<Q", 0) + good[at + 8 :])


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_damage_is_read_or_refused_but_never_a_crash(tmp_path: Path, good: bytes, data: st.DataObject) -> None:
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, 12_000))
        damaged[at : at + 1] = data.draw(st.binary(min_size=0, max_size=9))
    # Anything else that it raised would fail the test.
    with contextlib.suppress(InputError):
        read(tmp_path, bytes(damaged))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"tokenizer.ggml.model\x08\0\0\0\x04\0\0\0\0\0\0\0gpt2", b"bert", "tokenizer 'bert'"),
        (b"qwen2.block_count\x04\0\0\0\x02\0\0\0", struct.pack("<f", float("nan")), "claims"),
        (b"qwen2.attention.head_count_kv\x04\0\0\0\x02\0\0\0", struct.pack("<i", -2), "head_count_kv is impossible"),
    ],
)
def test_refuses_values_that_llama_cpp_would_trust(
    tmp_path: Path, good: bytes, old: bytes, new: bytes, reason: str
) -> None:
    kind = {b"bert": b"\x08", struct.pack("<i", -2): b"\x05"}.get(new, b"\x06")
    key = old.split(b"\x04\0\0\0")[0].split(b"\x08\0\0\0")[0]
    edited = good.replace(old, old[: len(key)] + kind + old[len(key) + 1 : -4] + new)
    assert edited != good
    with pytest.raises(InputError, match=reason):
        read(tmp_path, edited)


def test_refuses_token_types_that_are_no_integers(tmp_path: Path, good: bytes) -> None:
    # llama.cpp reads four bytes a token, whatever the array says of itself.
    key = b"tokenizer.ggml.token_type\x09\0\0\0"
    edited = good.replace(key + b"\x05", key + b"\x04")
    assert edited != good
    with pytest.raises(InputError, match="token_type do not fit"):
        read(tmp_path, edited)
