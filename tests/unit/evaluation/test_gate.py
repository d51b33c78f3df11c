"""May this file ship? Real run folders, a real model file, its manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.core.files import sha256_file
from app.core.models.manifest import Manifest, Part, find_manifest, manifest_path, read_manifest, write_manifest
from evaluation.cli import main
from evaluation.comparison import Paired
from evaluation.gating.conditions import loss_at_most
from evaluation.gating.thresholds import read_thresholds
from evaluation.measured_model import MeasuredModel
from evaluation.runs.records import Record, RunModel
from evaluation.runs.store import ITEMS
from evaluation.speed import SpeedAt, SpeedMachine, SpeedReport, Spread
from tests.tiny_models import tiny_gguf
from tests.unit.evaluation.run_folders import MODEL, item, settings, text_record, write_run

BASE = RunModel(file="base.gguf", sha256="b" * 64)
EXAMPLE = Path(__file__).parents[3] / "docs" / "thresholds.example.toml"


def records(right: Sequence[int], n: int = 200, kinki: int = 0, chosen: int = 0) -> list[Record]:
    """Right where the number is among `right`; the first `kinki` have a prohibited option, and `chosen` chose it."""
    made = []
    for number in range(n):
        one = item(number, prohibited=(4,) if number < kinki else ())
        wrong = (4,) if number < chosen else (1,)
        choice = (0,) if number in right else wrong
        made.append(text_record(one, "…", choice))
    return made


def thresholds(folder: Path, text: str) -> Path:
    path = folder / "thresholds.toml"
    path.write_text(text, encoding="utf-8")
    return path


def asked(more: str = "") -> str:
    return f'[[run]]\ntask = "igakuqa"\nlanguage = "ja"\n{more}\n'


class Gate:
    """The command, on runs in a folder of their own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.run = write_run(folder / "run", records(range(150)))

    def __call__(self, text: str, *words: str | Path, runs: Sequence[Path] | None = None) -> tuple[int, Any, str]:
        """Exit code, what it printed as JSON, and what it told on stderr."""
        wanted = thresholds(self.folder, text)
        given = list(runs if runs is not None else [self.run])
        code = main(["gate", *map(str, given), "--thresholds", str(wanted), *map(str, words), "--json"])
        printed, told = self._capsys.readouterr()
        return code, json.loads(printed) if printed else None, told

    def baseline(self, made: Sequence[Record], **facts: Any) -> Path:
        return write_run(self.folder / "baseline", made, **({"model": BASE} | facts))


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    return Gate(tmp_path, capsys)


def failed(verdict: Any) -> list[str]:
    return [one["name"] for one in verdict["conditions"] if not one["passed"]]


def reasons(verdict: Any) -> str:
    return "\n".join(f"{one['name']} | {one['reason']}" for one in verdict["conditions"])


# --- accuracy, kinki, counts ------------------------------------------------------------------------------------------


def test_a_file_that_shows_what_is_asked_may_ship(gate: Gate) -> None:
    code, verdict, told = gate(asked("accuracy = 0.75\ninterval_low = 0.68\nquestions = 200\nfailed = 0"))
    assert (code, told, verdict["passed"]) == (0, "", True)
    assert len(verdict["conditions"]) == 5
    assert "150 of 200 right, 75.0 % [68.6 %, 80.5 %]." in reasons(verdict)
    assert verdict["manifest"] is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("accuracy = 0.76", "igakuqa ja letter: accuracy at least 76.0 %"),
        ("interval_low = 0.69", "igakuqa ja letter: lower end of the 95 % interval at least 69.0 %"),
        ("questions = 201", "igakuqa ja letter: at least 201 questions"),
        ('how = "generate"', "igakuqa ja generate: scored"),
        ("baseline = true", "igakuqa ja letter: compared with a baseline"),
        ("largest_loss = 2", "igakuqa ja letter: compared with a baseline"),
        ("kinki_rate = 1", "igakuqa ja letter: rate of prohibited options at most 100.0 %"),
    ],
)
def test_what_is_not_reached_or_not_shown_is_refused(gate: Gate, text: str, name: str) -> None:
    code, verdict, told = gate(asked(text))
    assert (code, failed(verdict), verdict["passed"]) == (1, [name], False)
    assert told == f"error: The file may not ship: {name}.\n"


