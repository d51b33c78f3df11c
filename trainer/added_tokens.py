"""Words and marks that become tokens of their own: in the tokenizer, and as rows of the embeddings and the output.

The rows that a base keeps unused are taken first; beyond them its vocabulary grows. A new row begins as the mean of
those that its text was written with before (Gee et al., "Fast Vocabulary Transfer", EMNLP 2022 Industry Track), which
says more than a random one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.core.errors import InputError
from trainer.isolation import is_whole

Pieces = dict[int, tuple[int, ...]]
"""The number of each new token, with those that its text was written with."""


def add_tokens(tokenizer: Any, texts: Sequence[str]) -> Pieces:
    """Let each of `texts` be one token. One that the chat template writes is a control token, which text cannot spell;
    any other is read wherever it stands in a text.

    Raises InputError for one that is a token already.
    """
    from tokenizers import AddedToken

    vocabulary = tokenizer.get_vocab()
    if known := [text for text in texts if text in vocabulary]:
        raise InputError(f"added_tokens: {known[0]} is a token of the base already; leave it out.")
    before = [tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    template = str(tokenizer.chat_template or "")
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=text in template) for text in texts])
    return dict(zip(tokenizer.convert_tokens_to_ids(list(texts)), before, strict=True))


def make_rows(base: Any, added: Pieces) -> bool:
    """Give `base`, as it was loaded, a row for each token; whether its vocabulary had to grow for that.

    Raises InputError for one that is sharded.
    """
    import torch

    if not is_whole(base):
        raise InputError("added_tokens needs the whole base in one process; launch the recipe without sharding.")
    grows = max(added) >= base.get_input_embeddings().weight.shape[0]
    if grows:
        base.resize_token_embeddings(max(added) + 1, mean_resizing=False)
    with torch.no_grad():
        for layer in (base.get_input_embeddings(), base.get_output_embeddings()):
            for number, pieces in added.items():
                layer.weight[number] = layer.weight[list(pieces)].mean(0)
    return bool(grows)
