"""The model card of an output: README.md in the hub's format, with what the run record holds for a reader.

Format: huggingface.co/docs/hub/model-cards. The licence is that of the base, as the base's own card states it; where it
states none, the card says that it is not known rather than inventing one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.core.files import write_atomically
from converter.model_card import base_of, forbids_commerce, licence_of
from trainer.records import RECORD_NAME, RunRecord
from trainer.running.summary import cell, duration, evaluation_table, table, validation_table

CARD_NAME = "README.md"

_KINDS = {
    "mfpt": "A causal language model, trained with all its parameters on medical text (MFPT, arXiv 2409.11783).",
    "mpeft": "A LoRA adapter (PEFT), learned from questions and answers (MPEFT, arXiv 2409.11783).",
}


def write_card(folder: Path, record: RunRecord, base: Path | None) -> None:
    """`base` is the checkpoint that was trained from; None for a model from nothing."""
    write_atomically(folder / CARD_NAME, card(record, base).encode())


def card(record: RunRecord, base: Path | None) -> str:
    from huggingface_hub import ModelCardData

    licence = licence_of(base) if base else None
    origin = base_of(base, ()) if base else None
    named: dict[str, Any] = {} if licence is None else _licence(licence)
    if origin:
        named["base_model"] = origin.name
        named["base_model_relation"] = "adapter" if record.recipe == "mpeft" else "finetune"
    data = ModelCardData(
        library_name="peft" if record.recipe == "mpeft" else "transformers",
        pipeline_tag="text-generation",
        tags=["medical", "inro", record.recipe, *(["lora"] if record.recipe == "mpeft" else [])],
        ignore_metadata_errors=False,
        **named,
    )
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(_text(record, base, licence)) + "\n"


def _licence(name: str) -> dict[str, str]:
    """The hub knows its own short names only; any other is "other" with a name."""
    return {"license": name.lower()} if name.lower() in _HUB_LICENCES else {"license": "other", "license_name": name}


_HUB_LICENCES = frozenset(
    (
        "apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "gpl", "gpl-2.0", "gpl-3.0",
        "lgpl", "lgpl-2.1", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "cc0-1.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0",
        "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0",
        "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "openrail",
        "bigscience-openrail-m", "creativeml-openrail-m", "bigscience-bloom-rail-1.0", "bigcode-openrail-m", "llama2",
        "llama3", "llama3.1", "llama3.2", "llama3.3", "gemma", "unlicense", "artistic-2.0", "epl-2.0", "eupl-1.1",
        "zlib", "isc", "wtfpl", "odc-by", "odbl", "pddl", "cdla-permissive-1.0", "cdla-permissive-2.0",
    )
)  # fmt: skip
"""Short names of licences, from the hub's documentation (repositories-licenses)."""


def _text(record: RunRecord, base: Path | None, licence: str | None) -> list[str]:
    name = cell(Path(str(record.configuration["output"])).name)
    lines = [f"# {name}", "", _KINDS.get(record.recipe, ""), ""]
    lines += [
        "It was made to be converted and scored before anybody uses it (`inro-convert`, `inro-eval`). It is no medical "
        "device; what it says about a patient must be checked by a clinician.",
        "",
        "## Base and licence",
        "",
        *_base(record, base, licence),
        "",
        "## Training",
        "",
        f"Started {record.started}, {duration(record.duration_s)}, seed {record.seed}. All settings are in "
        f"`{RECORD_NAME}`.",
        "",
        *table(("", ""), _numbers(record)),
    ]
    if record.validation:
        lines += ["", "### Loss on held-back data", "", *validation_table(record.validation, record.best_step)]
    if record.evaluation:
        lines += ["", "### A sample of a benchmark during the training", "", *evaluation_table(record.evaluation)]
    lines += ["", "## Data", "", *table(("file", "bytes", "SHA-256"), _data(record)), "", _leakage(record)]
    return lines


def _base(record: RunRecord, base: Path | None, licence: str | None) -> list[str]:
    if base is None:
        return ["Trained from nothing; the licence is its maker's to choose."]
    origin = base_of(base, ())
    name = origin.name if origin else base.name
    revision = f", revision {origin.revision}" if origin and origin.revision else ""
    lines = [f"Base: {cell(name)}{revision}."]
    if licence is None:
        return [*lines, "", "**The licence of the base is not known**: its card names none. Find out before sharing."]
    lines += ["", f"Licence of the base: {cell(licence)}. What is derived from it comes under it, too."]
    if forbids_commerce(licence):
        lines.append("It forbids commercial use.")
    return [*lines, "", *table(("weight file", "SHA-256"), ((file.name, file.sha256) for file in record.base))]


def _numbers(record: RunRecord) -> list[tuple[str, object]]:
    numbers: list[tuple[str, object]] = [(key.replace("_", " "), value) for key, value in record.counts.items()]
    if record.losses:
        numbers.append(("training loss at the end", record.losses[-1].loss))
    wanted = ("learning_rate", "epochs", "batch_size", "gradient_accumulation", "rank", "alpha", "quantization")
    numbers += [
        (key.replace("_", " "), record.configuration[key])
        for key in wanted
        if record.configuration.get(key) is not None
    ]
    numbers += [(f"energy, {energy.of}", f"{energy.watt_hours:.1f} Wh") for energy in record.energy]
    return numbers


def _data(record: RunRecord) -> list[tuple[object, ...]]:
    return [(Path(file.name).name, file.bytes, file.sha256) for file in record.data]


def _leakage(record: RunRecord) -> str:
    if not record.held_out_questions:
        return "The data was not searched for evaluation questions before the training."
    said = f"The data was searched for {record.held_out_questions:,} evaluation questions before the training."
    if leaked := record.counts.get("leaked_questions"):
        said += f" **{leaked:,} of them are in it, and it was trained on all the same: a score on them says nothing.**"
    return said
