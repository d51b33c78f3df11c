"""`make bench`: figures as ratios of interleaved pairs, with their spread, since machines drift more than they differ.

usage: bench.py [--model FILE.gguf] [--pairs N] [--prompt TOKENS] [--decode TOKENS]
                [--only speed|turns|window|frames|import|convert|eval|train|plan] [--shapes 0.5b,1.8b,7b]
                [--llama-cpp SOURCE] [--json FILE]

Without --model a 7B-shaped file of two layers with random weights is written first (1 GB). Speed and memory do not
depend on the weights. Give a file of all 28 layers for the whole size. Converting is compared with the tools it
replaces at 1.8b unless other shapes are named; --llama-cpp names a source tree with llama.cpp's reference converter.
--only eval takes a quarter of an hour; its figures are also written to FILE. lm-evaluation-harness, one of its peers,
comes with the extra [bench]. --only train compares with TRL, and --only plan what `inro-train plan` says
with what is then measured; a quarter of an hour each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from app.core.engine.client import EngineClient
from app.core.engine.hardware import UBATCH, physical_cores
from app.core.engine.protocol import Done, Piece
from tests.bench.convert_bench import bench_convert
from tests.bench.evaluating.bench import bench_eval
from tests.bench.import_bench import bench_import
from tests.bench.plan_bench import bench_plan
from tests.bench.train_bench import bench_train
from tests.tiny_models import tiny_gguf

FOLDER = Path(__file__).resolve().parent
CONTEXT = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--decode", type=int, default=24)
    parts = ("speed", "turns", "window", "frames", "import", "convert", "eval", "train", "plan")
    parser.add_argument("--only", choices=parts)
    parser.add_argument("--shapes", default="1.8b")
    parser.add_argument("--layers", type=int, default=28, help="of the file that --only frames imports; 28 are 4.6 GB")
    parser.add_argument("--rate", type=int, default=100, help="megabytes a second of its source")
    parser.add_argument("--llama-cpp", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["INRO_HOME"] = str(Path(folder) / "home")
        if options.only in (None, "speed", "turns"):
            model = options.model or write_model(Path(folder) / "7b-shape-2-layers.gguf")
            print(f"model: {model.name}, {model.stat().st_size / 1e9:.2f} GB; {physical_cores()} threads\n")
            with EngineClient() as engine:
                engine.load(model, context_length=CONTEXT)
                if options.only in (None, "speed"):
                    bench_speed(engine, model, options)
                if options.only in (None, "turns"):
                    # Random text of the 7B shape's made-up vocabulary does not tokenize back into what was generated;
                    # this model's does, as a real one's.
                    engine.load(tiny_gguf(Path(folder) / "turns.gguf", layers=4, hidden=1024, context_length=CONTEXT))
                    bench_turns(engine, options.pairs)
        if options.only in (None, "window"):
            bench_window(options.pairs)
        if options.only in (None, "frames"):
            bench_frames(Path(folder), options.layers, options.rate)
        if options.only in (None, "import"):
            bench_import(Path(folder) / "import", options.pairs)
        if options.only in (None, "convert"):
            bench_convert(Path(folder), options.shapes.split(","), max(1, options.pairs // 2), options.llama_cpp)
        if options.only in (None, "eval"):
            bench_eval(Path(folder), max(3, options.pairs // 2), options.json)
        if options.only in (None, "train"):
            bench_train(Path(folder) / "train", max(1, options.pairs // 2))
        if options.only in (None, "plan"):
            bench_plan(Path(folder) / "plan")


def write_model(path: Path) -> Path:
    command = [sys.executable, str(FOLDER / "random_model.py"), str(path), "2"]
    subprocess.run(command, check=True)
    return path


# --- speed against a bare loop ----------------------------------------------------------------------------------------


def bench_speed(engine: EngineClient, model: Path, options: argparse.Namespace) -> None:
    """Prompt and decode tokens a second of the engine and of a bare loop, in turn, on the same file."""
    ratios: dict[str, list[float]] = {"prompt_tokens_per_second": [], "tokens_per_second": []}
    engines: dict[str, list[float]] = {name: [] for name in ratios}
    with bare_loop(model) as bare:
        for number in range(-1, options.pairs):
            # Another first token each time, so that nothing is found in the cache.
            prompt = [ord("a") + number, *(1000 + (index * 37) % 9000 for index in range(options.prompt - 1))]
            text = "".join(chr(ord("a") + (number + index * 7) % 26) for index in range(options.prompt))
            measures: list[tuple[str, Callable[[], dict[str, float]]]] = [
                ("engine", partial(measure_engine, engine, text, options.decode)),
                ("bare", partial(measure_bare, bare, prompt, options.decode)),
            ]
            figures = {name: measure() for name, measure in (measures if number % 2 else reversed(measures))}
            if number < 0:
                continue  # the first pair warms up
            for name, values in ratios.items():
                values.append(figures["engine"][name] / figures["bare"][name])
                engines[name].append(figures["engine"][name])
    for name, values in ratios.items():
        print(f"{name}: engine {spread(engines[name])}")
        print(f"  engine / bare loop: {spread(values, digits=3)}   target >= 0.97")


def measure_engine(engine: EngineClient, text: str, decode: int) -> dict[str, float]:
    *_, done = engine.generate(prompt=text, max_tokens=decode, ignore_end=True)
    assert isinstance(done, Done)
    assert done.time_to_first_token_s
    assert done.tokens_per_second
    assert done.reused_tokens < 8
    return {
        "prompt_tokens_per_second": done.prompt_tokens / done.time_to_first_token_s,
        "tokens_per_second": done.tokens_per_second,
    }


def measure_bare(bare: subprocess.Popen[str], prompt: list[int], decode: int) -> dict[str, float]:
    assert bare.stdin
    assert bare.stdout
    bare.stdin.write(json.dumps({"prompt": prompt, "decode": decode}) + "\n")
    bare.stdin.flush()
    figures: dict[str, float] = json.loads(bare.stdout.readline())
    return figures


@contextmanager
def bare_loop(model: Path) -> Iterator[subprocess.Popen[str]]:
    arguments = [str(model), str(CONTEXT), str(UBATCH), str(physical_cores())]
    command = [sys.executable, str(FOLDER / "bare_llama.py"), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


# --- the eighth turn against the first --------------------------------------------------------------------------------


def bench_turns(engine: EngineClient, pairs: int) -> None:
    """Time to the first token of a conversation's eighth turn, against its first and against reading all of it anew."""
    against_first: list[float] = []
    against_fresh: list[float] = []
    for number in range(max(3, pairs // 2)):
        seconds, text = conversation(engine, f"conversation {number}: ")
        first_token(engine, "z")  # takes the conversation's place in the cache
        against_first.append(seconds[7] / seconds[0])
        against_fresh.append(seconds[7] / first_token(engine, text)[0])
    print("time to the first token of the eighth turn (each question 100 tokens, each answer 24)")
    print(f"  eighth / first turn: {spread(against_first)}")
    print(f"  eighth turn / the same text without a cache: {spread(against_fresh, digits=3)}")


def conversation(engine: EngineClient, opening: str) -> tuple[list[float], str]:
    """Seconds to the first token of each of eight turns, and all that was read by the last."""
    text, seconds = opening, []
    for number in range(8):
        text += f"question {number} ".ljust(100, "x")
        time_to_first, answer = first_token(engine, text)
        seconds.append(time_to_first)
        if number < 7:
            text += answer
    return seconds, text


def first_token(engine: EngineClient, text: str) -> tuple[float, str]:
    events = list(engine.generate(prompt=text, max_tokens=24, ignore_end=True))
    done = events[-1]
    assert isinstance(done, Done)
    assert done.time_to_first_token_s is not None
    return done.time_to_first_token_s, "".join(event.text for event in events if isinstance(event, Piece))


# --- the window against a bare one ------------------------------------------------------------------------------------


def bench_window(pairs: int) -> None:
    """From the start of the process to a window that is painted and takes typing, ours against a bare one, in turn."""
    ratios, ours = [], []
    for number in range(-1, pairs):
        order = ("inro", "bare") if number % 2 else ("bare", "inro")
        seconds = {kind: window_seconds(kind) for kind in order}
        if number >= 0:
            ratios.append(seconds["inro"] / seconds["bare"])
            ours.append(seconds["inro"])
    print(f"seconds from start to a usable window: {spread(ours)}")
    print(f"  Inro / bare Qt window: {spread(ratios)}   target <= 2")


def window_seconds(kind: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, str(FOLDER / "window.py"), kind], check=True, capture_output=True)
    return time.perf_counter() - start


# --- the window while a model comes in --------------------------------------------------------------------------------


def bench_frames(folder: Path, layers: int, rate: int) -> None:
    """Milliseconds from frame to frame while a file of the 7B shape is imported from a source of `rate` MB a second."""
    model = folder / f"{layers}-layers.gguf"
    subprocess.run([sys.executable, str(FOLDER / "random_model.py"), str(model), str(layers)], check=True)
    command = [sys.executable, str(FOLDER / "frames.py"), str(model), str(rate)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    print(f"importing {model.stat().st_size / 1e9:.2f} GB at {rate} MB/s, milliseconds a frame   target <= 50")
    for stage, figures in json.loads(done.stdout.splitlines()[-1]).items():
        print(
            f"  {stage:8} median {figures['median']:.0f}, 99 % {figures['p99']:.0f}, longest {figures['longest']:.0f}; "
            f"{figures['over_50']} of {figures['frames']} over 50"
        )


def spread(values: Sequence[float], digits: int = 2) -> str:
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"median {middle} (min {low}, max {high}, {len(values)} runs)"


if __name__ == "__main__":
    main()
