"""The command `inro` as a person or a script uses it: output, exit codes, errors in one sentence."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.core.files import sha256_file
from app.core.paths import Paths
from tests.ended import wait_for_end
from tests.manifests import describe

INRO = str(Path(sys.executable).with_name("inro"))
PIN = b"hinode-42\n"
QUESTION = "秘密の質問：発熱の原因は？"


def run(
    *arguments: str, stdin: bytes = b"", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [INRO, *arguments], input=stdin, capture_output=True, check=False, env={**os.environ, **(environment or {})}
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def own_model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy with a Japanese name and a space, which a test may add a manifest to."""
    path = tmp_path / "モデル 一.gguf"
    path.write_bytes(tiny_model.read_bytes())
    return path


def test_an_answer_as_json_has_every_figure(tiny_model: Path) -> None:
    done = run("ask", "--model", str(tiny_model), "--max-tokens", "7", "--json", QUESTION)
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert set(result) == {
        "answer",
        "finish_reason",
        "model",
        "model_sha256",
        "prompt_tokens",
        "completion_tokens",
        "time_to_first_token_s",
        "tokens_per_second",
    }
    assert (result["finish_reason"], result["completion_tokens"]) == ("length", 7)
    assert result["model_sha256"] == sha256_file(tiny_model)


def test_the_answer_alone_is_on_standard_output(tiny_model: Path) -> None:
    told = json.loads(run("ask", "--model", str(tiny_model), "--max-tokens", "9", "--json", QUESTION).stdout)
    done = run("ask", "--model", str(tiny_model), "--max-tokens", "9", QUESTION)
    assert done.stdout == told["answer"] + "\n"
    assert "tokens/s" in done.stderr


def test_the_question_may_come_from_standard_input(tiny_model: Path) -> None:
    arguments = ("ask", "--model", str(tiny_model), "--max-tokens", "9", "--json")
    asked = json.loads(run(*arguments, QUESTION).stdout)["answer"]
    for stdin in (QUESTION.encode() + b"\n", b"\xef\xbb\xbf" + QUESTION.encode()):
        assert json.loads(run(*arguments, stdin=stdin).stdout)["answer"] == asked
    assert json.loads(run(*arguments, "-", stdin=QUESTION.encode()).stdout)["answer"] == asked


def test_a_seed_decides_the_answer(tiny_model: Path) -> None:
    arguments = ("ask", "--model", str(tiny_model), "--max-tokens", "30", "--json")
    one, other, again = (
        json.loads(run(*arguments, "--seed", seed, QUESTION).stdout)["answer"] for seed in ("1", "2", "1")
    )
    assert one == again != other


def test_a_language_can_be_asked_for(tiny_model: Path) -> None:
    arguments = ("ask", "--model", str(tiny_model), "--max-tokens", "1", "--json", QUESTION)
    plain, asked = (json.loads(run(*arguments, *more).stdout)["prompt_tokens"] for more in ((), ("--lang", "ja")))
    assert asked > plain


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "words"),
    [
        (["ask", "--model", "/nonexistent.gguf", "x"], b"", 2, "no model file at /nonexistent.gguf"),
        (["ask"], b"", 2, "the question is empty"),
        (["ask"], b"\xff\xfe", 2, "not UTF-8"),
        (["ask", "\udcff"], b"", 2, "not text that can be written as UTF-8"),
        (["ask", "--max-tokens", "0", "x"], b"", 2, "at least 1"),
        (["ask", "--lang", "fr", "x"], b"", 2, "invalid choice"),
        (["models", "import", "/nonexistent.gguf"], b"", 2, "/nonexistent.gguf: no such file"),
        (["models", "use", "nothing"], b"", 2, "nothing is not in the library"),
        (["unknown"], b"", 2, "invalid choice"),
    ],
)
def test_wrong_use_is_one_sentence_and_2(arguments: list[str], stdin: bytes, code: int, words: str) -> None:
    done = run(*arguments, stdin=stdin)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_may_be_named_before_the_command_or_after_it(tiny_model: Path) -> None:
    sha256 = sha256_file(tiny_model)
    for arguments in (["--model", str(tiny_model), "ask"], ["ask", "--model", str(tiny_model)]):
        done = run(*arguments, "--json", "--max-tokens", "1", QUESTION)
        assert json.loads(done.stdout)["model_sha256"] == sha256
    assert run("--model", str(tiny_model), "models", "list").returncode == 2


