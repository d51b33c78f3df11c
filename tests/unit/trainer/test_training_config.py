from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import InputError
from trainer.config import MfptConfig, MpeftConfig, check_config, read_config, read_either

NEW_MODEL: dict[str, Any] = {
    "data": ["a.jsonl"],
    "output": "out",
    "learning_rate": 0.001,
    "vocabulary_size": 512,
    "hidden_size": 64,
    "layers": 2,
    "heads": 2,
    "kv_heads": 1,
    "intermediate_size": 128,
    "context_length": 128,
    "block_length": 64,
}
ADAPTER: dict[str, Any] = {"data": ["a.jsonl"], "output": "out", "learning_rate": 0.001, "base": "checkpoint"}


def test_the_configurations_of_the_demonstration_model_are_valid() -> None:
    demo = Path(__file__).parents[3] / "trainer" / "demo"
    full, adapter = read_config(demo / "mfpt.yaml", MfptConfig), read_config(demo / "mpeft.yaml", MpeftConfig)
    assert adapter.base == full.output
    assert full.held_out
    assert adapter.held_out == full.held_out


def test_a_misspelt_key_is_refused_with_the_right_one() -> None:
    with pytest.raises(InputError, match=r"there is no key learning_rat\. Did you mean learning_rate"):
        check_config({**NEW_MODEL, "learning_rat": 1}, MfptConfig, "x.yaml")


def test_a_misspelt_key_is_named_where_it_would_have_told_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("data: [a.jsonl]\noutput: out\nbase: checkpoint\nlearning_rate: 1e-4\nmax_lenght: 64\n")
    with pytest.raises(InputError, match=r"there is no key max_lenght\. Did you mean max_length\?"):
        read_either(path)
    path.write_text("data: [a.jsonl]\noutput: out\nbase: checkpoint\nlearning_rate: 1e-4\n")
    with pytest.raises(InputError, match="say which with --recipe"):
        read_either(path)


@pytest.mark.parametrize("form", ["auto", "alpaca"])
def test_one_format_stands_for_all_files(form: str) -> None:
    two = {**ADAPTER, "data": ["a.jsonl", "b.jsonl"]}
    assert check_config({**two, "formats": form}, MpeftConfig, "x.yaml").formats == (form, form)
    with pytest.raises(InputError, match="formats"):
        check_config({**two, "formats": f"{form}s"}, MpeftConfig, "x.yaml")


def test_a_key_of_the_other_recipe_is_refused() -> None:
    with pytest.raises(InputError, match="there is no key rank"):
        check_config({**NEW_MODEL, "rank": 8}, MfptConfig, "x.yaml")


def test_a_learning_rate_without_a_dot_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("data: [a.jsonl]\noutput: out\nbase: checkpoint\nlearning_rate: 1e-4\n")
    assert read_config(path, MpeftConfig).learning_rate == 1e-4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"learning_rate": -1}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"epochs": 0}, "epochs"),
        ({"seed": -1}, "seed"),
        ({"data": []}, "data"),
        ({"schedule": "sideways"}, "schedule"),
        ({"base": "checkpoint"}, "vocabulary_size is decided by base"),
        ({"layers": None}, "needs layers"),
        ({"hidden_size": 48, "heads": 4}, "multiple of 32"),
        ({"hidden_size": 64, "heads": 3, "kv_heads": 3}, "even multiple of heads"),
        ({"heads": 2, "kv_heads": 3}, "multiple of kv_heads"),
        ({"block_length": 256}, "block_length must not exceed context_length"),
    ],
)
def test_what_cannot_work_is_refused_by_its_key(change: dict[str, Any], sentence: str) -> None:
    check_config(NEW_MODEL, MfptConfig, "x.yaml")
    with pytest.raises(InputError, match=rf"x\.yaml: .*{sentence}"):
        check_config({**NEW_MODEL, **change}, MfptConfig, "x.yaml")


@pytest.mark.parametrize("missing", ["base", "data", "output", "learning_rate"])
def test_what_has_no_sensible_default_must_be_given(missing: str) -> None:
    check_config(ADAPTER, MpeftConfig, "x.yaml")
    with pytest.raises(InputError, match=missing):
        check_config({key: value for key, value in ADAPTER.items() if key != missing}, MpeftConfig, "x.yaml")


@pytest.mark.parametrize("text", ["- a list\n", "a: [\n", "\x00", "just text"])
def test_a_file_that_is_no_flat_yaml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="not a flat YAML configuration"):
        read_config(path, MpeftConfig)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"weights": [1, 2]}, "weights has 2 entries for 1 data files"),
        ({"formats": ["auto", "text"]}, "formats has 2 entries for 1 data files"),
        ({"weights": [float("inf")]}, "weights"),
        ({"early_stopping": 2}, "set validation_share"),
        ({"evaluation_task": "igakuqa"}, "evaluation_data is missing"),
        ({"evaluation_data": "folder"}, "evaluation_task is missing"),
        ({"evaluate_every": 10}, "nothing to evaluate"),
        ({"optimizer": "adamw_bf16"}, "adamw_bf16 is for mfpt"),
        ({"train_embeddings": True, "target_modules": ["q_proj", "lm_head"]}, "lm_head cannot be both"),
        ({"target_modules": ["q_proj", "q_proj"]}, "names a module twice"),
        ({"target_modules": "everything"}, "target_modules"),
        ({"target_modules": []}, "target_modules"),
        ({"quantization": "int8"}, "quantization"),
    ],
)
def test_keys_of_an_adapter_that_cannot_work_together_are_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=rf"x\.yaml: .*{sentence}"):
        check_config({**ADAPTER, **change}, MpeftConfig, "x.yaml")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"optimizer": "adamw_bf16"}, "set precision to bfloat16"),
        ({"min_characters": 20, "max_characters": 10}, "max_characters must not be below min_characters"),
    ],
)
def test_keys_of_a_corpus_that_cannot_work_together_are_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=rf"x\.yaml: .*{sentence}"):
        check_config({**NEW_MODEL, **change}, MfptConfig, "x.yaml")


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("data: [a.jsonl]\noutput: out\nbase: checkpoint\nlearning_rate: 1e-4\nrank: 8\nrank: 16\n")
    with pytest.raises(InputError, match="gives rank twice"):
        read_config(path, MpeftConfig)


def test_set_takes_values_as_yaml_does(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("data: [a.jsonl]\noutput: out\nbase: checkpoint\nlearning_rate: 1e-4\nmax_steps: 3\n")
    changes = ["data=[b.jsonl, c.jsonl]", "max_steps=null", "dora=true", "output=a=b"]
    config = read_config(path, MpeftConfig, changes)
    assert (config.data, config.max_steps, config.dora, config.output) == (("b.jsonl", "c.jsonl"), None, True, "a=b")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("rank", "write it as key=value"),
        ("=3", "write it as key=value"),
        ("rank=[[", "the value is not YAML"),
        ("rnk=3", "there is no key rnk. Did you mean rank"),
        ("rank=many", "Expected `int`, got `str` at `rank`"),
    ],
)
def test_set_is_checked_as_the_file_is(tmp_path: Path, change: str, sentence: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("data: [a.jsonl]\noutput: out\nbase: checkpoint\nlearning_rate: 1e-4\n")
    with pytest.raises(InputError, match=re.escape(sentence)):
        read_config(path, MpeftConfig, [change])
