"""What `inro-eval speed` measures belongs to one file and says what it is; how fast this machine is, no test says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.engine.tool_client import ToolClient
from app.core.errors import ExitCode, InputError
from app.core.files import sha256_file
from evaluation.cli import main
from evaluation.speed import read_speed
from evaluation.stopwatch import NEW_TOKENS
from tests.tiny_models import tiny_gguf


def test_the_report_is_of_this_file_and_is_read_again(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "speed.json"
    lengths = ["--context", "100", "40", "--threads", "1", "--repeats", "3"]
    assert main(["speed", str(tiny_model), *lengths, "--json", "-o", str(out)]) == ExitCode.DONE
    report = read_speed(out)
    assert json.loads(capsys.readouterr().out) == json.loads(out.read_bytes())
    assert report.format == "inro-speed/1"
    assert report.model.sha256 == sha256_file(tiny_model)
    assert (report.model.file, report.model.file_bytes) == (tiny_model.name, tiny_model.stat().st_size)
    assert report.machine.threads == 1
    assert [at.prompt_tokens for at in report.contexts] == [100, 40]
    for at in report.contexts:
        assert at.new_tokens == NEW_TOKENS
        for spread in (at.prompt_per_second, at.decode_per_second, at.first_token_s):
            assert spread.repeats == 3
            assert 0 < spread.low <= spread.median <= spread.high
        # The whole prompt was read each time, so the rates and the times are of the same tokens.
        assert at.prompt_per_second.high == pytest.approx(at.prompt_tokens / at.first_token_s.low)


def test_the_memory_is_the_engines(tmp_path: Path, tiny_model: Path, slower_model: Path) -> None:
    held = []
    for model in (tiny_model, slower_model):
        assert main(["speed", str(model), "--context", "16", "--repeats", "3", "-o", str(tmp_path / "s")]) == 0
        held.append(read_speed(tmp_path / "s").resident_bytes)
    larger = slower_model.stat().st_size - tiny_model.stat().st_size
    assert held[1] - held[0] > larger / 2


def test_a_person_sees_medians_and_ranges(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed", str(tiny_model), "--context", "24", "--repeats", "3"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert sha256_file(tiny_model) in shown
    assert "written a second" in shown
    assert "Medians of 3 repeats" in shown


def test_prompts_have_the_asked_length_and_begin_differently(tmp_path: Path) -> None:
    from evaluation.stopwatch import _prompt

    model = tiny_gguf(tmp_path / "m.gguf", context_length=512)
    with ToolClient() as engine:
        engine.load(model)
        prompts = [_prompt(engine, length, number) for length in (1, 17, 300) for number in (1, 2)]
        assert [len(engine.tokenize(prompt)) for prompt in prompts] == [1, 1, 17, 17, 300, 300]
    assert len({prompt[0] for prompt in prompts}) == 2


def test_a_length_beyond_the_context_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_gguf(tmp_path / "m.gguf", context_length=128)
    assert main(["speed", str(model), "--context", "100"]) == ExitCode.USAGE
    assert "give a smaller --context" in capsys.readouterr().err
    assert main(["speed", str(tmp_path / "none.gguf")]) == ExitCode.USAGE
    (tmp_path / "text.gguf").write_text("no model, but longer than a header of one", "utf-8")
    assert main(["speed", str(tmp_path / "text.gguf")]) == ExitCode.USAGE


@pytest.mark.parametrize("data", [b"", b"{}", b'{"format": "inro-speed/2"}', b"\xff", b" " * 2_000_000])
def test_what_is_no_report_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "speed.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"speed\.json .*no report of inro-eval speed"):
        read_speed(path)