def test_a_task_or_language_without_a_run_is_refused(gate: Gate) -> None:
    text = asked() + '[[run]]\ntask = "igakuqa"\nlanguage = "en"\n[[run]]\ntask = "medqa"\nlanguage = "ja"\n'
    code, verdict, _ = gate(text)
    assert (code, failed(verdict)) == (1, ["igakuqa en: scored", "medqa ja: scored"])
    assert "Not shown: no run of it was given." in reasons(verdict)


def test_every_given_run_of_a_task_counts_not_the_best_one(gate: Gate) -> None:
    worse = write_run(gate.folder / "worse", records(range(90)), settings=settings(shots=("x",)))
    code, verdict, _ = gate(asked("accuracy = 0.5"), runs=[gate.run, worse])
    assert (code, failed(verdict)) == (1, ["igakuqa ja letter (worse): accuracy at least 50.0 %"])


@pytest.mark.parametrize(
    ("chosen", "wanted", "passed"),
    [
        (2, "kinki_rate = 0.05", True),
        (3, "kinki_rate = 0.05", False),
        (2, "kinki_interval_high = 0.17", True),
        (2, "kinki_interval_high = 0.16", False),
    ],
)
def test_prohibited_options(gate: Gate, chosen: int, wanted: str, passed: bool) -> None:
    run = write_run(gate.folder / "kinki", records(range(100, 200), kinki=40, chosen=chosen))
    code, verdict, _ = gate(asked(wanted), runs=[run])
    assert code == (0 if passed else 1)
    assert f"One was chosen in {chosen} of 40 questions that have one" in reasons(verdict)


def test_questions_without_an_answer_are_counted(gate: Gate) -> None:
    made = records(range(150))
    lost = {"chosen": None, "correct": False, "trials": ()}
    made[190] = msgspec.structs.replace(made[190], status="failed", reason="The engine ended.", **lost)
    made[191] = msgspec.structs.replace(made[191], status="too_long", reason="It takes 9,000 tokens.", **lost)
    made[192] = text_record(made[192].item, "?", None)
    run = write_run(gate.folder / "lost", made)
    assert gate(asked("failed = 1\ntoo_long = 1\nunreadable = 1"), runs=[run])[0] == 0
    code, verdict, _ = gate(asked("failed = 0\ntoo_long = 0\nunreadable = 0"), runs=[run])
    assert code == 1
    names = [f"igakuqa ja letter: at most 0 questions {what}" for what in ("failed", "too long", "unreadable")]
    assert failed(verdict) == names
    assert "1 of 200 questions are: 112A190." in reasons(verdict)


def test_an_unfinished_run_is_refused(gate: Gate) -> None:
    run = write_run(gate.folder / "half", records(range(150)), items=201)
    code, verdict, _ = gate(asked("accuracy = 0.1"), runs=[run])
    assert (code, failed(verdict)) == (1, ["igakuqa ja letter: run complete"])
    assert "Only 200 of 201 questions are recorded: finish the run." in reasons(verdict)


def test_a_run_without_any_answer_is_refused(gate: Gate) -> None:
    lines = (gate.run / ITEMS).read_bytes().splitlines(keepends=True)
    (gate.run / ITEMS).write_bytes(lines[0])
    code, verdict, _ = gate(asked("accuracy = 0"))
    assert (code, failed(verdict)) == (1, ["igakuqa ja letter: run complete", "igakuqa ja letter: scored"])


# --- the baseline -----------------------------------------------------------------------------------------------------


def test_significantly_worse_than_the_baseline_is_refused(gate: Gate) -> None:
    """Whether the thresholds say so or not."""
    baseline = gate.baseline(records(range(165)))
    code, verdict, _ = gate(asked(), "--baseline", baseline)
    assert (code, failed(verdict)) == (1, ["igakuqa ja letter: not significantly worse than the baseline"])
    assert "The baseline better, p < 0.001, -7.5 points [-11." in reasons(verdict)
    assert verdict["runs"][0]["baseline_model_sha256"] == "b" * 64
    assert verdict["runs"][0]["baseline_items_sha256"] == sha256_file(baseline / ITEMS)


