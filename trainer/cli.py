"""The command `inro-train`: the recipes, what helps before and after them, and the data of the demonstration model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.command import print_json
from app.core.command import run as run_command
from trainer.commands import check_data, plan, sample
from trainer.commands import record as record_command

if TYPE_CHECKING:
    from trainer.records import RunRecord

COMMANDS = (plan, check_data, sample, record_command)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return run_command(lambda: options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inro-train", description="Train a medical model.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    _add_recipe(
        commands.add_parser(
            "mfpt",
            help="full-parameter training on text",
            description="Medical full-parameter training: train a checkpoint on text, or a small new model from "
            "nothing. Writes a checkpoint folder.",
        ),
        "mfpt",
    )
    _add_recipe(
        commands.add_parser(
            "mpeft",
            help="parameter-efficient fine-tuning on conversations",
            description="Medical parameter-efficient fine-tuning: train a LoRA adapter on questions and answers. "
            "Writes an adapter folder in PEFT's format.",
        ),
        "mpeft",
    )
    data = commands.add_parser(
        "demo-data",
        help="write the training data of the demonstration model",
        description="Write the training data of the demonstration model: DIR/mfpt.jsonl, DIR/mpeft.jsonl and "
        "DIR/held_out.jsonl, the questions that are in neither.",
    )
    data.add_argument("-o", "--out", metavar="DIR", type=Path, required=True, help="the folder to write")
    data.add_argument("--corpus", metavar="DIR", type=Path, help="the folder of the corpus; by default the project's")
    _add_common(data)
    data.set_defaults(run=_demo_data)
    return parser


def _add_recipe(parser: argparse.ArgumentParser, recipe: str) -> None:
    parser.add_argument("config", metavar="CONFIG.yaml", type=Path, help="the configuration (see docs/training.md)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="changes", help="instead of what the file says"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint of an unfinished run")
    _add_common(parser)
    parser.set_defaults(run=_train, recipe=recipe)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="replace an output that this command wrote earlier")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def _train(options: argparse.Namespace) -> None:
    from trainer.config import MfptConfig, MpeftConfig, read_config
    from trainer.running.measuring import launched_processes

    if options.recipe == "mfpt":
        full = read_config(options.config, MfptConfig, options.changes)
        from trainer.recipes import mfpt

        record, output = mfpt.run(full, force=options.force, resume=options.resume), full.output
    else:
        adapter = read_config(options.config, MpeftConfig, options.changes)
        from trainer.recipes import mpeft

        record, output = mpeft.run(adapter, force=options.force, resume=options.resume), adapter.output
    if launched_processes().is_first:  # the others of a distributed run would say the same
        _report(record, Path(output), options.json)


def _demo_data(options: argparse.Namespace) -> None:
    from evaluation.demo.facts import default_corpus_folder
    from trainer.demo.data import write_data

    record = write_data(options.corpus or default_corpus_folder(), options.out, force=options.force)
    _report(record, options.out, options.json)


def _report(record: RunRecord, output: Path, as_json: bool) -> None:
    from trainer.records import RECORD_NAME

    final_loss = record.losses[-1].loss if record.losses else None
    if as_json:
        print_json(
            {
                "recipe": record.recipe,
                "output": str(output),
                "record": str(output / RECORD_NAME),
                "duration_s": record.duration_s,
                "final_loss": final_loss,
                **record.counts,
            }
        )
        return
    for name, value in record.counts.items():
        print(f"{name.replace('_', ' '):>20}  {value:,}")
    if final_loss is not None:
        print(f"{'final loss':>20}  {final_loss:.4f}")
    print(f"{'duration':>20}  {record.duration_s:.0f} s")
    print(f"Written: {output}")
