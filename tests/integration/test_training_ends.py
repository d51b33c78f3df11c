"""Ends that nobody wants: Ctrl-C, no memory, no space, another run in the way. What was saved is kept, and how to go on
is said."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.forked_trainings import NO_NAMESPACES, Ended, Moment, Training, Trainings
from tests.tiny_checkpoints import tiny_checkpoint

CONFIG: dict[str, Any] = {
    "data": ["texts.jsonl"],
    "base": "base",
    "output": "outputs/out",
    "block_length": 32,
    "epochs": 2,
    "batch_size": 4,
    "learning_rate": 0.001,
    "log_every": 1,
    "save_every": 2,
    "tensorboard": False,
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    tiny_checkpoint(folder / "base", tied=True, num_hidden_layers=1)
    lines = [json.dumps({"text": f"The {number}th text says that {number} is {number}."}) for number in range(24)]
    (folder / "texts.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


@pytest.fixture
def workplace(inputs: Path, tmp_path: Path) -> Path:
    """Data, base and a configuration, and an empty folder for outputs."""
    for path in inputs.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "outputs").mkdir()
    write(tmp_path)
    return tmp_path


def write(folder: Path, **changes: Any) -> None:
    (folder / "run.yaml").write_text(json.dumps({**CONFIG, **changes}), "utf-8")


def outputs(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "outputs").iterdir())


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "outputs/out.unfinished/checkpoints").iterdir())


def sentence(ended: Ended) -> str:
    """The one sentence on stderr that says what went wrong."""
    last = ended.err.splitlines()[-1]
    assert last.startswith("error: "), ended.err
    assert "Traceback" not in ended.err
    return last


LOGGED_3 = Moment("open", "losses.jsonl", 3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_saves_first_and_the_run_goes_on_as_if_there_had_been_none(
    number: int, workplace: Path, trainings: Trainings
) -> None:
    write(workplace, save_every=0)
    assert trainings.one(workplace, "mfpt", "run.yaml").code == 0
    weights = (workplace / "outputs/out/model.safetensors").read_bytes()
    losses = [json.loads(line)["loss"] for line in lines_of(workplace / "outputs/out")]

    asked = Moment("open", "losses.jsonl", 3, number)
    ended = trainings.one(workplace, "mfpt", "run.yaml", "--force", moments=[asked])
    assert ended.code == 130
    assert "interrupted at step" in sentence(ended)
    assert "same command with --resume" in sentence(ended)
    assert outputs(workplace) == ["out", "out.unfinished"], "what was there stays until the new result is complete"
    assert len(checkpoints(workplace)) == 1

    assert trainings.one(workplace, "mfpt", "run.yaml", "--resume", "--force").code == 0
    assert outputs(workplace) == ["out"]
    assert (workplace / "outputs/out/model.safetensors").read_bytes() == weights
    assert [json.loads(line)["loss"] for line in lines_of(workplace / "outputs/out")] == losses


def lines_of(output: Path) -> list[str]:
    return (output / "training/losses.jsonl").read_text("utf-8").splitlines()


def test_a_second_ctrl_c_ends_at_once(workplace: Path, trainings: Trainings) -> None:
    again = Moment("open", "staging/checkpoint-4", 1, signal.SIGINT)
    asked = Moment("open", "losses.jsonl", 4, signal.SIGINT)
    ended = trainings.one(workplace, "mfpt", "run.yaml", moments=[asked, again])
    assert ended.code == 130
    assert "step 2" in sentence(ended)
    assert checkpoints(workplace) == ["step-00000002"]
    assert not (workplace / "outputs/out.unfinished/staging").exists()


def test_before_the_first_checkpoint_nothing_is_left(workplace: Path, trainings: Trainings) -> None:
    moments = [Moment("open", "losses.jsonl", count, signal.SIGINT) for count in (1, 2)]
    write(workplace, save_every=0, gradient_accumulation=2)
    ended = trainings.one(workplace, "mfpt", "run.yaml", moments=[moments[0], Moment("open", "staging", 1, 2)])
    assert ended.code == 130
    assert outputs(workplace) == []


def test_too_little_memory_says_which_setting_to_lower(workplace: Path, trainings: Trainings) -> None:
    base = workplace / "wide"
    tiny_checkpoint(base, tied=True, num_hidden_layers=2, intermediate_size=4096, hidden_size=64)
    write(workplace, base="wide", batch_size=16, epochs=3, save_every=1)
    memory = Moment("open", "losses.jsonl", 2, limit=("RLIMIT_AS", 4 * 1024 * 1024))
    ended = trainings.one(workplace, "mfpt", "run.yaml", moments=[memory])
    assert ended.code == 3, ended.err
    said = sentence(ended)
    assert "not enough memory: lower batch_size (now 16) and raise gradient_accumulation" in said
    assert "activation_checkpointing: true" in said
    assert "block_length (now 32)" in said
    assert "keeps the checkpoint of step" in said
    # With what was said, and enough memory, the run goes on.
    write(
        workplace, base="wide", batch_size=4, gradient_accumulation=4, epochs=3, save_every=1,
        activation_checkpointing=True,
    )  # fmt: skip
    assert trainings.one(workplace, "mfpt", "run.yaml", "--resume").code == 0
    assert outputs(workplace) == ["out"]


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.pt"])
def test_files_that_may_not_grow_end_the_run_with_what_was_saved(
    file: str, workplace: Path, trainings: Trainings
) -> None:
    """RLIMIT_FSIZE stands for a quota; weights are written by safetensors, the optimizer's state by torch."""
    size = 1000 if file == "model.safetensors" else (workplace / "base/model.safetensors").stat().st_size + 4096
    limit = Moment("open", "losses.jsonl", 4, limit=("RLIMIT_FSIZE", size))
    ended = trainings.one(workplace, "mfpt", "run.yaml", moments=[limit])
    assert ended.code == 3, ended.err
    assert "no space left for outputs/out" in sentence(ended)
    assert "keeps the checkpoint of step 2" in sentence(ended)
    assert checkpoints(workplace) == ["step-00000002"]