def test_better_than_the_baseline_may_ship(gate: Gate) -> None:
    code, verdict, _ = gate(asked("baseline = true"), "--baseline", gate.baseline(records(range(135))))
    assert (code, verdict["passed"]) == (0, True)
    assert "The file better, p < 0.001, 7.5 points" in reasons(verdict)


def test_a_loss_that_could_not_have_been_seen_is_refused_where_it_matters(gate: Gate) -> None:
    """Three questions lost of 200: no test calls that a loss, and none could rule out two points."""
    baseline = gate.baseline(records(range(153)))
    assert gate(asked(), "--baseline", baseline)[0] == 0
    code, verdict, _ = gate(asked("largest_loss = 2"), "--baseline", baseline)
    assert (code, failed(verdict)) == (1, ["igakuqa ja letter: loss against the baseline below 2 points"])
    assert "could not have been relied on to see a loss of 2 points" in reasons(verdict)
    assert gate(asked("largest_loss = 6"), "--baseline", baseline)[0] == 0


def test_few_questions_without_a_difference_prove_nothing(gate: Gate) -> None:
    run = write_run(gate.folder / "few", records(range(4), n=5))
    code, verdict, _ = gate(asked("largest_loss = 10"), "--baseline", gate.baseline(records(range(4), n=5)), runs=[run])
    assert code == 1
    assert "The loss is at most 39.4 points (95 %), over 5 questions" in reasons(verdict)


@pytest.mark.parametrize(("a", "b", "only_a", "only_b", "upper"), [(48, 38, 12, 2, -0.0569), (38, 48, 2, 12, 0.3404)])
def test_the_interval_of_a_loss_is_newcombes(a: int, b: int, only_a: int, only_b: int, upper: float) -> None:
    """His worked example: 36 pairs both right, 12 and 2 one alone, difference 0.2 [0.0569, 0.3404]."""
    result = Paired(n=50, a=a, b=b, only_a=only_a, only_b=only_b, interval=None, p=1.0)
    assert loss_at_most(result) == pytest.approx(max(upper, 0.0), abs=5e-5)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"data_sha256": "e" * 64}, "differs in questions, sha256: dddddddddddd, baseline eeeeeeeeeeee"),
        ({"settings": settings(shots=("x",))}, "differs in examples shown before: none, baseline 1: x"),
        ({"settings": settings(template="other", template_sha256="u" * 64)}, "differs in template: plain"),
        ({"settings": settings(chat=False)}, "differs in model's chat template: yes, baseline no"),
        ({"settings": settings(how="option")}, "is a run of igakuqa ja option, of which no run is given"),
        ({"task": "medqa"}, "is a run of medqa ja letter, of which no run is given"),
        ({"language": "en"}, "is a run of igakuqa en letter, of which no run is given"),
    ],
)
def test_a_baseline_that_was_asked_otherwise_is_none(gate: Gate, facts: dict[str, Any], words: str) -> None:
    code, printed, told = gate(asked(), "--baseline", gate.baseline(records(range(150)), **facts))
    assert (code, printed) == (2, None)
    assert words in told


def test_the_same_file_may_be_its_baseline_and_the_same_run_not(gate: Gate) -> None:
    assert gate(asked(), "--baseline", gate.baseline(records(range(150)), model=MODEL))[0] == 0
    code, _, told = gate(asked(), "--baseline", gate.run)
    assert (code, "is given as a run and as its own baseline" in told) == (2, True)


def test_an_unfinished_baseline_is_refused(gate: Gate) -> None:
    baseline = gate.baseline(records(range(150)), items=300)
    full = write_run(gate.folder / "full", records(range(200), n=300))
    code, verdict, _ = gate(asked(), "--baseline", baseline, runs=[full])
    assert (code, failed(verdict)) == (1, ["igakuqa ja letter, baseline: run complete"])


