from __future__ import annotations

import datetime
import json
from pathlib import Path

import msgspec
import pytest

from app.core.engine.client import EngineClient
from app.core.files import sha256_file
from app.core.models.examination import contradictions, examine
from app.core.models.manifest import Verdict, check_file, find_manifest, manifest_path, write_manifest
from converter.cli import main
from converter.convert import Order, convert
from converter.inputs import Inputs
from converter.model_card import forbids_commerce
from converter.proof.verify import Verification, write_verification


@pytest.fixture
def model(tmp_path: Path, untied: Path, lora: Path) -> Path:
    [result] = convert(Order(Inputs(untied, (lora,)), tmp_path / "out.gguf", dtype="f16"), EngineClient)
    return result.path


def verification(path: Path, sha256: str, refusals: tuple[str, ...] = ()) -> Path:
    found = Verification(
        model_sha256=sha256,
        quantization="F16",
        figures={"mean_kl": 1e-6, "same_top": 1.0},
        limits={"mean_kl": 1e-5, "same_top": 0.995},
        versions={"torch": "2.13.0", "llama_cpp_commit": "abc"},
        refusals=refusals,
    )
    write_verification(path, found)
    return path


def arguments(model: Path, checkpoint: Path) -> list[str]:
    return ["manifest", str(model), "--name", "Inro demo", "--licence", "Apache-2.0", "--checkpoint", str(checkpoint),
            "-o", str(manifest_path(model))]  # fmt: skip


def test_the_manifest_ties_the_file_to_all_it_was_made_from(
    tmp_path: Path, model: Path, untied: Path, lora: Path
) -> None:
    (tmp_path / "scores" / "ja").mkdir(parents=True)
    card = tmp_path / "scores" / "ja" / "score_card.json"
    card.write_text(json.dumps({"model": {"sha256": sha256_file(model)}}))
    record = tmp_path / "run.json"
    record.write_text("{}")
    examples = tmp_path / "examples.json"
    examples.write_text(json.dumps({"ja": ["心房細動とは？"], "en": ["What is asthma?"]}), encoding="utf-8")
    figures = verification(tmp_path / "figures.json", sha256_file(model))

    more = ["--adapter", str(lora), "--record", str(record), "--verification", str(figures), "--score-card", str(card),
            "--examples", str(examples), "--demonstration", "--intended-use", "学習用",
            "--expires", "2027-03-31"]  # fmt: skip
    assert main([*arguments(model, untied), *more]) == 0

    manifest = find_manifest(model)
    assert manifest is not None
    check_file(manifest, model)
    assert manifest.name == "Inro demo"
    assert manifest.architecture == "qwen2"
    assert manifest.quantization == "F16"
    assert manifest.parameters == 123456
    assert manifest.context_length == 256
    assert manifest.languages == ("ja", "en")
    assert manifest.demonstration
    assert (manifest.intended_use, manifest.expires) == ("学習用", datetime.date(2027, 3, 31))
    examined = examine(model, {})
    assert manifest.chat_template_sha256 == examined.template_sha256
    assert contradictions(examined.header, manifest) == []
    assert manifest.examples["ja"] == ("心房細動とは？",)
    assert manifest.verification == {"mean_kl": 1e-6, "same_top": 1.0}
    assert manifest.versions.keys() >= {"python", "inro", "gguf", "numpy", "torch", "llama_cpp_commit"}
    assert manifest.score_cards[0].file == "scores/ja/score_card.json"
    assert manifest.score_cards[0].sha256 == sha256_file(card)
    hashes = {source.name: source.sha256 for source in manifest.sources}
    assert hashes[f"{untied.name}/model.safetensors"] == sha256_file(untied / "model.safetensors")
    assert hashes[f"{lora.name}/adapter_model.safetensors"] == sha256_file(lora / "adapter_model.safetensors")
    assert hashes["run.json"] == sha256_file(record)
    assert {source.kind for source in manifest.sources} == {"checkpoint", "adapter", "record"}


def test_the_verdict_of_its_gate_stays_with_the_file_and_no_other(model: Path, untied: Path) -> None:
    assert main(arguments(model, untied)) == 0
    described = find_manifest(model)
    assert described is not None
    judged = msgspec.structs.replace(
        described, verdict=Verdict(passed=True, conditions=(), runs=(), thresholds_sha256="a" * 64)
    )
    write_manifest(manifest_path(model), judged)
    assert main([*arguments(model, untied), "--name", "Another name"]) == 0
    renamed = find_manifest(model)
    assert renamed is not None
    assert (renamed.name, renamed.verdict) == ("Another name", judged.verdict)

    model.write_bytes(model.read_bytes() + b"\0")
    assert main(arguments(model, untied)) == 0
    changed = find_manifest(model)
    assert changed is not None
    assert changed.verdict is None


def test_figures_of_another_file_are_refused(
    tmp_path: Path, model: Path, untied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = verification(tmp_path / "figures.json", "0" * 64)
    assert main([*arguments(model, untied), "--verification", str(figures)]) == 1
    assert "of another file" in capsys.readouterr().err
    verification(figures, sha256_file(model), refusals=("The mean KL divergence is 3.",))
    assert main([*arguments(model, untied), "--verification", str(figures)]) == 1
    assert "did not pass its verification: The mean KL" in capsys.readouterr().err
    card = tmp_path / "score_card.json"
    card.write_text(json.dumps({"model": {"sha256": "0" * 64}}))
    assert main([*arguments(model, untied), "--score-card", str(card)]) == 1
    assert "not a score card of this file" in capsys.readouterr().err
    assert find_manifest(model) is None


def test_inputs_that_cannot_be_read_are_named(
    tmp_path: Path, model: Path, untied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"fr": ["?"]}')
    assert main([*arguments(model, untied), "--examples", str(broken)]) == 2
    assert "no example questions by language" in capsys.readouterr().err
    assert main([*arguments(model, untied), "--verification", str(broken)]) == 2
    assert "not a record of inro-convert verify" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("licence", "forbidden"),
    [
        ("CC-BY-NC-4.0", True),
        ("cc-by-nc-sa-4.0", True),
        ("Non-commercial", True),
        ("Apache-2.0", False),
        ("NCSA", False),
    ],
)
def test_licences_without_commercial_use_are_recognised(licence: str, forbidden: bool) -> None:
    assert forbids_commerce(licence) is forbidden
