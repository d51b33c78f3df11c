"""Presets: each can be used, fits the memory that it names, and gives way to what a configuration says itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.errors import InputError
from trainer.cli import main
from trainer.config import MfptConfig, MpeftConfig, read_config, read_either
from trainer.planning.plan import preset_peak
from trainer.presets import preset_names, preset_text, read_preset
from trainer.records import read_record

TEXT = "心房細動では、脳梗塞を防ぐために抗凝固薬を用いる。 Anticoagulants prevent stroke in atrial fibrillation. "


def config_file(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_valid_configuration_with_its_reasons(name: str, tmp_path: Path) -> None:
    preset = read_preset(name)
    base = "base: checkpoint\n" if preset.model else ""
    path = config_file(tmp_path, f"preset: {name}\ndata: [a.jsonl]\noutput: out\n{base}")
    config = read_either(path)
    assert isinstance(config, MpeftConfig if preset.recipe == "mpeft" else MfptConfig)
    for key, value in preset.keys.items():
        assert getattr(config, key) == value
    assert "learning_rate" in preset.keys
    assert " # " in preset_text(name)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_needs_no_more_memory_than_it_names(name: str) -> None:
    preset = read_preset(name)
    needed = preset_peak(preset, cuda=preset.gpu).bytes
    # A margin for what the model of the memory does not know.
    assert needed < 0.9 * preset.memory_gb * 1e9


def test_the_two_smaller_presets_are_different_for_a_reason() -> None:
    needed = [preset_peak(read_preset(name), cuda=True).bytes for name in ("qwen2-7b-16gb", "qwen2-7b-24gb")]
    assert needed[0] < needed[1]


def test_what_a_file_says_comes_before_the_preset_and_set_before_both(tmp_path: Path) -> None:
    text = "preset: qwen2-7b-24gb\ndata: [a.jsonl]\noutput: out\nbase: checkpoint\nrank: 8\nepochs: 1\n"
    config = read_config(config_file(tmp_path, text), MpeftConfig, ["epochs=2", "target_modules=[q_proj]"])
    assert (config.rank, config.epochs, config.target_modules) == (8, 2.0, ("q_proj",))
    assert config.alpha == read_preset("qwen2-7b-24gb").keys["alpha"]


def test_a_misspelt_preset_is_refused_with_the_right_one(tmp_path: Path) -> None:
    path = config_file(tmp_path, "preset: qwen2-7b-24\ndata: [a.jsonl]\noutput: out\nbase: checkpoint\n")
    with pytest.raises(InputError, match="no preset qwen2-7b-24; did you mean qwen2-7b-24gb"):
        read_config(path, MpeftConfig)


def test_a_preset_of_the_other_recipe_is_refused(tmp_path: Path) -> None:
    path = config_file(tmp_path, "preset: qwen2-7b-24gb\ndata: [a.jsonl]\noutput: out\nbase: checkpoint\n")
    with pytest.raises(InputError, match="is for inro-train mpeft"):
        read_config(path, MfptConfig)


def test_the_tiny_presets_train_on_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.jsonl").write_text("".join(json.dumps({"text": TEXT * n}) + "\n" for n in range(1, 9)), "utf-8")
    turns = [{"role": "user", "content": "脳梗塞を防ぐ薬は？"}, {"role": "assistant", "content": "抗凝固薬です。"}]
    Path("turns.jsonl").write_text((json.dumps({"messages": turns}) + "\n") * 8, "utf-8")
    full = config_file(tmp_path, "preset: cpu-tiny\ndata: [text.jsonl]\noutput: checkpoint\n")
    assert main(["mfpt", str(full), "--set", "epochs=1", "--set", "vocabulary_size=400"]) == 0
    adapter = config_file(
        tmp_path, "preset: cpu-tiny-adapter\ndata: [turns.jsonl]\noutput: adapter\nbase: checkpoint\n"
    )
    assert main(["mpeft", str(adapter), "--set", "epochs=4", "--set", "batch_size=2"]) == 0
    losses = read_record(Path("adapter")).losses
    assert losses[-1].loss < losses[0].loss


def test_the_command_lists_presets_and_prints_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [preset["name"] for preset in found["presets"]] == preset_names()
    assert next(preset for preset in found["presets"] if preset["name"] == "cpu-tiny")["verdict"] == "fits"
    assert main(["presets", "qwen2-7b-24gb"]) == 0
    assert preset_text("qwen2-7b-24gb").strip() == capsys.readouterr().out.strip()
