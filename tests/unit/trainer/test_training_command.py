"""The command from the outside: real tiny trainings in seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from trainer.cli import main
from trainer.records import read_record

FULL: dict[str, Any] = {
    "data": ["data/mfpt.jsonl"],
    "held_out": ["data/held_out.jsonl"],
    "output": "checkpoint",
    "seed": 3,
    "vocabulary_size": 400,
    "hidden_size": 32,
    "layers": 1,
    "heads": 2,
    "kv_heads": 1,
    "intermediate_size": 64,
    "context_length": 128,
    "block_length": 64,
    "batch_size": 16,
    "learning_rate": 0.01,
    "log_every": 1,
}
ADAPTER: dict[str, Any] = {
    "data": ["data/mpeft.jsonl"],
    "held_out": ["data/held_out.jsonl"],
    "base": "checkpoint",
    "output": "adapter",
    "rank": 4,
    "alpha": 8,
    "max_length": 128,
    "batch_size": 8,
    "learning_rate": 0.01,
    "log_every": 1,
}


def write_config(name: str, values: Mapping[str, Any]) -> str:
    Path(name).write_text(json.dumps(values), "utf-8")  # JSON is YAML
    return name


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    value = json.loads(lines[0])
    assert isinstance(value, dict)
    return value


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, corpus_folder: Path) -> Iterator[Path]:
    """A folder in which data, a checkpoint and an adapter were made."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["demo-data", "-o", "data", "--corpus", str(corpus_folder)]) == 0
        assert main(["mfpt", write_config("mfpt.yaml", FULL)]) == 0
        assert main(["mpeft", write_config("mpeft.yaml", ADAPTER)]) == 0
        yield folder


