"""`inro doctor`: what this machine offers, and whether the engine works on it."""

from __future__ import annotations

import datetime
import os
import sys

from app import __version__
from app.commands.window import has_display
from app.core.command import print_json
from app.core.engine import hardware
from app.core.engine.client import EngineClient
from app.core.engine.selftest import read_verdict
from app.core.errors import ExitCode, UserFacingError
from app.core.models.selection import select
from app.core.paths import user_paths
from app.core.settings import read_settings


def doctor(*, as_json: bool) -> int:
    paths = user_paths()
    facts: dict[str, object] = {
        "inro": __version__,
        "python": sys.version.split()[0],
        "processor": hardware.processor_name(),
        "physical_cores": hardware.physical_cores(),
        "free_memory_bytes": hardware.free_memory(),
        "display": has_display(os.environ, sys.platform),
        "data": str(paths.data),
    }
    problem: UserFacingError | None = None
    try:
        with EngineClient() as engine:
            hello = engine.start()
            facts |= {
                "llama_cpp_python": hello.llama_cpp_python,
                "llama_cpp_commit": hello.llama_cpp_commit,
                "cpu_features": " ".join(hello.cpu_features),
                "gpu_offload": hello.gpu_offload,
            }
            selected = select(None, read_settings(paths.settings), paths)
            facts |= {"model": selected.name, "model_sha256": selected.sha256}
            if (day := selected.expired(datetime.date.today())) is not None:
                facts["model_expired"] = day.isoformat()
            facts["repacked"] = engine.load(selected.path).repacked
    except UserFacingError as error:
        problem = error
        facts["problem"] = str(error)
    verdict = read_verdict(paths.engine_state)
    facts["self_test"] = verdict.sentence if verdict else "The self-test is made when a model is first loaded."
    if as_json:
        print_json(facts)
    else:
        for name, value in facts.items():
            print(f"{name.replace('_', ' '):20} {_shown(name, value)}")
    return problem.exit_code if problem else ExitCode.DONE


def _shown(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_bytes") and isinstance(value, int):
        return f"{value / 1e9:.1f} GB"
    return str(value)
