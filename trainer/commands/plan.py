"""`inro-train plan` and `inro-train presets`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.commands.common import Commands


def add(commands: Commands) -> None:
    _add_plan(commands)
    _add_presets(commands)


def _add_plan(commands: Commands) -> None:
    parser = commands.add_parser(
        "plan",
        help="what a configuration will need: memory, disk, steps, hours",
        description="Predict parameters, peak memory, disk, steps, tokens and hours from a configuration, its data and "
        "the base's config.json; no weights are loaded. Exits with 1 if it does not fit.",
    )
    parser.add_argument("config", metavar="CONFIG.yaml", type=Path, help="the configuration (see docs/training.md)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="changes", help="instead of what the file says"
    )
    parser.add_argument("--recipe", choices=("mfpt", "mpeft"), help="where the configuration could be meant for both")
    parser.add_argument("--gpu", metavar="NAME", help="plan for this GPU, for example “RTX 4090”, not for this machine")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_plan)


def _add_presets(commands: Commands) -> None:
    parser = commands.add_parser(
        "presets",
        help="the presets, and which of them fit this machine",
        description="List the presets: what each is for, the memory it needs, and whether this machine has it.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="print the file of this preset")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_presets)


def _plan(options: argparse.Namespace) -> int:
    import msgspec

    from app.core.errors import ExitCode
    from evaluation.commands.common import show
    from evaluation.output import Output
    from trainer.config import read_either
    from trainer.planning.plan import fitting_presets, machine_for, make_plan
    from trainer.planning.text import plan_text

    config = read_either(options.config, options.changes, options.recipe)
    plan, presets = make_plan(config, options.gpu), fitting_presets(machine_for(options.gpu))
    found = {**msgspec.to_builtins(plan), "presets": [msgspec.to_builtins(fit) for fit in presets]}
    show(Output(found, plan_text(plan, presets)), options.json)
    return ExitCode.DONE if plan.memory.fits and plan.disk.fits else ExitCode.REFUSED


def _presets(options: argparse.Namespace) -> None:
    import msgspec

    from evaluation.commands.common import show
    from evaluation.output import Output
    from trainer.planning.machine import this_machine
    from trainer.planning.plan import fitting_presets
    from trainer.planning.text import presets_text
    from trainer.presets import preset_text, read_preset

    if options.name:
        preset = read_preset(options.name)
        show(Output(msgspec.to_builtins(preset), preset_text(options.name).rstrip("\n")), options.json)
        return
    machine = this_machine()
    presets = fitting_presets(machine)
    found = {"machine": machine.name, "presets": [msgspec.to_builtins(fit) for fit in presets]}
    show(Output(found, presets_text(presets, machine)), options.json)