def test_a_broken_file_is_one_sentence_and_2(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    done = run("ask", "--model", str(tmp_path / "broken.gguf"), QUESTION)
    assert done.returncode == 2
    assert done.stderr.startswith("error: broken.gguf is not a usable GGUF model file")
    assert len(done.stderr.splitlines()) == 1


def test_what_a_file_is_called_or_says_does_not_move_the_cursor(own_model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "\x1b[2J\u202e.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    describe(own_model).write_text('{"\\u001b[2J": 1}', encoding="utf-8")
    for file, words in ((broken, "is not a usable GGUF model file"), (own_model, "is not a valid manifest")):
        done = run("models", "import", str(file))
        assert done.returncode == 2
        assert words in done.stderr
        assert done.stderr.removesuffix("\n").isprintable()


def test_a_file_that_its_manifest_does_not_describe_is_refused_with_1(own_model: Path) -> None:
    describe(own_model, sha256="0" * 64)
    for command in (["ask", "--model", str(own_model), QUESTION], ["models", "import", str(own_model)]):
        done = run(*command)
        assert done.returncode == 1
        assert "is not the file its manifest describes" in done.stderr
    assert json.loads(run("models", "list", "--json").stdout) == {"models": []}


def test_a_model_that_was_imported_and_chosen_answers(own_model: Path, home: Paths) -> None:
    describe(own_model)
    assert run("models", "import", str(own_model)).returncode == 0
    own_model.unlink()
    assert run("models", "use", "named").returncode == 1
    run("models", "pin", "set", stdin=PIN)
    run("models", "policy", "--unsigned", "allow", stdin=PIN)
    assert run("models", "approve", "named", "--reason", "tried", stdin=PIN).returncode == 0
    assert run("models", "use", "named").returncode == 0
    (listed,) = json.loads(run("models", "list", "--json").stdout)["models"]
    assert (listed["name"], listed["chosen"]) == ("named", True)
    answer = json.loads(run("ask", "--json", "--max-tokens", "3", QUESTION).stdout)
    assert answer["model"] == "named"
    Path(listed["path"]).chmod(0o644)
    Path(listed["path"]).write_bytes(b"GGUF" + bytes(50))
    assert run("ask", QUESTION).returncode == 1


def test_a_file_that_is_no_model_never_enters_the_library(tmp_path: Path, home: Paths) -> None:
    (tmp_path / "junk.gguf").write_bytes(os.urandom(5000))
    assert run("models", "import", str(tmp_path / "junk.gguf")).returncode == 2
    assert not home.models.exists() or list(home.models.iterdir()) == []


def test_interrupting_keeps_what_was_printed_and_exits_with_130(slower_model: Path, home: Paths) -> None:
    command = [INRO, "ask", "--model", str(slower_model), "--max-tokens", "3000", QUESTION]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as application:
        assert application.stdout
        assert application.stderr
        printed = application.stdout.read(5)
        (worker,) = psutil.Process(application.pid).children()
        application.send_signal(signal.SIGINT)
        rest, errors = application.communicate(timeout=60)
    assert application.returncode == 130
    assert b"Traceback" not in errors
    wait_for_end(worker)
    with sqlite3.connect(home.history) as database:
        text, state = database.execute("SELECT text, state FROM message WHERE role = 'assistant'").fetchone()
    assert state == "stopped"
    assert text.startswith((printed + rest).decode().rstrip("\n"))


def test_without_a_display_the_terminal_says_so_and_answers(tiny_model: Path) -> None:
    environment = dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"), "")
    done = run("--model", str(tiny_model), environment=environment)
    assert done.returncode == 0
    assert "There is no display" in done.stdout
    assert "> アナフィラキシーの第一選択薬は何ですか？" in done.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_the_window_closes_in_good_order_when_it_is_asked_to_end(
    tiny_model: Path, home: Paths, number: signal.Signals, code: int
) -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    command = [INRO, "--model", str(tiny_model)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as window:
        assert window.stderr
        process = psutil.Process(window.pid)
        # The worker starts once the window is shown.
        while not (children := process.children()):
            assert window.poll() is None
        window.send_signal(number)
        errors = window.stderr.read().decode()
    assert window.returncode == code
    assert "Traceback" not in errors
    for child in children:
        child.wait(10)


def test_no_clinical_text_leaves_the_history(slower_model: Path, home: Paths) -> None:
    command = [INRO, "ask", "--model", str(slower_model), "--max-tokens", "200"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as application:
        assert application.stdin
        assert application.stdout
        assert application.stderr
        application.stdin.write(QUESTION.encode())
        application.stdin.close()
        application.stdout.read(1)
        processes = [psutil.Process(application.pid), *psutil.Process(application.pid).children()]
        arguments = " ".join(" ".join(process.cmdline()) for process in processes)
        application.stdout.read()
        errors = application.stderr.read().decode()
    assert len(processes) == 2
    assert "秘密" not in arguments + errors
    files = [path for folder in (home.data, home.state) for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files if "秘密".encode() in path.read_bytes()} <= {
        "history.sqlite3",
        "history.sqlite3-wal",
    }
    assert not any("秘密" in path.name for path in files)


def test_doctor_says_what_the_machine_offers(home: Paths) -> None:
    facts = json.loads(run("doctor", "--json").stdout)
    assert facts["physical_cores"] >= 1
    assert facts["self_test"].startswith("The self-test passed")
    assert facts["data"] == str(home.data)
