"""A base that cannot be used is told in one sentence with the way out, and no code of its own is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.tiny_checkpoints import tiny_adapter, tiny_checkpoint, tiny_model
from trainer.cli import main

CODE = "raise SystemExit('the code of a base was run')"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sound one, in the current folder, with data for it."""
    monkeypatch.chdir(tmp_path)
    turns = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "That."}]
    Path("data.jsonl").write_text(json.dumps({"messages": turns}) + "\n", "utf-8")
    return tiny_checkpoint(Path("base"))


def trained(recipe: str, base: str = "base") -> int:
    keys = {"data": ["data.jsonl"], "base": base, "output": "out", "learning_rate": 1e-3, "tensorboard": False}
    own = {"block_length": 8} if recipe == "mfpt" else {"max_length": 96}
    Path("config.yaml").write_text(json.dumps({**keys, **own}), "utf-8")
    return main([recipe, "config.yaml"])


def broken_config(base: Path) -> None:
    (base / "config.json").write_text("{", "utf-8")


def missing_shard(base: Path) -> None:
    tiny_model(num_hidden_layers=3).save_pretrained(str(base), max_shard_size="100KB")
    (base / "model.safetensors").unlink(missing_ok=True)
    max(base.glob("model-*.safetensors")).unlink()


def cut_short(base: Path) -> None:
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def pointer(base: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 15231233024\n"
    (base / "model.safetensors").write_text(text, "ascii")


def pickled(base: Path) -> None:
    (base / "model.safetensors").unlink()
    torch.save(tiny_model().state_dict(), base / "pytorch_model.bin")


def own_code(base: Path) -> None:
    settings = json.loads((base / "config.json").read_bytes())
    settings |= {
        "model_type": "unheard-of",
        "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.M"},
    }
    (base / "config.json").write_text(json.dumps(settings), "utf-8")
    (base / "evil.py").write_text(CODE, "utf-8")


def other_activation(base: Path) -> None:
    settings = json.loads((base / "config.json").read_bytes())
    (base / "config.json").write_text(json.dumps({**settings, "hidden_act": "unheard-of"}), "utf-8")


def without_tokenizer(base: Path) -> None:
    for path in base.glob("tokenizer*"):
        path.unlink()


def odd_tokenizer(base: Path) -> None:
    (base / "tokenizer.json").write_text("[]", "utf-8")


def adapter_beside(base: Path) -> None:
    tiny_adapter(base, base)


@pytest.mark.parametrize("recipe", ["mfpt", "mpeft"])
@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (broken_config, "config.json is not a JSON object"),
        (missing_shard, "base is incomplete: the shard model-"),
        (cut_short, "model.safetensors is incomplete"),
        (pointer, "model.safetensors is no"),
        (pickled, "pytorch_model.bin is a pickle, which can hold code; save the base as safetensors"),
        (own_code, "base cannot be loaded"),
        (other_activation, "base cannot be loaded"),
        (without_tokenizer, "base holds no tokenizer (tokenizer.json, "),
        (odd_tokenizer, "base cannot be loaded"),
        (adapter_beside, "base is no checkpoint: it holds an adapter"),
    ],
)
def test_a_base_that_cannot_be_used_is_one_sentence(
    recipe: str, spoil: Callable[[Path], None], sentence: str, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(base)
    capsys.readouterr()
    assert trained(recipe) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert error.count("\n") == 1
    assert not list(Path().glob("out*"))


def test_a_model_of_the_hub_is_not_fetched_and_the_way_to_get_it_is_told(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An absent one and a gated one look alike from a machine without a network."""
    assert trained("mpeft", "Qwen/Qwen2-7B-Instruct") == 2
    error = capsys.readouterr().err
    assert "Qwen/Qwen2-7B-Instruct is no checkpoint: there is no such folder. Nothing is downloaded here" in error
    assert "hf download Qwen/Qwen2-7B-Instruct --local-dir FOLDER" in error
    assert "gated" in error


def test_an_adapter_of_another_run_is_no_base(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trained("mpeft") == 0
    Path("out").rename("adapter")
    capsys.readouterr()
    assert trained("mpeft", "adapter") == 2
    assert "adapter is no checkpoint: it holds an adapter; give the checkpoint that it was trained on" in (
        capsys.readouterr().err
    )
