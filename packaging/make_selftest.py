"""Write app/resources/selftest.gguf: the one-layer quantized model that the engine's self-test runs.

usage: python packaging/make_selftest.py OUT.gguf
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.core.engine.client import EngineClient
from tests.tiny_models import tiny_gguf


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, EngineClient() as engine:
        # 256 columns: the block of the K-quants, whose kernels the test is about.
        source = tiny_gguf(Path(folder) / "f32.gguf", hidden=256, context_length=512, name="selftest")
        engine.quantize(source, target, "Q4_K_M")


if __name__ == "__main__":
    main()
