"""Approval with the installed command: the administrator's PIN, what clinicians may use, and going back."""

from __future__ import annotations

import datetime
import json
import os
import pty
import subprocess
import sys
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
def waiting(tmp_path: Path, signer: Signer) -> Path:
    """A signed model in the library, on a machine that has a PIN and trusts the signer."""
    model = tiny_gguf(tmp_path / "model.gguf")
    signer.sign(describe(model))
    run("inro", "models", "pin", "set", stdin=PIN)
    run("inro", "models", "trust", "add", str(signer.public_path), stdin=PIN)
    said = run("inro", "models", "import", str(model))
    assert "It waits for approval: inro models approve" in said
    return model


def listed() -> dict[str, object]:
    (model,) = run_json("inro", "models", "list")["models"]
    assert isinstance(model, dict)
    return model


def test_from_waiting_to_answering_and_back(waiting: Path) -> None:
    assert (listed()["state"], listed()["signed"]) == ("waiting", True)
    refused = inro("models", "use", "named")
    assert refused.returncode == 1
    assert "waits for an administrator's approval" in refused.stderr
    run("inro", "models", "approve", "named", "--reason", "点数を確認した", stdin=PIN)
    run("inro", "models", "use", "named")
    assert (listed()["state"], listed()["reason"], listed()["chosen"]) == ("approved", "点数を確認した", True)
    assert "approved  signed" in run("inro", "models", "list")
    assert run_json("inro", "ask", "--max-tokens", "3", "発熱の原因は？")["model"] == "named"
    assert "demo, which was in use before" in run("inro", "models", "rollback")
    run("inro", "models", "withdraw", "named", "--reason", "errs", stdin=PIN)
    assert inro("models", "use", "named").returncode == 1
    run("inro", "models", "remove", "named", "--reason", "no longer needed", stdin=PIN)
    assert run_json("inro", "models", "list") == {"models": []}
    kinds = [line["event"]["type"] for line in run_json("inro", "models", "audit", "show")["lines"]]
    assert kinds[4:] == ["approved", "switched", "rolled_back", "withdrawn", "removed"]


def test_what_is_no_longer_approved_does_not_answer(waiting: Path) -> None:
    run("inro", "models", "approve", "named", "--reason", "good", stdin=PIN)
    run("inro", "models", "use", "named")
    run("inro", "models", "withdraw", "named", "--reason", "errs", stdin=PIN)
    done = inro("ask", "発熱の原因は？")
    assert done.returncode == 1
    assert "its approval was withdrawn (errs)" in done.stderr
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["approve", "named", "--reason", "x"],
        ["withdraw", "named", "--reason", "x"],
        ["remove", "named", "--reason", "x"],
        ["policy", "--unsigned", "allow"],
        ["policy", "--named", "refuse"],
        ["trust", "remove", "Model team"],
    ],
)
def test_the_administrators_commands_ask_for_the_pin(waiting: Path, home: Paths, arguments: list[str]) -> None:
    before = (home.record / "record.jsonl").read_bytes()
    wrong = inro("models", *arguments, stdin="wrong-pin\n")
    assert (wrong.returncode, wrong.stderr) == (1, "error: The PIN is wrong.\n")
    none = inro("models", *arguments)
    assert none.returncode == 2
    assert "there is no administrator's PIN; type it" in none.stderr
    assert (home.record / "record.jsonl").read_bytes() == before


def test_without_a_pin_they_say_how_to_set_one(tmp_path: Path, signer: Signer, home: Paths) -> None:
    for arguments in (["policy", "--unsigned", "allow"], ["trust", "add", str(signer.public_path)]):
        done = inro("models", *arguments, stdin=PIN)
        assert done.returncode == 2
        assert "Set one with: inro models pin set" in done.stderr
    assert run_json("inro", "models", "policy") == {"unsigned": "refuse", "named": "allow"}
    assert run_json("inro", "ask", "--max-tokens", "3", "発熱の原因は？")["model"] == "inro-demo"
    assert not home.record.exists()


def test_a_pin_is_changed_with_the_old_one(waiting: Path) -> None:
    assert inro("models", "pin", "set", stdin="wrong-pin\nnew-pin-1\n").returncode == 1
    assert inro("models", "pin", "set", stdin=f"{PIN}short\n").returncode == 2
    run("inro", "models", "pin", "set", stdin=f"{PIN}new-pin-1\n")
    assert inro("models", "policy", "--unsigned", "allow", stdin=PIN).returncode == 1
    assert inro("models", "policy", "--unsigned", "allow", stdin="new-pin-1\n").returncode == 0


def test_a_file_that_nobody_approved_is_refused_where_the_policy_says_so(waiting: Path, tiny_model: Path) -> None:
    arguments = ("ask", "--model", str(tiny_model), "--max-tokens", "1", "発熱の原因は？")
    assert inro(*arguments).returncode == 0
    run("inro", "models", "policy", "--named", "refuse", stdin=PIN)
    done = inro(*arguments)
    assert done.returncode == 1
    assert "approved models only" in done.stderr


def test_a_model_of_a_maker_whose_day_is_past_is_marked_and_not_approved(tmp_path: Path, signer: Signer) -> None:
    model = tiny_gguf(tmp_path / "old.gguf")
    signer.sign(describe(model, expires=datetime.date(2026, 1, 31)))
    run("inro", "models", "pin", "set", stdin=PIN)
    run("inro", "models", "trust", "add", str(signer.public_path), stdin=PIN)
    run("inro", "models", "import", str(model))
    assert "EXPIRED" in run("inro", "models", "list")
    done = inro("models", "approve", "named", "--reason", "x", stdin=PIN)
    assert done.returncode == 1
    assert "until 2026-01-31 only" in done.stderr
    assert json.loads(inro("models", "verify", str(model), "--json").stdout)["expired"] is True
    # One that is in use when its last day passes goes on answering.
    for arguments in ((), ("--json",)):
        done = inro("ask", "--model", str(model), "--max-tokens", "1", *arguments, "発熱の原因は？")
        assert done.returncode == 0
        assert "[This model expired on 2026-01-31: ask your administrator.]" in done.stderr


def test_at_a_terminal_the_pin_is_typed_twice_and_not_shown(home: Paths) -> None:
    controller, terminal = pty.openpty()
    command = [str(Path(sys.executable).with_name("inro")), "models", "pin", "set"]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True) as process:
        os.close(terminal)
        shown = b""
        # getpass throws away what was typed before it asked.
        for asked in (b"New PIN: ", b"New PIN, again: "):
            while not shown.endswith(asked):
                shown += os.read(controller, 1000)
            os.write(controller, PIN.encode())
        try:
            while chunk := os.read(controller, 1000):
                shown += chunk
        except OSError:  # Linux's way to say that the other end is closed
            pass
    os.close(controller)
    assert process.returncode == 0
    assert PIN.strip().encode() not in shown
    assert run_json("inro", "models", "policy", "--unsigned", "allow", stdin=PIN)["unsigned"] == "allow"


def test_an_import_takes_a_manifest_from_elsewhere(tmp_path: Path, signer: Signer) -> None:
    model = tiny_gguf(tmp_path / "model.gguf")
    papers = tmp_path / "papers"
    papers.mkdir()
    manifest = describe(model).rename(papers / "model.manifest.json")
    signer.sign(manifest)
    run("inro", "models", "pin", "set", stdin=PIN)
    run("inro", "models", "trust", "add", str(signer.public_path), stdin=PIN)
    imported = run_json("inro", "models", "import", str(model), "--manifest", str(manifest))
    assert (imported["name"], imported["signed"], imported["state"]) == ("named", True, "waiting")
