"""Starting and asking the peers of `peer_process.py`, and what lm-evaluation-harness is told of the questions."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from app.core.engine.hardware import physical_cores
from evaluation.items import Item
from evaluation.runs.wording import Wording
from evaluation.templates import shipped

FOLDER = Path(__file__).resolve().parent
HARNESS = ("lm_eval",)
SERVER = ("lm_eval", "uvicorn", "fastapi", "sse_starlette", "starlette_context", "pydantic_settings")
INSTALL = "`.venv/bin/pip install -c packaging/constraints.txt -e '.[bench]'` adds it"

_START_AT_MOST_S = 120
_SERVER_CONTEXT = 2048
"""Tokens; the server holds logits over the vocabulary for each of them."""


def installed(modules: Sequence[str]) -> bool:
    return all(find_spec(name) for name in modules)


class Peer:
    """One process that answers a JSON object with another."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def ask(self, **wanted: object) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self.line()))

    def line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"A peer ended with {self._process.wait()}:\n{self._log.read_text(errors='replace')[-3000:]}")
        return line


@contextmanager
def peer(work: Path, kind: str, *arguments: str) -> Iterator[Peer]:
    log = work / f"{kind}.log"
    command = [sys.executable, "-P", str(FOLDER / "peer_process.py"), kind, *arguments]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=_environment(work)
        ) as process,
    ):
        found = Peer(process, log)
        found.line()
        yield found
        assert process.stdin
        process.stdin.close()


def _environment(work: Path) -> dict[str, str]:
    """Nothing is looked up in a network, nothing is left in the user's cache, and threads sleep as soon as ours do."""
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"), "1")
    quiet = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return {"GOMP_SPINCOUNT": "3000", **os.environ, **offline, **quiet, "HF_HOME": str(work / "huggingface")}


@contextmanager
def server(work: Path, model: Path) -> Iterator[str]:
    """The address of llama-cpp-python's, which gives log-probabilities of the prompt, as the harness asks for them."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    threads = str(physical_cores())
    command = [
        *(sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--host", "127.0.0.1", "--port", port),
        *("--logits_all", "true", "--n_ctx", str(_SERVER_CONTEXT), "--verbose", "false"),
        *("--n_threads", threads, "--n_threads_batch", threads),
    ]
    log = work / "server.log"
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/v1/models", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_AT_MOST_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    sys.exit(f"llama-cpp-python's server did not start:\n{log.read_text(errors='replace')[-3000:]}")


# --- what lm-evaluation-harness is told -------------------------------------------------------------------------------


def write_task(folder: Path, name: str, wording: Wording, questions: Path, letters: Sequence[str]) -> None:
    """A task of the harness with the prompts of `wording`, a plain one with the shipped template of five options."""
    text = shipped()["plain_five_choice_ja"].text
    options = "{% for choice in choices %}{{ 'abcde'[loop.index0] }}. {{ choice }}{{ '' if loop.last else '\\n' }}"
    asked = text.replace("{{instruction}}", "{{problem_text}}").replace("{{input}}", options + "{% endfor %}")
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(questions)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": f"{{% raw %}}{_examples(wording)}{{% endraw %}}{asked}",
        "doc_to_choice": list(letters),
        "doc_to_target": 0,
        "target_delimiter": "",
        "metric_list": [{"metric": "acc"}],
    }
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(task, allow_unicode=True), encoding="utf-8")


def _examples(wording: Wording) -> str:
    """The examples of a plain prompt: the same before every question."""
    one = Item("", "", "ja", "?", ("1", "2", "3", "4", "5"), (0,))
    text = wording.prompt(one).text or ""
    return text.removesuffix(wording.templates.choose(len(one.options)).render(one))
