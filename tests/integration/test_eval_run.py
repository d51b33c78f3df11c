"""`inro-eval run` on a benchmark, with the real worker and a real tiny file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.engine.protocol import Conversation, TokenSequence
from app.core.engine.tool_client import ToolClient
from app.core.paths import Paths
from evaluation.cli import main
from evaluation.readings import letter_probabilities
from evaluation.runs.backend import Decoding, Prompt, Question, Refused, Scored, Written
from evaluation.runs.engine_backend import EngineBackend
from evaluation.runs.records import Record, RunEngine, RunModel
from evaluation.runs.store import ITEMS, RESULT, read_run
from tests.tiny_models import VOCABULARY, tiny_gguf

pytestmark = pytest.mark.usefixtures("home")

COUNT = 40
ORGANS = ("heart", "lung", "liver", "kidney", "spleen", "brain")


def question(number: int, **facts: Any) -> dict[str, Any]:
    several = number % 5 == 0
    known = {
        "problem_id": f"q{number}",
        "problem_text": f"Case {number}: which organ is meant by {ORGANS[number % 6]} {'and more ' * (number % 7)}?",
        "choices": [f"{ORGANS[(number + place) % 6]} {place}" for place in range(4 if number % 9 == 0 else 5)],
        "answer": ["a", "c"] if several else ["abcd"[number % 4]],
        "category": "organs" if number % 2 else "systems",
    }
    return known | facts


def write_questions(path: Path, questions: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in questions), encoding="utf-8")
    return path


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "questions.jsonl", [question(number) for number in range(COUNT)])


def arguments(model: Path, data: Path, out: Path, *more: str) -> list[str]:
    known = ["run", "--model", str(model), "--task", "jsonl", "--data", str(data), "--lang", "en", "-o", str(out)]
    return [*known, "--threads", "1", *more]


def records(out: Path) -> dict[str, Record]:
    return {record.item.id: record for record in read_run(out).records}


# --- what a run says --------------------------------------------------------------------------------------------------


def test_letter_records_the_probability_of_each_letter_after_the_prompt(
    tiny_model: Path, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main([*arguments(tiny_model, questions, out, "--json")]) == 0
    result = json.loads(capsys.readouterr().out)
    found = records(out)
    assert len(found) == COUNT
    correct = sum(record.correct for record in found.values())
    assert (result["score"]["n"], result["score"]["correct"]) == (COUNT, correct)
    assert json.loads((out / RESULT).read_bytes()) == result
    with ToolClient() as engine:
        engine.load(tiny_model, threads=1)
        for number in (3, 9, 25):
            record = found[f"q{number}"]
            expected = _letters_alone(engine, record, tmp_path)
            np.testing.assert_allclose(record.trials[0].logprobs, expected, atol=0.05)
            ranked = sorted(np.argsort(expected)[::-1][: len(record.item.answers)])
            assert record.chosen == tuple(ranked)


def _letters_alone(engine: ToolClient, record: Record, folder: Path) -> list[float]:
    """From the logits after the prompt as the window would send it."""
    from evaluation.runs.wording import Wording, templates

    wording = Wording(templates("letter", "en", None, None, False), "letter", chat=True)
    (encoded,) = engine.encode([Conversation(messages=wording.prompt(record.item).messages)])
    path = folder / "logits.f32"
    engine.logits(encoded.prompt, path, len(encoded.prompt) - 1)
    logits = np.fromfile(path, np.float32).astype(np.float64)
    logprobs = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
    return [float(logprobs[ord(letter)]) for letter in "abcde"[: len(record.item.options)]]


@pytest.mark.parametrize("how", ["option", "generate", "paper", "paper-fixed"])
def test_every_other_way_asks_every_question(tiny_model: Path, questions: Path, tmp_path: Path, how: str) -> None:
    out = tmp_path / "run"
    more = ["--max-tokens", "24"] if how == "generate" else ["--limit", "6"]
    assert main(arguments(tiny_model, questions, out, "--how", how, *more)) == 0
    run = read_run(out)
    assert run.complete
    trials = [trial for record in run.records for trial in record.trials]
    assert len(trials) == len(run.records)
    if how == "option":
        assert all(len(trial.logprobs) == len(trial.order) and min(trial.tokens) > 1 for trial in trials)
    else:
        assert all(trial.text for trial in trials)


def test_a_grammar_leaves_letters_only(tiny_model: Path, questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(arguments(tiny_model, questions, out, "--how", "generate", "--grammar", "--limit", "12")) == 0
    for record in read_run(out).records:
        text = record.trials[0].text or ""
        assert set(text) <= set("abcde,")
        assert record.chosen == tuple("abcde".index(letter) for letter in text.split(","))


def test_samples_are_drawn_and_the_most_frequent_choice_counts(
    tiny_model: Path, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    more = ("--how", "generate", "--max-tokens", "60", "--samples", "5", "--seed", "7", "--limit", "8")
    assert main(arguments(tiny_model, questions, out, *more)) == 0
    found = read_run(out).records
    for record in found:
        choices = [trial.chosen for trial in record.trials]
        assert len(choices) == 5
        assert len({trial.text for trial in record.trials}) == 5
        readable = [choice for choice in choices if choice is not None]
        assert record.status == ("answered" if readable else "unreadable")
        assert readable.count(record.chosen or ()) == max(map(readable.count, readable), default=0)
    assert any(record.status == "answered" for record in found)


def test_permutations_average_over_the_orders_in_which_options_are_shown(
    tiny_model: Path, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    more = ("--permutations", "5", "--shuffle", "--seed", "3", "--limit", "10", "--json")
    assert main(arguments(tiny_model, questions, out, *more)) == 0
    result = json.loads(capsys.readouterr().out)
    flipped = 0
    for record in read_run(out).records:
        count = len(record.item.options)
        assert len({trial.order for trial in record.trials}) == count
        # Each option stands once at each letter.
        columns = zip(*(trial.order for trial in record.trials), strict=True)
        assert all(sorted(column) == list(range(count)) for column in columns)
        rows = [np.exp(trial.logprobs) / np.exp(trial.logprobs).sum() for trial in record.trials]
        mean = np.mean(rows, axis=0)
        np.testing.assert_allclose(letter_probabilities(record.trials), mean)
        assert record.chosen == tuple(sorted(np.argsort(-mean)[: len(record.item.answers)]))
        flipped += len({trial.chosen for trial in record.trials}) > 1
    assert flipped > 0
    assert result["stability"]["flip_rate"] == pytest.approx(flipped / 10)


def test_examples_are_shown_answered_and_not_asked(tiny_model: Path, questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(arguments(tiny_model, questions, out, "--shots", "3", "--seed", "1")) == 0
    run = read_run(out)
    assert len(run.identity.settings.shots) == 3
    assert not {record.item.id for record in run.records} & set(run.identity.settings.shots)
    assert len(run.records) == COUNT - 3
    without = read_run_of(tiny_model, questions, tmp_path / "zero")
    assert min(r.prompt_tokens or 0 for r in run.records) > 2 * max(r.prompt_tokens or 0 for r in without)


def read_run_of(model: Path, data: Path, out: Path, *more: str) -> tuple[Record, ...]:
    assert main(arguments(model, data, out, *more)) == 0
    return read_run(out).records


# --- killed and resumed -----------------------------------------------------------------------------------------------


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from evaluation.cli import main; sys.exit(main(sys.argv[1:]))", *words]


@pytest.mark.parametrize(
    "more",
    [
        ("--how", "letter", "--permutations", "2", "--shots", "1", "--limit", "24"),
        ("--how", "generate", "--samples", "2", "--max-tokens", "24", "--limit", "24"),
    ],
    ids=["letter", "generate"],
)
def test_killed_at_any_moment_and_resumed_a_run_ends_the_same_byte_for_byte(
    slower_model: Path, questions: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert main(arguments(slower_model, questions, whole, *more)) == 0
    size = (whole / ITEMS).stat().st_size
    for share in (0.0, 0.3, 0.7):
        resume = ("--resume",) if cut.exists() else ()
        with subprocess.Popen(
            command(*arguments(slower_model, questions, cut, *more, *resume)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            _wait_until(process, lambda: _size(cut / ITEMS) > share * size)  # noqa: B023 - called here and now
            process.send_signal(signal.SIGKILL)
    # Half a line, as a power cut leaves it.
    data = (cut / ITEMS).read_bytes()
    (cut / ITEMS).write_bytes(data[:-7])
    assert main(arguments(slower_model, questions, cut, *more, "--resume")) == 0
    assert (cut / ITEMS).read_bytes() == (whole / ITEMS).read_bytes()
    assert (cut / RESULT).read_bytes() == (whole / RESULT).read_bytes()


def _wait_until(process: subprocess.Popen[Any], true: Callable[[], bool]) -> None:
    """Until it is so, or the process has ended."""
    while process.poll() is None and not true():
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.005)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_a_run_is_never_written_over(
    tiny_model: Path, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    read_run_of(tiny_model, questions, out, "--limit", "5")
    before = (out / ITEMS).read_bytes()
    assert main(arguments(tiny_model, questions, out, "--limit", "5")) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(arguments(tiny_model, questions, out, "--limit", "5", "--seed", "9", "--resume")) == 2
    assert "another run" in capsys.readouterr().err
    assert (out / ITEMS).read_bytes() == before


def test_two_processes_are_never_at_one_run(slower_model: Path, questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with subprocess.Popen(command(*arguments(slower_model, questions, out)), stderr=subprocess.DEVNULL) as first:
        _wait_until(first, (out / ITEMS).exists)
        os.kill(first.pid, signal.SIGSTOP)
        try:
            again = command(*arguments(slower_model, questions, out, "--resume"))
            second = subprocess.run(again, capture_output=True, text=True, check=False)
        finally:
            os.kill(first.pid, signal.SIGCONT)
        assert second.returncode == 2
        assert "Another inro-eval is running" in second.stderr
        assert first.wait() == 0
    assert read_run(out).complete


def test_ctrl_c_keeps_what_was_answered_and_says_how_to_go_on(
    slower_model: Path, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with subprocess.Popen(
        command(*arguments(slower_model, questions, out)), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        _wait_until(process, lambda: _size(out / ITEMS) >= 3000)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130
    assert "--resume" in told
    assert 0 < len(read_run(out).records) < COUNT


# --- bad input --------------------------------------------------------------------------------------------------------


def test_a_question_longer_than_the_context_is_counted_and_not_cut(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = question(7, problem_text="pain " * 300)
    data = write_questions(tmp_path / "long.jsonl", [question(1), long, question(2)])
    out = tmp_path / "run"
    assert main(arguments(tiny_model, data, out, "--context", "1024", "--json")) == 0
    result = json.loads(capsys.readouterr().out)
    assert records(out)["q7"].status == "too_long"
    assert "1,024" in records(out)["q7"].reason
    assert result["score"]["too_long"] == ["q7"]
    assert result["score"]["n"] == 3


def test_a_file_without_a_chat_template_is_asked_plainly_only_if_one_says_so(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_gguf(tmp_path / "bare.gguf", template=None)
    assert main(arguments(model, questions, tmp_path / "run")) == 2
    assert "--plain" in capsys.readouterr().err
    assert not (tmp_path / "run" / ITEMS).exists()
    assert main(arguments(model, questions, tmp_path / "run", "--plain", "--limit", "4")) == 0


def test_logits_that_are_no_numbers_fail_each_question_and_the_run_ends(questions: Path, tmp_path: Path) -> None:
    model = tiny_gguf(tmp_path / "broken.gguf", broken=True)
    found = read_run_of(model, questions, tmp_path / "run", "--limit", "6")
    assert [record.status for record in found] == ["failed"] * 6
    assert "not numbers" in found[0].reason


@pytest.mark.parametrize("how", ["letter", "generate"])
def test_a_question_the_engine_dies_of_is_asked_twice_and_the_run_goes_on(
    tiny_model: Path, tmp_path: Path, how: str
) -> None:
    worker = [sys.executable, "-P", "-c", f"import sys, runpy; sys.path.insert(0, {str(Path.cwd())!r}); "]
    worker[-1] += "runpy.run_module('tests.integration.dying_worker', run_name='__main__')"
    prompts = [Prompt(text=f"{'POISON' if number == 2 else 'water'} {number} a or b? ") for number in range(5)]
    with ToolClient(worker) as engine:
        info = engine.load(tiny_model, threads=1)
        backend = EngineBackend(engine, info, RunModel(file="tiny", sha256=""), RunEngine())
        if how == "letter":
            outcomes: Sequence[object] = backend.score([Question(prompt, ("a", "b")) for prompt in prompts])
        else:
            outcomes = backend.write(prompts, Decoding(max_tokens=5))
    assert [type(outcome) for outcome in outcomes] == [
        Refused if number == 2 else (Scored if how == "letter" else Written) for number in range(5)
    ]
    refused = outcomes[2]
    assert isinstance(refused, Refused)
    assert refused.status == "failed"
    assert "SIGKILL" in refused.reason


def test_a_letter_that_the_tokenizer_merges_with_what_precedes_it_has_its_own_probability(tmp_path: Path) -> None:
    model = tiny_gguf(tmp_path / "merging.gguf", merges=("=a",), seed=4)
    prompt = Prompt(text="Which is right? Answer=")
    with ToolClient() as engine:
        info = engine.load(model, threads=1)
        (encoded,) = engine.encode([Conversation(prompt=prompt.text, answers=("a", "b"))])
        assert encoded.answers[0][-1] == VOCABULARY  # "=a" is one token
        assert len(encoded.answers[1]) == len(encoded.answers[0]) + 1
        backend = EngineBackend(engine, info, RunModel(file="merging", sha256=""), RunEngine())
        (scored,) = backend.score([Question(prompt, ("a", "b"))])
        before = len(encoded.prompt) - 1  # where "=" alone and "=a" part
        alone = engine.score([TokenSequence(tokens, before) for tokens in encoded.answers])
    assert isinstance(scored, Scored)
    assert [answer.tokens for answer in scored.answers] == [1, 2]
    for answer, continuation in zip(scored.answers, alone, strict=True):
        assert continuation is not None
        assert answer.logprob == pytest.approx(sum(continuation.logprobs), abs=0.05)


def test_asked_one_by_one_the_probabilities_are_the_same(tiny_model: Path) -> None:
    asked = [Question(Prompt(text=f"{organ} failure, a or b? "), ("a", "b")) for organ in ORGANS]
    with ToolClient() as engine:
        info = engine.load(tiny_model, threads=1)
        backend = EngineBackend(engine, info, RunModel(file="tiny", sha256=""), RunEngine())
        backend.share([one.prompt for one in asked])
        assert backend.largest_difference(asked) < 0.05
        together = backend.score(asked)
        backend.together = False
        for one, other in zip(together, backend.score(asked), strict=True):
            assert isinstance(one, Scored)
            assert isinstance(other, Scored)
            for left, right in zip(one.answers, other.answers, strict=True):
                assert left.logprob == pytest.approx(right.logprob, abs=0.05)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--task", "nonsense"), "nonsense"),
        (("--data", "/nowhere"), "/nowhere"),
        (("--model", "/nowhere.gguf"), "/nowhere.gguf"),
        (("--how", "letter", "--samples", "3"), "--samples"),
        (("--how", "paper", "--shots", "2"), "--shots"),
        (("--template", "nonsense"), "nonsense"),
        (("--shots", "39"), "39"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tiny_model: Path,
    questions: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    told: str,
) -> None:
    assert main([*arguments(tiny_model, questions, tmp_path / "run"), *more]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert told in last
    assert not (tmp_path / "run" / ITEMS).exists()


def test_no_process_of_a_run_outlives_it(home: Paths, tiny_model: Path, questions: Path, tmp_path: Path) -> None:
    import psutil

    read_run_of(tiny_model, questions, tmp_path / "run", "--limit", "3")
    assert psutil.Process().children(recursive=True) == []
