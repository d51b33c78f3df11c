"""Signing and checking with the installed command: the model team's side and the hospital's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.models.manifest import manifest_path
from tests.integration.installed import PIN, inro, run_json
from tests.manifests import describe
from tests.tiny_models import tiny_gguf


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tiny_gguf(tmp_path / "モデル 一.gguf")
    describe(path, intended_use="Looking things up.")
    return path


def test_from_a_new_key_to_a_verified_file(model: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    assert inro("models", "keygen", "Model team", "-o", str(keys), "--passphrase", stdin="a b c\n").returncode == 0
    (private,), (public,) = keys.glob("*.private.pem"), keys.glob("*.public.json")
    manifest = str(manifest_path(model))
    assert inro("models", "sign", manifest, "--key", str(private), stdin="wrong\n").returncode == 2
    assert inro("models", "sign", manifest, "--key", str(private), stdin="a b c\n").returncode == 0

    before = inro("models", "verify", str(model))
    assert (before.returncode, before.stdout) == (1, "")
    assert "does not trust" in before.stderr
    assert inro("models", "pin", "set", stdin=PIN).returncode == 0
    assert inro("models", "trust", "add", str(public), stdin=PIN).returncode == 0
    after = run_json("inro", "models", "verify", str(model))
    assert (after["passed"], after["signature"], after["signer"]) == (True, "valid", "Model team")
    (listed,) = run_json("inro", "models", "trust", "list")["keys"]
    assert listed["key_id"] == after["key_id"] == private.name.removesuffix(".private.pem")
    assert inro("models", "trust", "remove", str(public), stdin=PIN).returncode == 0
    assert json.loads(inro("models", "verify", str(model), "--json").stdout)["signature"] == "unknown_key"


def test_inspect_shows_the_header_and_who_vouches(model: Path) -> None:
    facts = run_json("inro", "models", "inspect", str(model))
    assert (facts["architecture"], facts["tokenizer"], facts["quantization"]) == ("qwen2", "gpt2", {"F32": 1.0})
    assert (facts["chat_template"], len(facts["chat_template_sha256"])) == (True, 64)
    assert (facts["context_length"], facts["licence"], facts["expired"]) == (2048, "Apache-2.0", False)
    assert (facts["manifest"]["intended_use"], facts["signature"]) == ("Looking things up.", "none")
    shown = inro("models", "inspect", str(model))
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "F32 100%" in shown.stdout


def test_inspect_tells_what_to_expect_on_this_machine(model: Path) -> None:
    machine = run_json("inro", "models", "inspect", str(model))["machine"]
    assert set(machine) == {
        "free_memory_bytes",
        "contexts",
        "memory_bytes_per_second",
        "tokens_per_second",
        "gpus",
        "gpu_layers",
        "layers",
    }
    assert [context["context_length"] for context in machine["contexts"]] == [1024, 2048]
    slow, fast = machine["tokens_per_second"]
    assert 0 < slow < fast
    assert machine["layers"] == 2
    shown = inro("models", "inspect", str(model)).stdout
    assert "the model fits with a context of up to 2,048 tokens" in shown
    assert "tokens a second from the processor" in shown


def test_nothing_from_a_file_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    model = tiny_gguf(tmp_path / "x.gguf", name="evil\x1b[2J\u202ename")
    describe(model, intended_use="two\nlines\x1b]0;title\x07", licence="\x1b[1A")
    shown = inro("models", "inspect", str(model)).stdout
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_a_file_that_was_changed_fails_with_1(model: Path) -> None:
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    done = inro("models", "verify", str(model))
    assert done.returncode == 1
    assert "is not the file its manifest describes" in done.stderr


@pytest.mark.parametrize("arguments", [["verify"], ["inspect"], ["trust", "add"], ["sign", "--key", "k"]])
def test_junk_is_one_sentence_and_2(tmp_path: Path, arguments: list[str]) -> None:
    junk = tmp_path / "junk.json"
    junk.write_bytes(b"\xff" * 100)
    done = inro("models", *arguments, str(junk))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_an_unsigned_file_passes_where_the_policy_allows_it_and_one_without_a_manifest_never(model: Path) -> None:
    assert "policy asks for a trusted signature" in inro("models", "verify", str(model)).stderr
    inro("models", "pin", "set", stdin=PIN)
    inro("models", "policy", "--unsigned", "allow", stdin=PIN)
    done = inro("models", "verify", str(model))
    assert (done.returncode, "the manifest is not signed" in done.stdout) == (0, True)
    manifest_path(model).unlink()
    done = inro("models", "verify", str(model))
    assert (done.returncode, "no manifest" in done.stderr) == (1, True)
