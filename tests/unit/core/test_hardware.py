"""What the machine offers and what a model needs."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from app.core.engine import hardware
from app.core.engine.client import EngineClient
from app.core.models.gguf_header import read_header


def test_cores_are_those_this_process_may_use() -> None:
    assert 1 <= hardware.physical_cores() <= len(os.sched_getaffinity(0))
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert hardware.physical_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_free_memory_is_no_more_than_the_machine_has() -> None:
    assert 0 < hardware.free_memory() <= psutil.virtual_memory().total


def test_a_control_group_limits_free_memory(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/hospital/inro\n")
    inner = tmp_path / "fs" / "hospital" / "inro"
    inner.mkdir(parents=True)
    for folder, limit, used in ((inner, "max", 10), (inner.parent, "1000", 450)):
        (folder / "memory.stat").write_text("anon 100\nactive_file 30\ninactive_file 20\n")
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
    assert hardware._control_group_free(tmp_path / "fs", own) == 600


def test_the_need_grows_with_the_context_by_the_size_of_its_cache(tiny_model: Path) -> None:
    header = read_header(tiny_model)
    short, long = (hardware.memory_need(header, tokens) for tokens in (512, 4096))
    # One layer, two heads of 16 for keys and for values, two bytes each.
    assert long.kv_cache - short.kv_cache == (4096 - 512) * 2 * 16 * 2 * 2
    assert long.weights == tiny_model.stat().st_size


def test_a_loaded_model_stays_within_its_estimate(engine: EngineClient, slower_model: Path) -> None:
    info = engine.load(slower_model)
    assert engine.status().resident_bytes <= info.needed_bytes