def on_a_disk_of(kilobytes: int, folder: Path, trainings: Trainings) -> Ended:
    """A training whose outputs lie in a small tmpfs; its files are listed on stdout."""
    [ended] = trainings.run(folder, Training(["mfpt", "run.yaml"], small_disk=("outputs", kilobytes * 1000)))
    if ended.code == NO_NAMESPACES:
        pytest.skip("this system gives an ordinary process no namespace to mount a small disk in")
    assert ended.code == 3, ended.err
    return ended


def test_a_full_disk_ends_the_run_with_what_was_saved(workplace: Path, trainings: Trainings) -> None:
    """Weights are 200 kB, and a checkpoint 600."""
    ended = on_a_disk_of(1520, workplace, trainings)
    assert "no space left for outputs/out: free some, or let output lie on a larger disk" in sentence(ended)
    assert "keeps the checkpoint of step 2" in sentence(ended)
    left = ended.out.splitlines()
    assert "outputs/out.unfinished/checkpoints/step-00000002/optimizer.pt" in left
    assert not [line for line in left if "staging" in line or "result" in line]


def test_too_small_a_disk_is_found_before_anything_is_computed(workplace: Path, trainings: Trainings) -> None:
    ended = on_a_disk_of(700, workplace, trainings)
    assert "the run needs 1 MB of space" in sentence(ended)
    assert ended.out == ""


def test_a_training_that_diverges_keeps_its_last_good_checkpoint(workplace: Path, trainings: Trainings) -> None:
    """The loss is no number long before it is due to be logged."""
    write(workplace, log_every=1000)
    spoiled = Moment("os.rename", "checkpoints/step-00000006", 1, spoil=True)
    ended = trainings.one(workplace, "mfpt", "run.yaml", moments=[spoiled])
    assert ended.code == 1, ended.err
    assert "the training diverged (the loss is no longer a number); lower learning_rate" in sentence(ended)
    assert checkpoints(workplace) == ["step-00000006"]


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(workplace: Path, trainings: Trainings) -> None:
    # Killed when the second one is there and the first is about to be removed.
    killed = Moment("os.rename", "checkpoints/step-00000002", 2, signal.SIGKILL)
    assert trainings.one(workplace, "mfpt", "run.yaml", moments=[killed]).code == -9
    assert checkpoints(workplace) == ["step-00000002", "step-00000004"]
    optimizer = workplace / "outputs/out.unfinished/checkpoints/step-00000004/optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:1000])
    ended = trainings.one(workplace, "mfpt", "run.yaml", "--resume")
    assert ended.code == 0, ended.err
    record = json.loads((workplace / "outputs/out/run_record.json").read_text("utf-8"))
    assert [one["step"] for one in record["resumed"]] == [2]


