"""MFPT, medical full-parameter training: continued pretraining on text, or a small model from nothing.

Documents are tokenized, joined with an end-of-document token, cut into blocks of equal length, and every token is
learned from those before it. Source of the method: arXiv 2409.11783.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.core.errors import InputError
from trainer.config import MfptConfig
from trainer.documents import Document, as_messages, read_documents
from trainer.leakage import check_leakage, read_held_out
from trainer.loop import Row, check_checkpoint, quiet_libraries, train
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


def run(config: MfptConfig, *, force: bool = False) -> RunRecord:
    """Train and write a checkpoint: safetensors, config.json, tokenizer, chat template and the run record."""
    clock = start_clock()
    output = Path(config.output)
    check_output(output, force)
    data_paths, held_out_paths = [Path(name) for name in config.data], [Path(name) for name in config.held_out]
    documents, held_out = read_documents(data_paths), read_held_out(held_out_paths)
    check_leakage(documents, held_out)
    base_files = describe_files(check_checkpoint(Path(config.base))) if config.base else ()

    quiet_libraries()
    from transformers import set_seed

    set_seed(config.seed)
    tokenizer = _tokenizer(config, documents)
    blocks = _blocks(documents, tokenizer, config.block_length)
    model = _model(config, tokenizer)
    with new_folder(output, force) as folder:
        losses, steps = train(model, blocks, _collate, config, folder, similar_lengths=False)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        started, duration = clock()
        record = RunRecord(
            recipe="mfpt",
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
                "blocks": len(blocks),
                "tokens": len(blocks) * config.block_length,
                "vocabulary": len(tokenizer),
                "parameters": model.num_parameters(),
                "steps": steps,
            },
            losses=losses,
            versions=library_versions(),
            machine=describe_machine(),
        )
        write_record(folder, record)
    return record


def _tokenizer(config: MfptConfig, documents: Sequence[Document]) -> Any:
    if config.base:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(config.base, local_files_only=True)
    from trainer.tokenizer import train_tokenizer

    # A passage once, however often the data repeats it: what is frequent is then what is common to many passages.
    passages = dict.fromkeys(passage for document in documents for passage in document.passages())
    return train_tokenizer(passages, config.vocabulary_size or 0, config.context_length or 0)


def _model(config: MfptConfig, tokenizer: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

    if config.base:
        # Weights stay in float32 while they are trained; `precision` is that of the computation.
        return AutoModelForCausalLM.from_pretrained(config.base, dtype=torch.float32, local_files_only=True)
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
        )
    )


def _blocks(documents: Sequence[Document], tokenizer: Any, length: int) -> list[Row]:
    """All documents joined and cut into rows of `length` tokens. The tail that fills no row is left out.

    Raises InputError if there is not even one row.
    """
    from trainer.tokenizer import document_end

    end = document_end(tokenizer)
    stream: list[int] = []
    for document in documents:
        # A text is words only: "<|im_end|>" written in it is not the end of a turn.
        if document.text is not None:
            stream += tokenizer(document.text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        else:
            rendered = tokenizer.apply_chat_template(as_messages(document), tokenize=False)
            stream += tokenizer(rendered, add_special_tokens=False)["input_ids"]
        stream.append(end)
    rows: list[Row] = [
        {"input_ids": stream[start : start + length]} for start in range(0, len(stream) - length + 1, length)
    ]
    if not rows:
        raise InputError(f"the data has {len(stream)} tokens, fewer than one block of {length}; lower block_length.")
    return rows


def _collate(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    import torch

    # No attention mask: there is no padding, and without a mask attention takes its fastest path.
    tokens = torch.tensor([row["input_ids"] for row in rows])
    return {"input_ids": tokens, "labels": tokens}
