"""The command as a person runs it: a process of its own, a real model file, the real engine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from evaluation.cli import main
from evaluation.demo.facts import DemoTask, read_corpus
from evaluation.demo.runner import results_path
from evaluation.demo.score_card import card_path, read_card

WriteCorpus = Callable[..., Path]

COMMAND = [sys.executable, "-m", "evaluation.cli"]


def arguments(model: Path, corpus: Path, out: Path) -> list[str]:
    """One thread: on a busy machine, two that wait for each other at every layer of a tiny model take minutes."""
    words = ["run", "--model", model, "--task", "demo", "--lang", "en", "--corpus", corpus, "-o", out, "--threads", 1]
    return list(map(str, words))


def run_command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, encoding="utf-8", check=False)


def lines_of(out: Path) -> list[bytes]:
    """The finished lines of results, without the first one."""
    with suppress(FileNotFoundError):
        return results_path(out).read_bytes().split(b"\n")[1:-1]
    return []


def test_a_model_is_scored(tiny_model: Path, write_corpus: WriteCorpus, tmp_path: Path) -> None:
    out = tmp_path / "scores"
    done = run_command(*arguments(tiny_model, write_corpus(), out))
    assert (done.returncode, done.stderr) == (0, "")
    assert "choices_held_out" in done.stdout
    assert str(card_path(out)) in done.stdout
    card = read_card(card_path(out))
    assert [(split.name, split.n) for split in card.splits] == [
        ("trained", 3),
        ("second_wordings", 3),
        ("choices_trained", 2),
        ("choices_held_out", 2),
    ]
    # Random weights know nothing and never end an answer, and the card says so.
    assert [split.right for split in card.splits] == [0, 0, 0, 0]
    assert sum(split.cut_off for split in card.splits) == len(lines_of(out)) == 10


def test_json_is_the_card(
    tiny_model: Path, write_corpus: WriteCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(tiny_model, write_corpus(), tmp_path / "scores"), "--json"]) == 0
    printed, _ = capsys.readouterr()
    assert json.loads(printed) == json.loads(card_path(tmp_path / "scores").read_bytes())


def test_scoring_the_same_file_again_gives_the_same_card(
    tiny_model: Path, write_corpus: WriteCorpus, tmp_path: Path
) -> None:
    corpus = write_corpus()
    for name in ("first", "second"):
        assert main(arguments(tiny_model, corpus, tmp_path / name)) == 0
    for path in (card_path, results_path):
        assert path(tmp_path / "first").read_bytes() == path(tmp_path / "second").read_bytes()


def test_a_requirement_that_is_not_met_ends_with_1(
    tiny_model: Path, write_corpus: WriteCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = arguments(tiny_model, write_corpus(), tmp_path / "scores")
    assert main([*words, "--require", "trained=0"]) == 0
    assert main([*words, "--require", "trained=0.95", "--require", "choices_trained=0", "--resume"]) == 1
    assert "error: trained: 0 of 3 right, but at least 95.0% is required." in capsys.readouterr().err
    assert card_path(tmp_path / "scores").is_file()


@pytest.mark.parametrize(
    "more",
    [
        ["--require", "everything=0.5"],
        ["--corpus", "/nowhere"],
        ["--model", "/nowhere.gguf"],
        ["--model", __file__],
        ["-o", __file__],
    ],
)
def test_wrong_input_is_one_sentence_and_2(
    tiny_model: Path, write_corpus: WriteCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert main([*arguments(tiny_model, write_corpus(), tmp_path / "scores"), *more]) == 2
    printed, told = capsys.readouterr()
    assert printed == ""
    assert told.startswith("error: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["--require", "trained"], ["--require", "trained=95"], ["--threads", "0"], ["--resume", "--fresh"]]
)
def test_wrong_use_is_2(tiny_model: Path, write_corpus: WriteCorpus, tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*arguments(tiny_model, write_corpus(), tmp_path / "scores"), *words])
    assert caught.value.code == 2


@pytest.mark.parametrize("more", [[], ["--lang", "ja"]])
def test_results_are_neither_continued_nor_replaced_unless_told_to(
    tiny_model: Path, write_corpus: WriteCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    words = arguments(tiny_model, write_corpus(), tmp_path / "scores")
    assert main(words) == 0
    before = [path(tmp_path / "scores").read_bytes() for path in (results_path, card_path)]
    assert main([*words, *more]) == 2
    told = capsys.readouterr().err
    assert "--resume" in told
    assert "--fresh" in told
    assert [path(tmp_path / "scores").read_bytes() for path in (results_path, card_path)] == before
    results_path(tmp_path / "scores").unlink()
    assert main([*words, *more]) == 2  # A card alone is a result too.
    assert card_path(tmp_path / "scores").read_bytes() == before[1]


def test_resume_goes_on_with_the_same_run_only(
    tiny_model: Path, write_corpus: WriteCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*arguments(tiny_model, write_corpus(), tmp_path / "scores"), "--resume"]
    assert main(words) == 0  # Nothing was there to go on with.
    before = results_path(tmp_path / "scores").read_bytes()
    assert main(words) == 0
    assert main([*words, "--lang", "ja"]) == 2
    assert "another run (other language)" in capsys.readouterr().err
    assert results_path(tmp_path / "scores").read_bytes() == before


def test_fresh_discards_what_another_run_left(tiny_model: Path, write_corpus: WriteCorpus, tmp_path: Path) -> None:
    words = arguments(tiny_model, write_corpus(), tmp_path / "scores")
    assert main(words) == 0
    assert main([*words, "--lang", "ja", "--fresh"]) == 0
    assert read_card(card_path(tmp_path / "scores")).language == "ja"


@contextmanager
def caught_in_the_act(words: list[str], out: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, running, with at least three answers given and most of them still to come."""
    with subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            while len(lines_of(out)) < 3 and process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.01)
            assert process.poll() is None
            yield process
        finally:
            process.kill()


def interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()


def kill_worker(process: subprocess.Popen[str]) -> None:
    for child in psutil.Process(process.pid).children():
        child.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("stop", "code"), [(interrupt, 130), (kill, -signal.SIGKILL), (kill_worker, 3)])
def test_a_stopped_run_keeps_its_answers_and_goes_on(
    tiny_model: Path,
    write_corpus: WriteCorpus,
    tmp_path: Path,
    stop: Callable[[subprocess.Popen[str]], None],
    code: int,
) -> None:
    out, corpus = tmp_path / "scores", write_corpus(facts=30, choices=0)
    words = arguments(tiny_model, corpus, out)
    with caught_in_the_act(words, out) as process:
        stop(process)
        _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert code < 0 or str(out) in told
    assert "Traceback" not in told
    kept = lines_of(out)
    assert 3 <= len(kept) < 60
    assert not card_path(out).exists()

    assert main([*words, "--resume"]) == 0
    assert lines_of(out)[: len(kept)] == kept
    task = DemoTask(read_corpus(corpus))
    assert [json.loads(line)["question"] for line in lines_of(out)] == [item.question for item in task.items("en")]
    assert card_path(out).is_file()


def test_help_loads_nothing_heavy() -> None:
    heavy = {"PySide6", "jinja2", "llama_cpp", "msgspec", "numpy", "torch", "tqdm", "yaml"}
    script = (
        "import sys, evaluation.cli\n"
        "try: evaluation.cli.main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
    assert "--require" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