def test_where_every_checkpoint_is_damaged_the_person_is_told(workplace: Path, trainings: Trainings) -> None:
    killed = Moment("open", "losses.jsonl", 3, signal.SIGKILL)
    assert trainings.one(workplace, "mfpt", "run.yaml", moments=[killed]).code == -9
    [last] = checkpoints(workplace)
    (workplace / "outputs/out.unfinished/checkpoints" / last / "model.safetensors").write_bytes(b"")
    ended = trainings.one(workplace, "mfpt", "run.yaml", "--resume")
    assert ended.code == 2
    assert f"{last} cannot be resumed from, since it is damaged; give --force to start again" in sentence(ended)


def test_a_run_killed_before_its_first_checkpoint_begins_anew(workplace: Path, trainings: Trainings) -> None:
    write(workplace, validation_share=0.2, save_every=4)
    killed = Moment("open", "losses.jsonl", 3, signal.SIGKILL)
    assert trainings.one(workplace, "mfpt", "run.yaml", moments=[killed]).code == -9
    assert trainings.one(workplace, "mfpt", "run.yaml", "--resume").code == 0
    steps = [(entry["kind"], entry["step"]) for entry in map(json.loads, lines_of(workplace / "outputs/out"))]
    assert len(steps) == len(set(steps))


def test_another_chat_template_is_another_run(workplace: Path, trainings: Trainings) -> None:
    base = tiny_checkpoint(workplace / "own", tied=True, num_hidden_layers=1)
    write(workplace, base="own")
    killed = Moment("open", "losses.jsonl", 3, signal.SIGKILL)
    assert trainings.one(workplace, "mfpt", "run.yaml", moments=[killed]).code == -9
    template = base / "chat_template.jinja"
    template.write_text(template.read_text("utf-8") + "{# changed #}", "utf-8")
    ended = trainings.one(workplace, "mfpt", "run.yaml", "--resume")
    assert ended.code == 2
    assert "is another run, by the content of base" in sentence(ended)


def test_losses_that_no_record_could_hold_are_refused(workplace: Path, trainings: Trainings) -> None:
    write(workplace, max_steps=200_000)
    ended = trainings.one(workplace, "mfpt", "run.yaml")
    assert ended.code == 2
    assert "200,000 steps have too many losses to keep; set log_every to 3" in sentence(ended)
    assert outputs(workplace) == []


def test_an_unfinished_run_is_neither_overwritten_nor_mixed_with_another(workplace: Path, trainings: Trainings) -> None:
    killed = Moment("open", "losses.jsonl", 3, signal.SIGKILL)
    assert trainings.one(workplace, "mfpt", "run.yaml", moments=[killed]).code == -9
    ended = trainings.one(workplace, "mfpt", "run.yaml")
    assert ended.code == 2
    assert "outputs/out.unfinished is an unfinished run; give --resume to continue it, or --force" in sentence(ended)

    write(workplace, learning_rate=0.002, epochs=3)
    ended = trainings.one(workplace, "mfpt", "run.yaml", "--resume")
    assert ended.code == 2
    assert "epochs (was 2.0, is 3.0), learning_rate (was 0.001, is 0.002)" in sentence(ended)

    other = workplace / "other.jsonl"
    other.write_text((workplace / "texts.jsonl").read_text("utf-8").replace("The 3th", "A 3th"), "utf-8")
    write(workplace, data=["other.jsonl"])
    ended = trainings.one(workplace, "mfpt", "run.yaml", "--resume")
    assert ended.code == 2
    assert "is another run, by the content of data" in sentence(ended)
    assert checkpoints(workplace) == ["step-00000002"]

    # The same data under another name is the same data.
    other.write_bytes((workplace / "texts.jsonl").read_bytes())
    assert trainings.one(workplace, "mfpt", "run.yaml", "--resume").code == 0


def test_there_must_be_something_to_resume(workplace: Path, trainings: Trainings) -> None:
    ended = trainings.one(workplace, "mfpt", "run.yaml", "--resume")
    assert ended.code == 2
    assert "there is no unfinished run outputs/out.unfinished to resume" in sentence(ended)
    assert outputs(workplace) == []


def test_what_somebody_else_put_beside_the_output_is_left_alone(workplace: Path, trainings: Trainings) -> None:
    theirs = workplace / "outputs/out.unfinished"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("years of work")
    ended = trainings.one(workplace, "mfpt", "run.yaml", "--force")
    assert ended.code == 2
    assert "was not written by inro-train" in sentence(ended)
    assert (theirs / "thesis.txt").read_text() == "years of work"