# --- what belongs together --------------------------------------------------------------------------------------------


def test_runs_of_two_files_are_not_gated_together(gate: Gate) -> None:
    other = write_run(gate.folder / "other", records(range(150)), model=BASE)
    code, _, told = gate(asked(), runs=[gate.run, other])
    assert (code, "is a run of another model file than" in told) == (2, True)


def test_a_run_on_a_server_says_nothing_of_a_file(gate: Gate) -> None:
    run = write_run(gate.folder / "server", records(range(150)), model=RunModel(file="org/model", sha256=""))
    code, _, told = gate(asked(), runs=[run])
    assert (code, "which file answered there is not known" in told) == (2, True)


def test_a_run_given_twice(gate: Gate) -> None:
    code, _, told = gate(asked(), runs=[gate.run, gate.folder / "." / "run"])
    assert (code, told) == (2, "error: A run is given twice.\n")


# --- the file of thresholds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (asked("interval_lo = 0.5"), "run, entry 1: interval_lo is not known; did you mean interval_low."),
        (asked() + asked("kinki = 0.5"), "run, entry 2: kinki is not known; did you mean kinki_rate."),
        (asked() + "[sped]\n", "sped is not known; did you mean speed."),
        (asked() + "[speed]\ntokens_per_second = 5\n", "speed: tokens_per_second is not known; did you mean"),
        (asked("zzz = 1"), "zzz is not known; there are task, language, how, questions,"),
        (asked("accuracy = 55"), "Expected `float` <= 1.0 - at `$.run[0].accuracy`; shares are from 0 to 1."),
        (asked("accuracy = nan"), "accuracy"),
        (asked("failed = -1"), "Expected `int` >= 0 - at `$.run[0].failed`"),
        (asked("largest_loss = 0"), "largest_loss"),
        ('[[run]]\ntask = "igakuqa"\n', "missing required field `language`"),
        (asked('how = "guess"'), "Invalid enum value 'guess'"),
        ("run = 5\n", "Expected `array`, got `int`"),
        ("[[run]\n", "is no TOML file"),
        ('format = "inro-gate-thresholds/9"\n' + asked(), "inro-gate-thresholds/9"),
        ("chat_template = true\n", "asks for no run"),
        (asked() + "[speed]\nprompt_tokens = 512\n", "[speed] needs prompt_per_second"),
    ],
)
def test_wrong_thresholds_are_one_sentence_and_2(gate: Gate, text: str, words: str) -> None:
    code, printed, told = gate(text)
    assert (code, printed) == (2, None)
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert words in told


def test_the_example_in_the_documentation_shows_every_key() -> None:
    example = read_thresholds(EXAMPLE).thresholds
    assert example.chat_template
    for shown in (example.run[0], example.speed):
        assert shown is not None
        assert [name for name, value in msgspec.structs.asdict(shown).items() if value is None or value is False] == []


# --- speed ------------------------------------------------------------------------------------------------------------


def spread(value: float) -> Spread:
    return Spread(median=value, low=value - 1, high=value + 1, repeats=3)