def test_the_checkpoint_loads_and_has_learned(trained: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(trained / "checkpoint")
    tokenizer = AutoTokenizer.from_pretrained(trained / "checkpoint")
    assert model.config.model_type == "qwen2"
    assert model.config.vocab_size == len(tokenizer)
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert (trained / "checkpoint" / "chat_template.jinja").is_file()
    losses = read_record(trained / "checkpoint").losses
    assert losses[0].loss > 5.5 > 4 > losses[-1].loss


def test_the_adapter_loads_on_its_base_and_changes_it(trained: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tokens = torch.tensor([[1, 5, 9]])
    base = AutoModelForCausalLM.from_pretrained(trained / "checkpoint")
    before = base(tokens).logits
    after = PeftModel.from_pretrained(base, trained / "adapter")(tokens).logits
    assert not torch.allclose(before, after)
    adapted = json.loads((trained / "adapter" / "adapter_config.json").read_text())["target_modules"]
    assert len(adapted) == 7


def test_the_record_says_what_was_trained_from_what(trained: Path) -> None:
    full, adapter = read_record(trained / "checkpoint"), read_record(trained / "adapter")
    assert full.configuration["hidden_size"] == FULL["hidden_size"]
    assert full.data[0].name == "data/mfpt.jsonl"
    assert full.held_out_questions == 6
    assert adapter.base[0].name == "checkpoint/model.safetensors"
    assert {"torch", "transformers", "peft", "python"} <= set(adapter.versions)
    assert 0 < adapter.counts["learned_tokens"] < adapter.counts["tokens"]
    assert all(len(file.sha256) == 64 for file in (*full.data, *full.held_out, *adapter.base))
    assert sorted(path.name for path in trained.iterdir()) == [
        "adapter",
        "checkpoint",
        "data",
        "mfpt.yaml",
        "mpeft.yaml",
    ]


def test_the_same_configuration_gives_the_same_model(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = write_config("again.yaml", {**FULL, "output": "again"})
    try:
        assert main(["mfpt", again, "--json"]) == 0
        result = printed(capsys)
        assert result["final_loss"] == read_record(trained / "checkpoint").losses[-1].loss
        weights = [(trained / name / "model.safetensors").read_bytes() for name in ("checkpoint", "again")]
        assert weights[0] == weights[1]
        assert Path(result["record"]).is_file()
    finally:
        Path(again).unlink()


def test_training_goes_on_from_a_checkpoint(trained: Path, tmp_path: Path) -> None:
    shape = ("vocabulary_size", "hidden_size", "layers", "heads", "kv_heads", "intermediate_size", "context_length")
    values = {key: value for key, value in FULL.items() if key not in shape}
    config = write_config(
        str(tmp_path / "more.yaml"), {**values, "base": "checkpoint", "output": str(tmp_path / "more")}
    )
    assert main(["mfpt", config]) == 0
    assert read_record(tmp_path / "more").losses[0].loss < 4.2


def test_an_existing_output_is_an_error(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (trained / "adapter" / "run_record.json").read_bytes()
    assert main(["mpeft", "mpeft.yaml"]) == 2
    assert "adapter already exists" in capsys.readouterr().err
    assert (trained / "adapter" / "run_record.json").read_bytes() == before


@pytest.mark.parametrize("recipe", ["mfpt", "mpeft"])
def test_a_held_out_question_in_the_data_stops_the_training(
    trained: Path, tmp_path: Path, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    leaking = tmp_path / "leaking.jsonl"
    question = json.loads((trained / "data" / "held_out.jsonl").read_text("utf-8").splitlines()[0])["question"]
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": "尿酸"}]
    leaking.write_text(json.dumps({"messages": messages}, ensure_ascii=False) + "\n", "utf-8")
    values = {**(FULL if recipe == "mfpt" else ADAPTER), "output": str(tmp_path / "out")}
    values["data"] = [*values["data"], str(leaking)]
    assert main([recipe, write_config(str(tmp_path / "leak.yaml"), values)]) == 1
    assert "held-out question small-01/ja" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"base": "nowhere"}, "nowhere is no checkpoint"),
        ({"max_length": 8}, "no conversation has an answer within 8 tokens"),
        ({"data": ["missing.jsonl"]}, "missing.jsonl"),
        ({"data": ["data/mfpt.jsonl"]}, "is no conversation"),
        ({"learning_rats": 1}, "learning_rate"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    trained: Path, tmp_path: Path, change: dict[str, Any], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {**ADAPTER, "output": str(tmp_path / "out"), **change}
    assert main(["mpeft", write_config(str(tmp_path / "x.yaml"), values)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert error.count("\n") == 1


def _read(terminal: int) -> bytes:
    """What a program wrote to its terminal; empty once it has ended (Linux reports that as an error)."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_interrupting_keeps_a_checkpoint_and_says_how_to_go_on(trained: Path, tmp_path: Path) -> None:
    long = {**FULL, "epochs": 1000, "output": str(tmp_path / "outputs" / "out")}
    config = write_config(str(tmp_path / "long.yaml"), long)
    command = [sys.executable, "-c", "import sys; from trainer.cli import main; sys.exit(main())", "mfpt", config]
    terminal, other_end = os.openpty()  # the bar, by which the training is known to run, is shown on a terminal only
    termios.tcsetwinsize(other_end, (24, 80))  # a new one has no columns to draw on
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=other_end) as process:
        os.close(other_end)
        shown = b""
        while b"loss" not in shown and (some := _read(terminal)):
            shown += some
        process.send_signal(signal.SIGINT)
        while some := _read(terminal):
            shown += some
        out, _ = process.communicate()
    os.close(terminal)
    assert process.returncode == 130, shown.decode()
    assert out == b""
    assert b"Traceback" not in shown
    assert b"with --resume" in shown
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["out.unfinished"]


@pytest.mark.parametrize("arguments", [["--help"], ["mfpt", "--help"], ["mpeft", "--help"], ["demo-data", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom trainer.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'transformers', 'peft', 'tokenizers', 'numpy', 'yaml', 'tqdm', 'msgspec'}\n"
        "assert not heavy & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "usage: inro-train" in result.stdout
