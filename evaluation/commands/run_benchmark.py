"""`inro-eval run` of a benchmark: prepare, load, check, ask, and sum up."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from app.core.errors import InputError, UserFacingError
from app.core.files import sha256_file
from evaluation.commands.common import progress, show
from evaluation.output import printable
from evaluation.runs.request import Prepared, Request, prepare
from evaluation.runs.store import check_folder

if TYPE_CHECKING:
    from evaluation.runs.backend import Backend
    from evaluation.runs.engine_backend import EngineBackend
    from evaluation.runs.records import Record


def run_benchmark(options: argparse.Namespace) -> None:
    """`options` are those of `inro-eval run`. Raises InputError, and whatever ends the engine."""
    out: Path = options.out
    check_folder(out, resume=options.resume)
    if options.backend == "engine" and not options.model.is_file():
        raise InputError(f"There is no file {options.model}.")
    prepared = prepare(_request(options))
    _tell(prepared, options)
    with _backend(options, prepared) as (backend, found):
        _ask(replace(prepared, settings=structs.replace(prepared.settings, **found)), backend, options)


def _request(options: argparse.Namespace) -> Request:
    from evaluation.tasks.loading import Selection

    return Request(
        task=options.task,
        data=options.data,
        language=options.lang,
        how=options.how,
        template=options.template,
        templates=options.templates,
        plain=options.plain,
        steps=options.steps,
        shots=options.shots,
        shuffle=options.shuffle,
        permutations=options.permutations,
        seed=options.seed,
        limit=options.limit,
        samples=options.samples,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        grammar=options.grammar,
        selection=Selection(not options.with_pictures, tuple(options.years), options.options),
    )


def _tell(prepared: Prepared, options: argparse.Namespace) -> None:
    """What is asked, what is not, and what is wrong in the files: said before the hours that it may take."""
    from evaluation.tasks.problems import problem_lines, told

    lines = [f"{options.task} ({options.lang}): {len(prepared.items):,} questions"]
    lines += [f"  left out {count}: {reason}" for reason, count in prepared.left_out.items()]
    lines += [f"  {line}" for line in problem_lines(told(prepared.data))]
    print(printable("\n".join(lines)), file=sys.stderr)


# --- who answers ------------------------------------------------------------------------------------------------------


@contextmanager
def _backend(options: argparse.Namespace, prepared: Prepared) -> Iterator[tuple[Backend, dict[str, Any]]]:
    """Who answers, and the settings that were found out of it."""
    if options.backend == "openai":
        import os

        from evaluation.runs.openai_backend import KEY_VARIABLE, OpenAIBackend

        with OpenAIBackend(options.url, key=os.environ.get(KEY_VARIABLE), model=options.served_model) as server:
            # What it cannot do is said before there is a run.
            if prepared.settings.how in ("letter", "option"):
                server.check_scoring()
            yield server, {}
        return
    from evaluation.runs.scored import settle_batching

    with _engine(options, prepared) as backend:
        if told := settle_batching(options.out, options.resume, backend, prepared):
            print(told, file=sys.stderr)
        yield backend, {"batched": backend.together, "context_length": backend.context_length}


@contextmanager
def _engine(options: argparse.Namespace, prepared: Prepared) -> Iterator[EngineBackend]:
    from app.core.engine.tool_client import ToolClient
    from app.core.models.gguf_header import read_header
    from evaluation.runs.engine_backend import EngineBackend
    from evaluation.runs.records import RunEngine, RunModel

    model: Path = options.model
    if prepared.settings.chat and not read_header(model).chat_template:
        raise InputError(f"{model.name} has no chat template: add --plain to ask without one.")
    with progress("reading the file", model.stat().st_size, "B") as advance:
        sha256 = sha256_file(model, advance)
    with ToolClient() as engine:
        hello = engine.start()
        with progress("loading the model", 100, "%") as advance:
            shown = 0

            def on_progress(fraction: float) -> None:
                nonlocal shown
                advance(int(100 * fraction) - shown)
                shown = int(100 * fraction)

            info = engine.load(model, context_length=options.context, threads=options.threads, on_progress=on_progress)
        yield EngineBackend(
            engine,
            info,
            RunModel(file=model.name, sha256=sha256, description=info.description),
            RunEngine(commit=hello.llama_cpp_commit, version=hello.llama_cpp_python),
        )


# --- asking -----------------------------------------------------------------------------------------------------------


def _ask(prepared: Prepared, backend: Backend, options: argparse.Namespace) -> None:
    from evaluation.runs.scored import ask, identity
    from evaluation.runs.store import start_run

    out: Path = options.out
    done = 0
    total = len(prepared.items)
    run = identity(options.task, options.lang, prepared, backend)
    with start_run(out, run, resume=options.resume) as file:
        try:
            kept = {record.item.id for record in file.kept}
            with progress(f"{options.task} {options.lang}", total, done=len(kept)) as advance:

                def on_record(record: Record) -> None:
                    nonlocal done
                    done += 1
                    if record.item.id not in kept:
                        advance(1)

                ask(prepared, backend, file, on_record)
        except (KeyboardInterrupt, UserFacingError):
            if done:
                print(f"{done:,} questions are kept in {out}; add --resume to go on from there.", file=sys.stderr)
            raise
    _sum_up(out, options.json)


def _sum_up(folder: Path, as_json: bool) -> None:
    from evaluation.output import Output
    from evaluation.reporting.summary import summary_json, summary_text
    from evaluation.runs.scored import sum_up

    summary = sum_up(folder)
    text = (
        f"{summary_text(summary)}\n\nThe run: {folder}; `inro-eval report {folder} -o report.html` makes a page of it."
    )
    show(Output(summary_json(summary), text), as_json)
