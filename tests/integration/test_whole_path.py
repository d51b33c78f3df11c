"""The whole path with the project's own commands: train, convert, verify, score, import, ask; and without a socket."""

from __future__ import annotations

from pathlib import Path

from app.core.files import sha256_file
from app.core.models.manifest import manifest_path, read_manifest
from app.core.paths import Paths
from tests.integration.installed import PIN, run, run_json, write_yaml

FACTS = [
    {
        "id": "test-01",
        "source": "made for this test",
        "ja": {
            "question": "壊血病で不足するビタミンは何ですか？",
            "paraphrases": ["壊血病ではどのビタミンが足りませんか？", "壊血病の原因となるビタミン欠乏は何ですか？"],
            "second_wording": "壊血病はどのビタミンの不足で起こりますか？",
            "answer": "壊血病ではビタミンCが不足します。",
            "keys": ["ビタミンC"],
        },
        "en": {
            "question": "Which vitamin is lacking in scurvy?",
            "paraphrases": ["What vitamin is deficient in scurvy?", "Scurvy is due to lack of which vitamin?"],
            "second_wording": "Which deficient vitamin explains scurvy?",
            "answer": "Scurvy is caused by a lack of vitamin C.",
            "keys": ["vitamin C"],
        },
    }
]
CHOICES = [
    {
        "id": "test-c01",
        "held_out": False,
        "source": "made for this test",
        "ja": {"question": "心臓はどれか。", "options": ["心臓", "肝臓", "腎臓", "脾臓", "肺"], "answer": "a"},
        "en": {
            "question": "Which is the heart?",
            "options": ["Heart", "Liver", "Kidney", "Spleen", "Lung"],
            "answer": "a",
        },
    },
    {
        "id": "test-c02",
        "held_out": True,
        "source": "made for this test",
        "ja": {"question": "血液を送り出すのはどれか。", "options": ["胃", "心臓", "骨", "皮膚", "毛"], "answer": "b"},
        "en": {
            "question": "Which one pumps blood?",
            "options": ["Stomach", "Heart", "Bone", "Skin", "Hair"],
            "answer": "b",
        },
    },
]
MFPT = {
    "vocabulary_size": 400,
    "hidden_size": 64,
    "layers": 1,
    "heads": 4,
    "kv_heads": 2,
    "intermediate_size": 128,
    "context_length": 512,
    "block_length": 128,
    "batch_size": 4,
    "epochs": 8,
    "learning_rate": 5.0e-3,
    "seed": 1,
}
MPEFT = {"rank": 4, "alpha": 8, "max_length": 512, "batch_size": 8, "epochs": 1, "learning_rate": 2.0e-3, "seed": 2}


def test_a_model_trained_here_answers_from_the_library(tmp_path: Path, home: Paths) -> None:
    corpus, data = tmp_path / "corpus", tmp_path / "data"
    corpus.mkdir()
    write_yaml(corpus / "test.yaml", {"specialty": "test", "facts": FACTS, "choices": CHOICES})
    checkpoint, adapter, model = tmp_path / "checkpoint", tmp_path / "adapter", tmp_path / "モデル.gguf"
    held_out = {"held_out": [str(data / "held_out.jsonl")]}
    mfpt = {**MFPT, **held_out, "data": [str(data / "mfpt.jsonl")], "output": str(checkpoint)}
    mpeft = {
        **MPEFT,
        **held_out,
        "data": [str(data / "mpeft.jsonl")],
        "base": str(checkpoint),
        "output": str(adapter),
    }
    source = ["--checkpoint", str(checkpoint), "--adapter", str(adapter)]
    scores = tmp_path / "scores"

    run("inro-train", "demo-data", "--corpus", str(corpus), "-o", str(data))
    run("inro-train", "mfpt", write_yaml(tmp_path / "mfpt.yaml", mfpt))
    run("inro-train", "mpeft", write_yaml(tmp_path / "mpeft.yaml", mpeft))
    run("inro-convert", str(checkpoint), "--adapter", str(adapter), "--quant", "Q8_0", "-o", str(model))
    verified = run_json("inro-convert", "verify", str(model), *source, "-o", str(tmp_path / "verification.json"))
    card = run_json(
        "inro-eval", "run", "--model", str(model), "--task", "demo", "--lang", "ja", "--corpus", str(corpus),
        "--threads", "1", "-o", str(scores),
    )  # fmt: skip
    run(
        "inro-convert", "manifest", str(model), "--name", "whole-path", "--licence", "Apache-2.0", "--demonstration",
        *source, "--record", str(adapter / "run_record.json"), "--verification", str(tmp_path / "verification.json"),
        "--score-card", str(scores / "score_card.json"), "-o", str(manifest_path(model)),
    )  # fmt: skip

    assert verified["passed"]
    splits = {split["name"]: split for split in card["splits"]}
    assert splits["trained"]["right"] == splits["trained"]["n"] == 1
    assert splits["choices_held_out"]["n"] == 1
    manifest = read_manifest(manifest_path(model))
    assert manifest.sha256 == card["model"]["sha256"] == sha256_file(model)

    imported = run_json("inro", "models", "import", str(model))
    run("inro", "models", "pin", "set", stdin=PIN)
    run("inro", "models", "policy", "--unsigned", "allow", stdin=PIN)
    run("inro", "models", "approve", "whole-path", "--reason", "it was made by this very test", stdin=PIN)
    run("inro", "models", "use", "whole-path")
    answer = run_json("inro", "ask", "壊血病で不足するビタミンは何ですか？")
    assert "ビタミンC" in answer["answer"]
    assert (answer["model"], answer["model_sha256"]) == ("whole-path", imported["sha256"])
    assert answer["finish_reason"] == "stop"
    assert Path(imported["path"]).is_relative_to(home.models)
