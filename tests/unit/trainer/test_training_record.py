"""What a run leaves behind for those who come after: its record, summary, plot and model card."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from huggingface_hub import ModelCard

from app.core.errors import InputError
from converter.adapters.trained_on import read_training_record
from trainer.config import MpeftConfig
from trainer.model_card import write_card
from trainer.progress import Board, Entry, LossFile
from trainer.records import (
    DataFile,
    Energy,
    Evaluation,
    Loss,
    Resumed,
    RunRecord,
    Validation,
    read_record,
    write_record,
)
from trainer.running.energy import Meter, find_counters
from trainer.running.machine import git_state
from trainer.running.plot import draw, ticks
from trainer.running.summary import summarise

CONFIG = MpeftConfig(
    data=("data/answers|1.jsonl",), base="base", output="out/adapter", learning_rate=1e-4, quantization="nf4"
)
RECORD = RunRecord(
    recipe="mpeft",
    started="2026-11-01T00:00:00+00:00",
    duration_s=7300,
    seed=3,
    configuration=msgspec.json.decode(msgspec.json.encode(CONFIG)),
    data=(DataFile(name="data/answers|1.jsonl", bytes=10, sha256="a" * 64),),
    held_out_questions=5,
    base=(DataFile(name="base/model.safetensors", bytes=20, sha256="b" * 64),),
    counts={"documents": 1234, "steps": 40},
    losses=tuple(Loss(step=step, loss=3 / step, learning_rate=1e-4, gradient_norm=1.0) for step in range(1, 41)),
    validation=(Validation(step=20, loss=0.5), Validation(step=40, loss=0.75)),
    best_step=20,
    evaluation=(
        Evaluation(
            step=40, task="igakuqa", language="ja", n=100, correct=55, accuracy=0.55, interval_95=(0.4524, 0.6438)
        ),
    ),
    resumed=(Resumed(step=10, at="2026-11-01T01:00:00+00:00"),),
    energy=(Energy(of="GPU 0 (NVML)", watt_hours=512.25),),
)


def test_the_converter_reads_the_record(tmp_path: Path) -> None:
    write_record(tmp_path, RECORD)
    assert read_record(tmp_path) == RECORD
    found = read_training_record(tmp_path)
    assert found is not None
    assert (found.base[0].name, found.base[0].bytes, found.base[0].sha256) == ("base/model.safetensors", 20, "b" * 64)
    assert found.configuration["quantization"] == "nf4"
    assert found.configuration["double_quantization"] is True


def test_records_of_earlier_versions_are_read(tmp_path: Path) -> None:
    earlier = {
        "format": "inro-run-record/1",
        "recipe": "mfpt",
        "started": "2026-01-01T00:00:00+00:00",
        "duration_s": 1.5,
        "seed": 0,
        "configuration": {"seed": 0},
        "data": [{"name": "x.jsonl", "bytes": 1, "sha256": "0" * 64}],
        "losses": [{"step": 10, "loss": 2.0, "learning_rate": 0.001}],
        "machine": {"system": "Linux", "machine": "x86_64", "cpus": 2},
    }
    (tmp_path / "run_record.json").write_text(json.dumps(earlier))
    record = read_record(tmp_path)
    assert (record.losses[0].loss, record.validation, record.git) == (2.0, (), None)
    (tmp_path / "run_record.json").write_text(json.dumps({**earlier, "seed": "three"}))
    with pytest.raises(InputError, match=r"is not a run record: .*seed"):
        read_record(tmp_path)


# --- model card -------------------------------------------------------------------------------------------------------


def card_for(tmp_path: Path, readme: str | None) -> tuple[ModelCard, str]:
    base = tmp_path / "base"
    base.mkdir(exist_ok=True)
    (base / "config.json").write_text(json.dumps({"_name_or_path": "Qwen/Qwen2-7B-Instruct"}))
    if readme is not None:
        (base / "README.md").write_text(readme)
    write_card(tmp_path, RECORD, base)
    return ModelCard.load(tmp_path / "README.md"), (tmp_path / "README.md").read_text("utf-8")


def fields(card: Any) -> dict[str, Any]:
    found: dict[str, Any] = card.data.to_dict()
    return found


@pytest.mark.parametrize(
    ("readme", "expected", "said"),
    [
        ("---\nlicense: apache-2.0\n---\n# Base\n", {"license": "apache-2.0"}, "Licence of the base: apache-2.0."),
        (
            "---\nlicense: other\nlicense_name: tongyi-qianwen\n---\n",
            {"license": "other", "license_name": "tongyi-qianwen"},
            "Licence of the base: tongyi-qianwen.",
        ),
        ("---\nlicense: cc-by-nc-4.0\n---\n", {"license": "cc-by-nc-4.0"}, "It forbids commercial use."),
        ("# No front matter", {}, "The licence of the base is not known"),
        (None, {}, "The licence of the base is not known"),
    ],
    ids=["named", "other", "non-commercial", "not named", "no card"],
)
def test_the_card_carries_the_licence_of_the_base(
    readme: str | None, expected: dict[str, str], said: str, tmp_path: Path
) -> None:
    card, text = card_for(tmp_path, readme)
    data = fields(card)
    assert {key: value for key, value in data.items() if key.startswith("license")} == expected
    assert (data["base_model"], data["base_model_relation"]) == ("Qwen/Qwen2-7B-Instruct", "adapter")
    assert (data["library_name"], data["pipeline_tag"]) == ("peft", "text-generation")
    assert said in text


def test_the_card_says_what_was_trained_and_how_it_went(tmp_path: Path) -> None:
    _, text = card_for(tmp_path, None)
    assert "| documents | 1,234 |" in text
    assert "| 20 | 0.5000 | 1.649 | best |" in text
    assert "| 40 | igakuqa (ja) | 55 of 100 | 55.0% | 45.2% to 64.4% |" in text
    assert "searched for 5 evaluation questions" in text
    assert "answers\\|1.jsonl" in text, "a bar would end the cell"
    assert "512.2 Wh" in text


def test_a_model_from_nothing_has_no_base(tmp_path: Path) -> None:
    write_card(tmp_path, msgspec.structs.replace(RECORD, recipe="mfpt", base=()), None)
    data = fields(ModelCard.load(tmp_path / "README.md"))
    assert not {"license", "base_model", "base_model_relation"} & set(data)
    assert "Trained from nothing" in (tmp_path / "README.md").read_text("utf-8")


# --- summary and plot -------------------------------------------------------------------------------------------------


def test_the_summary_says_what_happened() -> None:
    text = summarise(RECORD)
    assert text.startswith("# MPEFT: adapter\n")
    assert "2.0 h of computing" in text
    assert "went on from step 10" in text
    assert "those of step 20, with the lowest validation loss" in text
    assert "| quantization | nf4 |" in text
    assert "(losses.svg)" in text


@pytest.mark.parametrize(
    ("losses", "validation", "evaluation"),
    [
        (RECORD.losses, RECORD.validation, RECORD.evaluation),
        (RECORD.losses[:1], (), ()),
        ((), (), RECORD.evaluation),
        ((), (), ()),
        (tuple(Loss(step=step, loss=1e-9, learning_rate=1.0) for step in range(1, 20_000)), (), ()),
    ],
    ids=["all", "one loss", "no losses", "nothing", "many"],
)
def test_the_plot_is_an_image_whatever_there_is_to_draw(losses: Any, validation: Any, evaluation: Any) -> None:
    image = draw(losses, validation, evaluation, 20 if validation else None)
    root = ElementTree.fromstring(image)
    assert root.tag.endswith("svg")
    assert len(image) < 60_000
    curves = [one for one in root.iter() if one.tag.endswith("polyline")]
    assert len(curves) == 1 + bool(validation) + bool(evaluation)
    width, height = (float(value) for value in root.attrib["viewBox"].split()[2:])
    for curve in curves:
        for place in curve.attrib["points"].split():
            x, y = map(float, place.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 40), (-0.1, 5.3), (2.00001, 2.00002), (3, 3), (0, 123_456)])
def test_ticks_are_few_and_within(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 12
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)


# --- losses in a file -------------------------------------------------------------------------------------------------


def test_a_resumed_run_goes_on_with_the_file_of_losses(tmp_path: Path) -> None:
    path = tmp_path / "losses.jsonl"
    first = LossFile(path, 0)
    for entry in RECORD.losses[:8]:
        first.add(entry, 1.0)
    with path.open("ab") as file:
        file.write(b'{"kind":"loss","st')  # cut off by a power cut
    again = LossFile(path, 5)
    for entry in RECORD.losses[5:10]:
        again.add(entry, 2.0)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 11))
    assert [line["seconds"] for line in lines] == [1.0] * 5 + [2.0] * 5


def test_tensorboard_shows_a_resumed_run_once(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped,unused-ignore]

    first = Board(tmp_path, 0)
    entries: list[Entry] = [*RECORD.losses[:8], *RECORD.validation, *RECORD.evaluation]
    for entry in entries:
        first.add(entry)
    again = Board(tmp_path, 5)  # the first was killed: it is not closed
    for loss in RECORD.losses[5:10]:
        again.add(loss)
    again.close()
    found = event_accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in found.Scalars("train/loss")] == list(range(1, 11))
    assert set(found.Tags()["scalars"]) >= {"train/learning_rate", "train/gradient_norm"}


# --- machine ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_the_state_of_the_checkout_is_told(tmp_path: Path) -> None:
    package = tmp_path / "checkout" / "trainer"
    package.mkdir(parents=True)
    (package / "loop.py").write_text("")
    assert git_state(package) is None, "an installed package has no commit"

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(package.parent), "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    state = git_state(package)
    assert state is not None
    assert (state.commit, state.dirty) == (git("rev-parse", "HEAD"), False)
    (package / "loop.py").write_text("changed")
    state = git_state(package)
    assert state is not None
    assert state.dirty


def test_energy_is_summed_up_over_counters_that_begin_again(tmp_path: Path) -> None:
    """The kernel's files, in micro-joules; those of a package's parts are counted in it."""
    for name, label in (("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:1", "package-1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(label + "\n")
        (tmp_path / name / "max_energy_range_uj").write_text("262143328850\n")
        (tmp_path / name / "energy_uj").write_text("262143000000\n")
    counters = [counter for counter in find_counters(tmp_path) if "RAPL" in counter.name]
    assert [counter.name for counter in counters] == ["package-0 (RAPL)", "package-1 (RAPL)"]
    meter = Meter(counters, {"package-0 (RAPL)": 100.0})
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("671150\n")  # past its end
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    meter.update()
    assert meter.joules["package-0 (RAPL)"] == pytest.approx(101.0)
    assert meter.joules["package-1 (RAPL)"] == 0.0
    assert find_counters(tmp_path / "nowhere") == [] or not counters
