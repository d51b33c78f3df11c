"""What this machine can do, measured by the real worker."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.core.engine.bandwidth import read_rate
from app.core.engine.client import EngineError
from app.core.engine.gauge import Gauge
from app.core.models.fit import types_to_measure
from app.core.models.gguf_header import TENSOR_TYPES, read_header
from app.core.models.importing import compare

ENDLESS = """
import time
from app.core.engine import worker
from app.core.engine.session import Session
def measure(*arguments):
    while True:
        time.sleep(0.01)
Session.measure = measure
worker.main()
"""


def test_every_type_that_a_file_may_hold_can_be_measured() -> None:
    types = {name for name, _, _ in TENSOR_TYPES.values()}
    found = Gauge().measured(types)
    assert set(found.product_bytes_per_second) == types
    # Between a processor that is very busy with other things and one that nobody has built.
    assert all(1e6 < rate < 1e13 for rate in found.product_bytes_per_second.values())
    assert 1e8 < found.read_bytes_per_second < 1e13
    assert found.threads >= 1


def test_a_machine_is_measured_once_and_again_for_a_type_that_is_new() -> None:
    gauge = Gauge()
    first = gauge.measured({"Q8_0", "F16"})
    assert gauge.measured({"F16"}) is first
    second = gauge.measured({"F32"})
    assert set(second.product_bytes_per_second) == {"F16", "F32", "Q8_0"}
    assert gauge.measured({"Q8_0"}) is second


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(EngineError, match="no type of weights called Q9_9"):
        Gauge().measured({"Q9_9"})


def test_another_thread_ends_a_measurement() -> None:
    gauge = Gauge([sys.executable, "-c", ENDLESS])
    ended = threading.Event()

    def cancel() -> None:
        while not ended.wait(0.01):
            gauge.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    try:
        with pytest.raises(EngineError, match="stopped"):
            gauge.measured({"F16"})
    finally:
        ended.set()
        canceller.join()


def test_a_model_is_compared_with_the_machine(tiny_model: Path) -> None:
    found = compare(read_header(tiny_model), Gauge())
    assert found.speed is not None
    assert 0 < found.speed.low < found.speed.high
    assert found.speed.context_length == 4096
    assert found.gpu is not None
    assert found.gpu.of_layers == 2


def test_an_engine_that_does_not_start_leaves_the_memory_to_compare(tiny_model: Path) -> None:
    header = read_header(tiny_model)
    found = compare(header, Gauge([sys.executable, "-c", "raise SystemExit(3)"]))
    assert (found.speed, found.gpu) == (None, None)
    assert found.fits == compare(header, None).fits
    assert "F32" in types_to_measure(header)


def test_reading_takes_no_more_memory_than_is_free() -> None:
    assert read_rate(threads=3, free_bytes=8 * 3 * 1000, seconds=0) > 0


def test_the_engine_describes_its_devices() -> None:
    # In a process of its own: llama.cpp belongs in none that has other things to do.
    program = "from app.core.engine import backends as b; print([b.described(d) for d in b._devices()], b.gpus())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "free_bytes=" in done.stdout
