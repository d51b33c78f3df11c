"""What the commands of `inro-convert` do in a terminal. Each function takes the parsed arguments of its command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from app.core.command import print_json
from app.core.engine.client import EngineClient
from app.core.errors import CheckRefused, InputError
from app.core.files import sha256_file
from app.core.models.gguf_header import model_files
from app.core.models.manifest import Manifest, Source, find_manifest, write_manifest
from converter.cli import BUILT_IN
from converter.convert import Converted, Order, check_order
from converter.convert import convert as carry_out
from converter.hub import fetch
from converter.importances.calibration import measure
from converter.importances.importance import Matrix, check_matrix, read_matrix, write_matrix
from converter.inputs import Inputs
from converter.manifest import UNKNOWN_LICENCE, Facts, build_manifest, sources_of
from converter.model_card import forbids_commerce, licence_of
from converter.placing import check_folder, check_free
from converter.plan import plan
from converter.progress import Progress
from converter.proof.samples import read_text
from converter.proof.verification import Verification, read_verification, write_verification
from converter.proof.wording import lines


def inputs_of(options: argparse.Namespace) -> Inputs:
    """The folders that were named, downloaded where that was asked for. Raises InputError, MachineError."""
    return Inputs(
        checkpoint=_folder(options.checkpoint, options.hub),
        adapters=tuple(_folder(name, options.hub) for name in getattr(options, "adapters", ())),
        template=getattr(options, "chat_template", None),
        base_quant=getattr(options, "base_quant", None),
        any_base=getattr(options, "any_base", False),
    )


def _folder(name: str, download: bool) -> Path:
    path = Path(name)
    if path.is_dir():
        return path
    if download:
        return fetch(name)
    hint = "; --hub downloads a repository of that name" if name.count("/") == 1 and not name.startswith(".") else ""
    raise InputError(f"{name} is not a folder{hint}.")


# --- convert ----------------------------------------------------------------------------------------------------------


def convert(options: argparse.Namespace) -> None:
    inputs = inputs_of(options)
    order = Order(
        inputs=inputs,
        target=options.out,
        recipes=options.quant,
        dtype=options.dtype,
        name=options.name,
        most_bytes=options.split_max_size,
        force=options.force,
    )
    _check_name(options.out, ".gguf", "a model")
    check_order(order)
    _check_matrix_options(order, options)
    with Progress() as progress:
        matrix = _matrix(order, options, progress)
        sources: list[Source] = []

        def verify(model: Path, parent: Path | None, is_parent: bool) -> Verification:
            # The unquantized file has been compared with the checkpoint when quantized ones are compared with it, and
            # limits that were asked for are those of what was asked for.
            with_checkpoint = parent is None
            return _verified(model, inputs, parent, options, progress, with_checkpoint, usual_limits=is_parent)

        def describe(result: Converted) -> Manifest:
            if not sources:
                progress.start("hashing what the file was made from")
                sources.extend(sources_of(inputs, (), options.imatrix))
            return build_manifest(_facts(order, options, matrix, result, sources), result.path)

        results = carry_out(
            order,
            EngineClient,
            importance=matrix.values if matrix else None,
            verify=verify if options.verify else None,
            describe=describe if options.manifest else None,
            on_start=progress.start,
            on_bytes=progress.advance,
        )
    for result in results:
        _report(result, options.json)
    if options.manifest:
        warn_of_licence(options.licence or licence_of(inputs.checkpoint) or UNKNOWN_LICENCE)


def _check_name(path: Path, ending: str, what: str) -> None:
    """An output cannot be taken for one of the inputs, or one output for another."""
    try:
        path.name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"The name of the output, {path.name!a}, is no Unicode.") from error
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file.")
    if not path.name.endswith(ending):
        raise InputError(f"{path} is no name for {what}; it must end in {ending}.")


def _check_matrix_options(order: Order, options: argparse.Namespace) -> None:
    if (options.imatrix or options.calibration) and not order.recipes:
        raise InputError("An importance matrix is for quantizing; give --quant as well.")
    if options.save_imatrix:
        if not options.calibration:
            raise InputError("--save-imatrix keeps the matrix of --calibration, which was not given.")
        check_folder(options.save_imatrix.parent)
        check_free([options.save_imatrix], options.force)


def _matrix(order: Order, options: argparse.Namespace, progress: Progress) -> Matrix | None:
    """The importance matrix of a file, or of a text. Raises InputError, MachineError."""
    if not options.imatrix and not options.calibration:
        return None
    if options.imatrix:
        matrix = read_matrix(options.imatrix)
        check_matrix(matrix, plan(order.inputs))
        return matrix
    text, origin = _calibration_text(options.calibration)
    matrix = measure(order.inputs, text, origin, progress.start, progress.advance)
    if options.save_imatrix:
        write_matrix(options.save_imatrix, matrix)
    return matrix


def _calibration_text(name: str) -> tuple[str, str]:
    """A text, and what it is called in records: by its hash, since file names change."""
    if name == BUILT_IN:
        return read_text("calibration"), "built-in medical sample"
    path = Path(name)
    try:
        return path.read_text(encoding="utf-8"), f"{path.name}, sha256 {sha256_file(path)}"
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text.") from error


def _facts(
    order: Order, options: argparse.Namespace, matrix: Matrix | None, result: Converted, sources: Sequence[Source]
) -> Facts:
    recipe = {"type": result.file_type}
    if result.notes:
        recipe["notes"] = " ".join(result.notes)
    if matrix:
        recipe["importance_matrix"] = matrix.origin
        recipe["importance_tokens"] = str(matrix.chunks * matrix.chunk_tokens)
    return Facts(
        model=result.paths[0],
        parts=result.paths[1:],
        name=options.name or result.name,
        inputs=order.inputs,
        licence=options.licence,
        sources=sources,
        recipe=recipe,
        verification=result.verification,
    )


def _report(result: Converted, as_json: bool) -> None:
    found = result.verification
    if as_json:
        print_json(
            {
                "file": str(result.path),
                "parts": [str(path) for path in result.places],
                "file_bytes": result.file_bytes,
                "file_type": result.file_type,
                "parameters": result.parameters,
                "notes": result.notes,
                "manifest": str(result.manifest) if result.manifest else None,
                "verification": msgspec.to_builtins(found) if found else None,
            }
        )
        return
    print(f"{result.path}: {result.file_type}, {result.parameters:,} parameters, {result.file_bytes:,} bytes")
    for path in result.places[1:]:
        print(f"  with {path.name}")
    for note in result.notes:
        print(f"  {note}")
    if found:
        _print_figures(found)
    if result.manifest:
        print(f"{result.manifest}: its manifest")


# --- inspect ----------------------------------------------------------------------------------------------------------


def inspect(options: argparse.Namespace) -> None:
    from converter.inspection import inspection, sentences

    found = inspection(inputs_of(options))
    if options.json:
        print_json(msgspec.to_builtins(found))
    else:
        print("\n".join(sentences(found)))


# --- lora -------------------------------------------------------------------------------------------------------------


def lora(options: argparse.Namespace) -> None:
    from converter.adapters.gguf_adapter import write_adapter

    _check_name(options.out, ".gguf", "an adapter")
    check_folder(options.out.parent)
    check_free([options.out], options.force)
    made = write_adapter(_folder(options.adapter, options.hub), inputs_of(options), options.out, options.dtype)
    if options.json:
        print_json({"file": str(made.path), "layers": made.layers, "parameters": made.parameters,
                    "file_bytes": made.file_bytes})  # fmt: skip
    else:
        print(f"{made.path}: {made.layers} layers, {made.parameters:,} parameters, {made.file_bytes:,} bytes")
        for note in made.notes:
            print(f"  {note}")


# --- verify -----------------------------------------------------------------------------------------------------------


def verify(options: argparse.Namespace) -> None:
    if options.out:
        _check_name(options.out, ".json", "the figures")
        if options.out.exists():
            read_verification(options.out)  # earlier figures may be replaced, and nothing else
    inputs = inputs_of(options)
    with Progress() as progress:
        found = _verified(options.model, inputs, options.parent, options, progress)
    if options.out:
        write_verification(options.out, found)
    if options.json:
        print_json({**msgspec.to_builtins(found), "passed": not found.refusals})
    else:
        print(f"{options.model}: {found.quantization}")
        _print_figures(found)
    if found.refusals:
        raise CheckRefused(" ".join(found.refusals))


def _verified(
    model: Path,
    inputs: Inputs,
    parent: Path | None,
    options: argparse.Namespace,
    progress: Progress,
    with_checkpoint: bool = True,
    usual_limits: bool = False,
) -> Verification:
    from converter.proof.verify import verify as compare

    with EngineClient() as engine:
        return compare(
            model,
            inputs,
            engine,
            parent=parent,
            with_checkpoint=with_checkpoint,
            positions=getattr(options, "positions", None),
            max_mean_kl=None if usual_limits else options.max_mean_kl,
            min_same_top=None if usual_limits else options.min_same_top,
            on_step=progress.start,
        )


def _print_figures(found: Verification) -> None:
    for line in lines(found):
        print(f"  {line}")


# --- manifest ---------------------------------------------------------------------------------------------------------


def manifest(options: argparse.Namespace) -> None:
    _check_name(options.out, ".manifest.json", "a manifest")
    inputs = inputs_of(options)
    facts = Facts(
        model=options.model,
        name=options.name,
        licence=options.licence,
        inputs=inputs,
        sources=sources_of(inputs, options.record),
        verification=read_verification(options.verification) if options.verification else None,
        earlier=find_manifest(options.model),
        parts=model_files(options.model)[1:],
        score_cards=options.score_card,
        examples=options.examples,
        languages=tuple(dict.fromkeys(options.lang or ("ja", "en"))),
        demonstration=options.demonstration,
        intended_use=options.intended_use,
        expires=options.expires,
    )
    made = build_manifest(facts, options.out)
    write_manifest(options.out, made)
    warn_of_licence(made.licence)
    if options.json:
        print_json(msgspec.to_builtins(made))
    else:
        print(f"{options.out}: {made.name}, {made.quantization}, sha256 {made.sha256}")


def warn_of_licence(licence: str) -> None:
    if licence == UNKNOWN_LICENCE:
        print("warning: the licence is not known; give it with --licence.", file=sys.stderr)
    elif forbids_commerce(licence):
        print(f"warning: {licence} does not allow commercial use.", file=sys.stderr)
