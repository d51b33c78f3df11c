"""The record with the installed command: what is in it, what `audit verify` finds and says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.paths import Paths
from tests.integration.installed import PIN, inro, run, run_json
from tests.manifests import Signer, describe, new_signer
from tests.tiny_models import tiny_gguf


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return new_signer(tmp_path / "keys")


@pytest.fixture
def imported(tmp_path: Path, signer: Signer) -> Path:
    """A signed model that was brought in by the command."""
    model = tiny_gguf(tmp_path / "model.gguf")
    signer.sign(describe(model))
    run("inro", "models", "pin", "set", stdin=PIN)
    run("inro", "models", "trust", "add", str(signer.public_path), stdin=PIN)
    run("inro", "models", "import", str(model))
    return model


def test_deeds_are_lines(imported: Path, signer: Signer) -> None:
    lines = run_json("inro", "models", "audit", "show")["lines"]
    assert [line["event"]["type"] for line in lines] == ["begun", "pin_set", "key_trusted", "imported"]
    assert lines[3]["event"]["key_id"] == signer.public.key_id
    shown = run("inro", "models", "audit", "show")
    assert f"imported named ({lines[3]['event']['model'][:12]}), signed with the key" in shown


def test_verify_says_the_last_hash_and_what_it_cannot_find(imported: Path, tmp_path: Path) -> None:
    said = run("inro", "models", "audit", "verify")
    noted = run_json("inro", "models", "audit", "verify")["last_hash"]
    assert f"Last hash: {noted}" in said
    assert "It cannot find that someone who may write these files wrote all of them anew" in said
    assert run_json("inro", "models", "audit", "verify", "--expect", noted)["expected_line"] == 4
    done = inro("models", "audit", "verify", "--expect", "0" * 64)
    assert done.returncode == 1
    assert "written anew" in done.stderr


def test_a_changed_record_is_one_sentence_and_1(imported: Path, home: Paths) -> None:
    path = home.record / "record.jsonl"
    path.write_bytes(path.read_bytes().replace(b"named", b"other"))
    for command in (["audit", "verify"], ["audit", "show"], ["use", "demo"], ["audit", "export", "x"]):
        done = inro("models", *command)
        assert done.returncode == 1
        assert "line 4 is not the one that was written last" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_changed_record_is_put_aside_with_the_pin_and_another_begins(imported: Path, home: Paths) -> None:
    noted = run_json("inro", "models", "audit", "verify")["last_hash"]
    begin = ("models", "audit", "begin-anew", "--reason", "It was edited by hand.")
    assert "the record is sound" in inro(*begin, stdin=PIN).stderr
    path = home.record / "record.jsonl"
    path.write_bytes(path.read_bytes().replace(b"named", b"other"))
    changed = path.read_bytes()
    assert "PIN is wrong" in inro(*begin, stdin="not the PIN\n").stderr
    said = run("inro", *begin, stdin=PIN)
    (aside,) = home.record.glob("damaged-*")
    assert str(aside) in said
    assert (aside / "record.jsonl").read_bytes() == changed
    shown = run("inro", "models", "audit", "show")
    assert "began this record with the PIN, in place of one that was changed (line 4 is not the one" in shown
    assert "It was edited by hand." in shown
    assert run_json("inro", "models", "list")["models"][0]["state"] == "waiting"
    assert inro("models", "audit", "verify", "--expect", noted).returncode == 1
    assert "line 4" not in run("inro", "models", "audit", "verify")


def test_an_export_holds_the_lines_and_replaces_nothing(imported: Path, home: Paths, tmp_path: Path) -> None:
    target = tmp_path / "record of 2026.jsonl"
    run("inro", "models", "audit", "export", str(target))
    assert target.read_bytes() == (home.record / "record.jsonl").read_bytes()
    assert all(json.loads(line) for line in target.read_text("utf-8").splitlines())
    noted = run_json("inro", "models", "audit", "verify")["last_hash"]
    assert run_json("inro", "models", "audit", "verify", str(target))["last_hash"] == noted
    lines = target.read_bytes().splitlines(keepends=True)
    changed, cut = tmp_path / "changed.jsonl", tmp_path / "cut.jsonl"
    changed.write_bytes(b"".join([lines[0], *lines[2:]]))
    assert "line 2 has the number 3" in inro("models", "audit", "verify", str(changed)).stderr
    cut.write_bytes(b"".join(lines[:-1]))
    assert inro("models", "audit", "verify", str(cut)).returncode == 0
    assert inro("models", "audit", "verify", str(cut), "--expect", noted).returncode == 1
    cut.write_bytes(b"".join(lines)[:-1])
    assert inro("models", "audit", "verify", str(cut)).returncode == 1
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for taken in (target, link):
        assert inro("models", "audit", "export", str(taken)).returncode == 2
    assert not (tmp_path / "nowhere").exists()


def test_without_a_record_there_is_nothing_to_verify(home: Paths) -> None:
    assert "no record yet" in run("inro", "models", "audit", "verify")
    assert inro("models", "audit", "export", "x").returncode == 2
    assert not home.record.exists()
