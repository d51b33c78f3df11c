"""MFPT, medical full-parameter training: continued pretraining on text, or a small model from nothing.

Documents are tokenized, joined with an end-of-document token, cut into blocks of equal length, and every token is
learned from those before it. Source of the method: arXiv 2409.11783.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.core.errors import InputError
from trainer.base import attention, base_files, check_context, load_tokenizer, load_whole, ready_for_training
from trainer.batches import Padded, Row, blocks, cut, packed_rows, padding_of, rows_of
from trainer.config import MfptConfig
from trainer.data.documents import Document, Record
from trainer.data.loading import load
from trainer.data.tokens import DocumentTokens
from trainer.letters import read_sample, sample
from trainer.loop import Job, quiet_libraries, seed_everything, train
from trainer.records import RunRecord, describe_files
from trainer.running.finishing import Inputs, finish, put_in_place
from trainer.running.folder import check_start, open_run
from trainer.running.freed_memory import give_back_large_tensors
from trainer.running.holding_back import hold_back
from trainer.running.measuring import launched_processes
from trainer.running.settings import trainer_settings


def run(config: MfptConfig, *, force: bool = False, resume: bool = False) -> RunRecord:
    """Train and write a checkpoint: safetensors, config.json, tokenizer, chat template and the run record."""
    processes = launched_processes()
    if processes.is_first:
        check_start(config, force=force, resume=resume)
    base = base_files(config.base) if config.base else []
    data = load(config)
    learned, held_back = hold_back(data.records, config.validation_share, config.seed, content=lambda one: one.document)
    questions = read_sample(config)
    inputs = Inputs(
        recipe="mfpt",
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
        documents = [record.document for record in learned]
        tokenizer = _tokenizer(config, documents)
        rows = _rows(documents, tokenizer, config)
        model = ready_for_training(_model(config, tokenizer), config)
        check_context(model, rows)
        counts = {
            "documents": len(learned),
            "documents_held_back": len(held_back),
            **data.counts,
            "blocks": len(rows),
            "tokens": sum(len(row["input_ids"]) for row in rows),
            "vocabulary": len(tokenizer),
            "parameters": model.num_parameters(),
        }
        job = Job(
            config=config,
            settings=settings,
            model=model,
            rows=rows,
            collate=Padded(padding_of(tokenizer)),
            held_back=_measured(held_back, tokenizer, config),
            sample=sample(questions, tokenizer) if questions else None,
            tokenizer=tokenizer,
        )
        return finish(run, inputs, train(job, run), counts)


def _tokenizer(config: MfptConfig, documents: Sequence[Document]) -> Any:
    if config.base:
        return load_tokenizer(config.base)
    from trainer.tokenizer import train_tokenizer

    # A passage once, however often the data repeats it: what is frequent is then what is common to many passages.
    passages = dict.fromkeys(passage for document in documents for passage in document.passages())
    return train_tokenizer(passages, config.vocabulary_size or 0, config.context_length or 0)


def _model(config: MfptConfig, tokenizer: Any) -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    if config.base:
        return load_whole(config)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            intermediate_size=config.intermediate_size,
            max_position_embeddings=config.context_length,
            tie_word_embeddings=True,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            use_cache=True,
            **attention(config),
        )
    )


def _rows(documents: Sequence[Document], tokenizer: Any, config: MfptConfig) -> list[Row]:
    """Rows of `block_length` tokens, in which documents follow one another; packed, they do not see one another.

    Raises InputError if there is not even one row.
    """
    tokenized = map(DocumentTokens(tokenizer), documents)
    length = config.block_length
    rows = packed_rows(cut(tokenized, length), length) if config.packing else blocks(tokenized, length)
    if not rows:
        raise InputError(f"the data has fewer tokens than one block of {length}; lower block_length.")
    return rows


def _measured(records: Sequence[Record], tokenizer: Any, config: MfptConfig) -> list[Row]:
    """What was held back, each document by itself."""
    tokenized = map(DocumentTokens(tokenizer), (record.document for record in records))
    return rows_of(cut(tokenized, config.block_length)) if records else []