def speed_report(path: Path, sha256: str = MODEL.sha256, parts: tuple[str, ...] = ()) -> Path:
    report = SpeedReport(
        model=MeasuredModel(
            file="model.gguf", sha256=sha256, part_sha256s=parts, description="", file_bytes=1, parameters=1
        ),
        machine=SpeedMachine(
            processor="Test CPU",
            cores=4,
            threads=4,
            gpu_layers=0,
            repacked=True,
            llama_cpp_commit="0c1e570",
            llama_cpp_python="0.3.36",
        ),
        resident_bytes=1,
        contexts=tuple(
            SpeedAt(
                prompt_tokens=tokens,
                new_tokens=32,
                prompt_per_second=spread(100),
                decode_per_second=spread(rate),
                first_token_s=spread(tokens / 100),
            )
            for tokens, rate in ((128, 10.0), (2048, 6.0))
        ),
    )
    path.write_bytes(msgspec.json.encode(report))
    return path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("decode_per_second = 6\nprompt_per_second = 100", []),
        ("decode_per_second = 7", ["speed at 2,048 prompt tokens: at least 7 tokens written a second"]),
        ("decode_per_second = 7\nprompt_tokens = 128", []),
        (
            "prompt_per_second = 101\nprompt_tokens = 128",
            ["speed at 128 prompt tokens: at least 101 tokens read a second"],
        ),
        ("first_token_s = 5", ["speed at 2,048 prompt tokens: first token within 5 s"]),
        ("decode_per_second = 1\nprompt_tokens = 512", ["speed"]),
    ],
)
def test_speed(gate: Gate, text: str, names: list[str]) -> None:
    report = speed_report(gate.folder / "speed.json")
    code, verdict, _ = gate(asked() + f"[speed]\n{text}\n", "--speed", report)
    assert (code, failed(verdict)) == (1 if names else 0, names)
    assert "on Test CPU with 4 threads" in reasons(verdict) or "512 prompt tokens wanted" in reasons(verdict)


def test_speed_that_was_not_measured_is_refused(gate: Gate) -> None:
    code, verdict, _ = gate(asked() + "[speed]\ndecode_per_second = 1\n")
    assert (code, failed(verdict)) == (1, ["speed"])


def test_speed_of_another_file_is_wrong_input(gate: Gate) -> None:
    report = speed_report(gate.folder / "speed.json", sha256="c" * 64)
    code, _, told = gate(asked() + "[speed]\ndecode_per_second = 1\n", "--speed", report)
    assert (code, "was measured with another model file" in told) == (2, True)


# --- the file and its manifest ----------------------------------------------------------------------------------------


def manifest_of(model: Path, parts: Sequence[Path] = ()) -> Manifest:
    return Manifest(
        name="Tiny",
        file=model.name,
        file_bytes=model.stat().st_size,
        sha256=sha256_file(model),
        architecture="qwen2",
        quantization="F32",
        parameters=1,
        context_length=4096,
        licence="apache-2.0",
        languages=("ja", "en"),
        parts=tuple(Part(file=one.name, file_bytes=one.stat().st_size, sha256=sha256_file(one)) for one in parts),
    )


@pytest.fixture
def model(gate: Gate, tiny_model: Path) -> Path:
    """A model file with its manifest, and the gate's run of it."""
    path = gate.folder / "model.gguf"
    shutil.copy(tiny_model, path)
    write_manifest(manifest_path(path), manifest_of(path))
    write_run(gate.run, records(range(150)), model=RunModel(file=path.name, sha256=sha256_file(path)))
    return path


def test_the_verdict_goes_into_the_manifest_of_the_very_file(gate: Gate, model: Path) -> None:
    before = read_manifest(manifest_path(model))
    code, printed, _ = gate("chat_template = true\n" + asked("accuracy = 0.7"), "--model", model)
    after = find_manifest(model)
    assert code == 0
    assert after is not None
    assert after.verdict is not None
    assert msgspec.structs.replace(after, verdict=None) == before
    assert after.verdict.passed
    assert [one.name for one in after.verdict.conditions] == [
        "igakuqa ja letter: run complete",
        "igakuqa ja letter: accuracy at least 70.0 %",
        "chat template",
    ]
    (run,) = after.verdict.runs
    assert (run.task, run.language, run.how) == ("igakuqa", "ja", "letter")
    assert (run.n, run.correct, run.accuracy) == (200, 150, 0.75)
    assert run.interval_95 == pytest.approx((0.6857, 0.8049), abs=1e-4)
    assert run.items_sha256 == sha256_file(gate.run / ITEMS)
    assert run.llama_cpp_commit == "0c1e570"
    assert after.verdict.thresholds_sha256 == sha256_file(gate.folder / "thresholds.toml")
    assert printed["conditions"] == list(msgspec.to_builtins(after.verdict.conditions))
    assert printed["manifest"] == str(manifest_path(model))


