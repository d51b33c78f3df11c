"""`inro models fetch` with the installed command, huggingface_hub and a stand-in of the hub on this machine."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.files import sha256_file
from app.core.models.manifest import manifest_path
from tests.integration.installed import PIN, run, run_json
from tests.local_hub import COMMIT, LocalHub
from tests.manifests import Signer, describe, new_signer
from tests.tiny_models import tiny_gguf

FILE, REPOSITORY = "inro-tiny.gguf", "clinic/inro-tiny"
KEPT = 3_000_000


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return new_signer(tmp_path / "keys")


@pytest.fixture
def model(tmp_path: Path, signer: Signer) -> Path:
    """About 5 MB, with a signed manifest."""
    folder = tmp_path / "repository"
    folder.mkdir()
    path = tiny_gguf(folder / FILE, layers=2, hidden=256)
    signer.sign(describe(path))
    return path


@pytest.fixture
def hub(model: Path) -> Iterator[LocalHub]:
    with LocalHub({REPOSITORY: model.parent}) as standing_in:
        yield standing_in


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def environment(address: str, home: Path, **more: str) -> dict[str, str]:
    mine = {key: value for key, value in os.environ.items() if not key.startswith("HF_") and "proxy" not in key.lower()}
    return {**mine, "HF_ENDPOINT": address, "HF_HOME": str(home), **more}


def command(out: Path, *arguments: str) -> list[str]:
    program = str(Path(sys.executable).with_name("inro"))
    return [program, "models", "fetch", *(arguments or (REPOSITORY, FILE)), "-o", str(out)]


def fetch(hub: LocalHub, out: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    settings = environment(hub.address, out.parent / "hf", **more)
    return subprocess.run(command(out, *arguments), env=settings, capture_output=True, text=True, check=False)


def nothing_in(out: Path) -> bool:
    return not out.exists() or not any(out.iterdir())


def test_from_the_hub_by_a_stick_into_the_library(
    hub: LocalHub, model: Path, out: Path, tmp_path: Path, signer: Signer
) -> None:
    done = fetch(hub, out, REPOSITORY, FILE, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["commit"], told["signature"], told["was_there"]) == (COMMIT, "unknown_key", False)
    assert {file["name"]: file["sha256"] for file in told["files"]} == {
        path.name: sha256_file(path) for path in model.parent.iterdir()
    }
    # What it asked: the repository once and each file once, and nothing that tells of this machine.
    assert sorted(hub.asked) == sorted(
        [f"/api/models/{REPOSITORY}/revision/main"]
        + [f"/{REPOSITORY}/resolve/{COMMIT}/{path.name}" for path in model.parent.iterdir()]
    )

    stick = Path(shutil.copytree(out / "inro-tiny", tmp_path / "stick" / "inro-tiny"))
    summed = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=stick, capture_output=True, text=True, check=False)
    assert summed.returncode == 0, summed.stderr
    run("inro", "models", "pin", "set", stdin=PIN)
    run("inro", "models", "trust", "add", str(signer.public_path), stdin=PIN)
    assert run_json("inro", "models", "import", str(stick / FILE))["signed"] is True
    again = fetch(hub, out)
    assert (again.returncode, again.stderr) == (0, "")
    assert "is there already, complete and the same as on the hub" in again.stdout


def test_a_revision_and_a_model_in_several_files(hub: LocalHub, out: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    (older / "Q8").mkdir(parents=True)
    first = tiny_gguf(older / "Q8" / "big.gguf", tensors_a_file=6)
    commit = hub.add_revision(REPOSITORY, "refs/pr/1", older)
    done = fetch(hub, out, REPOSITORY, f"Q8/{first.name}", "--revision", "refs/pr/1", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["commit"], told["manifest"], Path(told["folder"])) == (commit, False, out / "big")
    assert [file["name"] for file in told["files"]] == sorted(path.name for path in first.parent.iterdir())
    assert fetch(hub, out, REPOSITORY, f"Q8/{first.name}", "--revision", commit).returncode == 0


def test_ctrl_c_keeps_what_came_and_the_same_command_goes_on(hub: LocalHub, model: Path, out: Path) -> None:
    hub.stalls[FILE] = KEPT
    controller, terminal = pty.openpty()
    settings = environment(hub.address, out.parent / "hf")
    with subprocess.Popen(command(out), env=settings, stderr=terminal, start_new_session=True) as process:
        os.close(terminal)
        shown = b""
        while b"downloading 3 of 5 MB" not in shown:
            shown += os.read(controller, 1000)
        process.send_signal(signal.SIGINT)
        try:
            while chunk := os.read(controller, 1000):
                shown += chunk
        except OSError:  # Linux's way to say that the other end is closed
            pass
    os.close(controller)
    assert process.returncode == 130
    assert b"The download was interrupted; 3 MB are kept, and the same command goes on from there." in shown
    assert [path.name for path in out.iterdir()] == [".inro-tiny.partial"]

    done = fetch(hub, out)
    assert done.returncode == 0, done.stderr
    assert hub.served[FILE] == model.stat().st_size
    assert [path.name for path in out.iterdir()] == ["inro-tiny"]
    assert sha256_file(out / "inro-tiny" / FILE) == sha256_file(model)


def test_killed_it_goes_on_too(hub: LocalHub, model: Path, out: Path) -> None:
    hub.stalls[FILE] = KEPT
    controller, terminal = pty.openpty()
    settings = environment(hub.address, out.parent / "hf")
    with subprocess.Popen(command(out), env=settings, stderr=terminal, start_new_session=True) as process:
        os.close(terminal)
        shown = b""
        while b"downloading 3 of 5 MB" not in shown:
            shown += os.read(controller, 1000)
        second = fetch(hub, out)
        process.kill()
    os.close(controller)
    assert (second.returncode, "Another process is fetching inro-tiny" in second.stderr) == (3, True)
    assert fetch(hub, out).returncode == 0
    assert hub.served[FILE] == model.stat().st_size


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(model: Path, out: Path) -> None:
    with LocalHub({REPOSITORY: model.parent}, redirecting=True) as hub:
        hub.gated[REPOSITORY] = "hf_secret"
        hub.cuts[FILE] = [KEPT, 0]
        hub.busy = 1
        done = fetch(hub, out, HF_TOKEN="hf_secret")
        assert (done.returncode, done.stderr) == (0, "")
        assert {value for where, value in hub.tokens if where == "hub"} == {"Bearer hf_secret"}
        assert {value for where, value in hub.tokens if where == "store"} == {None}
        assert hub.served[FILE] == model.stat().st_size
        hub.blocked = True
        done = fetch(hub, out / "again", HF_TOKEN="hf_secret")
        assert done.returncode == 3
        assert "keeps its files at 127.0.0.1, which answers with an error (403)" in done.stderr


def test_what_the_hub_does_not_have_or_give_is_one_sentence(hub: LocalHub, out: Path) -> None:
    hub.gated[REPOSITORY] = "hf_other"
    for arguments, token, said in (
        (("clinic/none", FILE), "", "The hub has no repository clinic/none, or it is private"),
        ((REPOSITORY, "none.gguf"), "", f"{REPOSITORY} has no file none.gguf at the revision main"),
        ((REPOSITORY, FILE, "--revision", "v9"), "", f"{REPOSITORY} has no revision v9"),
        ((REPOSITORY, FILE), "", "accept its terms on its page and log in with `hf auth login`"),
        ((REPOSITORY, FILE), "hf_mine", "accept its terms on its page and log in with `hf auth login`"),
        (("../x", FILE), "", "../x is not the name of a repository"),
        ((REPOSITORY, "../x.gguf"), "", "../x.gguf is not the path of a GGUF file"),
        ((hub.address, FILE), "", "without an address"),
    ):
        done = fetch(hub, out, *arguments, **({"HF_TOKEN": token} if token else {}))
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
        assert nothing_in(out)


def test_without_a_network_or_with_another_one_it_is_one_sentence(hub: LocalHub, model: Path, out: Path) -> None:
    def sentence(code: int, **more: str) -> str:
        done = fetch(hub, out, **more)
        assert done.returncode == code, done.stderr
        assert done.stderr.count("\n") == 1
        assert nothing_in(out)
        return done.stderr

    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"http://127.0.0.1:{server.getsockname()[1]}"
    assert "cannot be reached (ConnectError): is this machine connected" in sentence(3, HF_ENDPOINT=closed)
    assert "HF_HUB_OFFLINE forbids every download" in sentence(2, HF_HUB_OFFLINE="1")
    hub.announced[FILE] = {"sha256": "no hash"}
    assert "not a Hugging Face hub" in sentence(3)
    hub.announced[FILE] = {"size": 2**60}
    assert "needs 1,152,921,504.61 GB on the disk" in sentence(3)
    hub.login_page = True
    assert "a login page or a proxy of this network" in sentence(3)


def test_bytes_that_are_not_the_announced_ones_are_refused(hub: LocalHub, model: Path, out: Path) -> None:
    manifest_path(model).unlink()
    hub.announced[FILE] = {"sha256": "0" * 64}
    done = fetch(hub, out)
    assert done.returncode == 1
    assert done.stderr == f"error: {FILE} is not what the hub announces (size or hash); nothing of it is kept.\n"
    assert nothing_in(out)


def test_a_server_without_ranges_sends_the_whole_again(hub: LocalHub, model: Path, out: Path) -> None:
    hub.ranges = False
    hub.cuts[FILE] = [KEPT]
    assert fetch(hub, out).returncode == 0
    assert hub.served[FILE] == KEPT + model.stat().st_size


def test_a_disk_that_cannot_hold_it_is_told_and_what_came_is_kept(hub: LocalHub, model: Path, out: Path) -> None:
    # A limit on the size of a file is refused with the error of a FAT32 stick.
    limited = ["sh", "-c", 'ulimit -f 2000 && exec "$@"', "sh", *command(out)]
    settings = environment(hub.address, out.parent / "hf")
    done = subprocess.run(limited, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "cannot hold a file as large as inro-tiny.gguf: FAT32 ends at 4 GiB" in done.stderr
    assert fetch(hub, out).returncode == 0


def test_without_the_library_it_says_how_to_install_it(out: Path) -> None:
    program = "import sys; sys.modules['huggingface_hub'] = None; from app.cli import main; sys.exit(main())"
    arguments = ["models", "fetch", REPOSITORY, FILE, "-o", str(out)]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert 'pip install "inro[fetch]"' in done.stderr
    assert done.stderr.count("\n") == 1
    assert not out.exists()
