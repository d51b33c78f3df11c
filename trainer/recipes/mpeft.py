"""MPEFT, medical parameter-efficient fine-tuning: a LoRA adapter learned from conversations.

Only the assistant's tokens are learned (see `trainer.labels`); the checkpoint itself is not changed.
Source of the method: arXiv 2409.11783; LoRA: arXiv 2106.09685.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.core.errors import InputError
from trainer.config import MpeftConfig
from trainer.documents import Document, as_messages, read_conversations
from trainer.labels import IGNORED, build_example
from trainer.leakage import check_leakage, read_held_out
from trainer.loop import Collator, Row, check_checkpoint, quiet_libraries, train, weight_type
from trainer.output import check_output, new_folder
from trainer.records import (
    RunRecord,
    describe_files,
    describe_machine,
    library_versions,
    start_clock,
    write_record,
)

if TYPE_CHECKING:
    import torch


def run(config: MpeftConfig, *, force: bool = False) -> RunRecord:
    """Train and write an adapter in PEFT's format with the run record."""
    clock = start_clock()
    output = Path(config.output)
    check_output(output, force)
    data_paths, held_out_paths = [Path(name) for name in config.data], [Path(name) for name in config.held_out]
    documents, held_out = read_conversations(data_paths), read_held_out(held_out_paths)
    check_leakage(documents, held_out)
    base_files = describe_files(check_checkpoint(Path(config.base)))

    quiet_libraries()
    from transformers import AutoTokenizer, set_seed

    set_seed(config.seed)
    tokenizer = AutoTokenizer.from_pretrained(config.base, local_files_only=True)
    rows = _rows(documents, tokenizer, config.max_length)
    model = _model(config)
    with new_folder(output, force) as folder:
        losses, steps = train(model, rows, _collator(tokenizer), config, folder, similar_lengths=True)
        # "auto" would ask the network whether the base's vocabulary was resized. It was not.
        model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty form
        started, duration = clock()
        record = RunRecord(
            recipe="mpeft",
            started=started,
            duration_s=duration,
            seed=config.seed,
            configuration=msgspec.to_builtins(config),
            data=describe_files(data_paths),
            held_out=describe_files(held_out_paths),
            held_out_questions=len(held_out),
            base=base_files,
            counts={
                "documents": len(documents),
                "examples": len(rows),
                "tokens": sum(len(row["input_ids"]) for row in rows),
                "learned_tokens": sum(label != IGNORED for row in rows for label in row["labels"]),
                "parameters": model.get_nb_trainable_parameters()[0],
                "steps": steps,
            },
            losses=losses,
            versions=library_versions(),
            machine=describe_machine(),
        )
        write_record(folder, record)
    return record


def _rows(documents: Sequence[Document], tokenizer: Any, max_length: int) -> list[Row]:
    """Raises InputError if no answer at all fits into `max_length`, rather than learn nothing and call it done."""
    if not tokenizer.chat_template:
        raise InputError("the base has no chat template, so conversations cannot be rendered for it.")
    examples = [build_example(as_messages(document), tokenizer, max_length) for document in documents]
    rows: list[Row] = [{"input_ids": example.input_ids, "labels": example.labels} for example in examples if example]
    if not rows:
        raise InputError(f"no conversation has an answer within {max_length} tokens; raise max_length.")
    return rows


def _model(config: MpeftConfig) -> Any:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(config.base, dtype=weight_type(config), local_files_only=True)
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, lora)


def _collator(tokenizer: Any) -> Collator:
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id

    def collate(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        import torch

        # No attention mask: padding stands after the text, where causal attention never looks back from, and it has
        # no labels.
        width = max(len(row["input_ids"]) for row in rows)
        tokens = [row["input_ids"] + [padding] * (width - len(row["input_ids"])) for row in rows]
        labels = [row["labels"] + [IGNORED] * (width - len(row["labels"])) for row in rows]
        return {"input_ids": torch.tensor(tokens), "labels": torch.tensor(labels)}

    return collate