def test_a_second_verdict_replaces_the_first(gate: Gate, model: Path) -> None:
    assert gate(asked("accuracy = 0.7"), "--model", model)[0] == 0
    assert gate(asked("accuracy = 0.8"), "--model", model)[0] == 1
    second = read_manifest(manifest_path(model)).verdict
    assert second is not None
    assert not second.passed
    assert gate(asked("accuracy = 0.7"), "--model", model)[0] == 0
    third = read_manifest(manifest_path(model)).verdict
    assert third is not None
    assert third.passed


def test_the_table_for_a_person(gate: Gate, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = thresholds(gate.folder, asked("accuracy = 0.8"))
    assert main(["gate", str(gate.run), "--thresholds", str(wanted), "--model", str(model)]) == 1
    printed, told = capsys.readouterr()
    assert "passed   igakuqa ja letter: run complete\n         All 200 questions are recorded." in printed
    assert "REFUSED  igakuqa ja letter: accuracy at least 80.0 %\n         150 of 200 right, 75.0 %" in printed
    assert "It may not ship: 1 of 2 conditions are not met." in printed
    assert f"The verdict is in {manifest_path(model)}." in printed
    assert told == "error: The file may not ship: igakuqa ja letter: accuracy at least 80.0 %.\n"


def test_a_file_without_a_chat_template_is_refused(gate: Gate, model: Path) -> None:
    tiny_gguf(model, template=None)
    write_manifest(manifest_path(model), manifest_of(model))
    run = write_run(
        gate.folder / "bare", records(range(150)), model=RunModel(file=model.name, sha256=sha256_file(model))
    )
    code, verdict, _ = gate("chat_template = true\n" + asked(), "--model", model, runs=[run])
    assert (code, failed(verdict)) == (1, ["chat template"])
    assert gate("chat_template = true\n" + asked(), runs=[run])[1]["conditions"][-1]["reason"].startswith("Not shown")


def test_another_file_is_refused_and_its_manifest_left_alone(gate: Gate, model: Path) -> None:
    other = write_run(gate.folder / "other", records(range(150)))
    before = manifest_path(model).read_bytes()
    code, printed, told = gate(asked(), "--model", model, runs=[other])
    assert (code, printed) == (1, None)
    assert told == f"error: {model} is not the file that was scored: its SHA-256 is another one.\n"
    assert manifest_path(model).read_bytes() == before


def test_a_file_that_was_changed_is_refused(gate: Gate, model: Path) -> None:
    with model.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    before = manifest_path(model).read_bytes()
    code, _, told = gate(asked(), "--model", model)
    assert (code, "was changed or is incomplete" in told) == (1, True)
    assert manifest_path(model).read_bytes() == before


def test_without_a_manifest_the_way_out_is_named(gate: Gate, model: Path) -> None:
    manifest_path(model).unlink()
    code, _, told = gate(asked(), "--model", model)
    assert code == 2
    assert "has no manifest beside it" in told
    assert "inro-convert manifest" in told


def test_no_file_at_all(gate: Gate) -> None:
    code, _, told = gate(asked(), "--model", gate.folder / "nothing.gguf")
    assert (code, "there is no model file at" in told) == (2, True)


def test_all_parts_of_a_model_are_checked(gate: Gate, model: Path) -> None:
    part = gate.folder / "more.gguf"
    part.write_bytes(b"second part")
    write_manifest(manifest_path(model), manifest_of(model, [part]))
    report = speed_report(gate.folder / "speed.json", sha256_file(model), (sha256_file(part),))
    assert gate(asked(), "--model", model, "--speed", report)[0] == 0
    speed_report(report, sha256_file(model), ("c" * 64,))
    assert gate(asked(), "--model", model, "--speed", report)[0] == 2
    part.write_bytes(b"SECOND part")
    code, _, told = gate(asked(), "--model", model)
    assert (code, "more.gguf is not the file its manifest describes" in told) == (1, True)


def test_a_manifest_of_before_there_were_verdicts_is_read(model: Path) -> None:
    path = manifest_path(model)
    old = json.loads(path.read_bytes())
    del old["verdict"]
    path.write_text(json.dumps(old), encoding="utf-8")
    assert read_manifest(path).verdict is None
