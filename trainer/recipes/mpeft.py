"""MPEFT, medical parameter-efficient fine-tuning: a LoRA adapter learned from conversations.

Only the assistant's tokens are learned (see `trainer.labels`); the checkpoint itself is not changed.
Source of the method: arXiv 2409.11783; LoRA: arXiv 2106.09685.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.core.errors import InputError
from trainer.adapters import adapter_model
from trainer.added_tokens import add_tokens
from trainer.base import base_files, check_context, load_tokenizer
from trainer.batches import Padded, packed_rows, padding_of, rows_of
from trainer.config import MpeftConfig
from trainer.data.documents import Record, as_messages
from trainer.data.loading import load
from trainer.labels import IGNORED, Example, Labelled, Labeller
from trainer.letters import read_sample, sample
from trainer.loop import Job, quiet_libraries, seed_everything, train
from trainer.records import RunRecord, describe_files
from trainer.running.finishing import Inputs, finish, put_in_place
from trainer.running.folder import check_start, open_run
from trainer.running.freed_memory import give_back_large_tensors
from trainer.running.holding_back import hold_back
from trainer.running.measuring import launched_processes
from trainer.running.settings import trainer_settings


def run(config: MpeftConfig, *, force: bool = False, resume: bool = False) -> RunRecord:
    """Train and write an adapter in PEFT's format with the run record."""
    processes = launched_processes()
    if processes.is_first:
        check_start(config, force=force, resume=resume)
    base = base_files(config.base)
    data = load(config)
    learned, held_back = hold_back(data.records, config.validation_share, config.seed, content=lambda one: one.document)
    questions = read_sample(config)
    inputs = Inputs(
        recipe="mpeft",
        config=config,
        processes=processes,
        data=describe_files(data.files),
        held_out=describe_files(data.held_out_files),
        held_out_questions=data.questions,
        base=describe_files(base),
    )
    with open_run(config, inputs.identity, rank=processes.rank, force=force, resume=resume) as run:
        if run.is_complete:
            return put_in_place(run)
        quiet_libraries()
        seed_everything(config)
        give_back_large_tensors(config)
        settings = trainer_settings(config, run)
        tokenizer = load_tokenizer(config.base)
        added = add_tokens(tokenizer, config.added_tokens)
        examples, left_out = _examples(learned, tokenizer, config.max_length)
        rows = packed_rows(examples, config.max_length) if config.packing else rows_of(examples)
        model = adapter_model(config, added)
        check_context(model, rows)
        counts = {
            "documents": len(learned),
            "documents_held_back": len(held_back),
            **data.counts,
            "examples": len(examples),
            "answers_left_out": left_out,
            "sequences": len(rows),
            "tokens": sum(len(row["input_ids"]) for row in rows),
            "learned_tokens": sum(label != IGNORED for row in rows for label in row["labels"]),
            "parameters": model.get_nb_trainable_parameters()[0],
        }
        job = Job(
            config=config,
            settings=settings,
            model=model,
            rows=rows,
            collate=Padded(padding_of(tokenizer)),
            held_back=rows_of(_examples(held_back, tokenizer, config.max_length, "held back")[0]) if held_back else (),
            sample=sample(questions, tokenizer) if questions else None,
            similar_lengths=not config.packing,
            tokenizer=tokenizer if added else None,
        )
        return finish(run, inputs, train(job, run), counts)


def _examples(
    records: Sequence[Record], tokenizer: Any, max_length: int, which: str = "learned"
) -> tuple[list[Example], int]:
    """What is learned or measured, and how many answers do not fit into `max_length`.

    Raises InputError if none does, rather than learn nothing and call it done.
    """
    labeller = Labeller(tokenizer, max_length)
    labelled = [_labelled(labeller, record) for record in records]
    examples = [example for one in labelled for example in one.examples]
    if not examples:
        raise InputError(
            f"no conversation has an answer within {max_length} tokens, of those that are {which}; raise max_length."
        )
    return examples, sum(one.left_out for one in labelled)


def _labelled(labeller: Labeller, record: Record) -> Labelled:
    try:
        return labeller(as_messages(record.document))
    except InputError as error:
        raise InputError(f"{record.place}: {error}") from error
