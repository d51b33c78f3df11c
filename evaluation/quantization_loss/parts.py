"""What of a text both files predict: chunks, of which the second half counts, in parts whose logits stay small.

As llama.cpp's llama-perplexity does it (tools/perplexity): chunks of one length, each read from an empty context; its
first half is only context, and a token for the beginning of a text, where the model has one, takes the place of the
first token of each chunk. What is left at the end of the text is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import InputError

LEAST_CONTEXT = 8
LEAST_CHUNKS = 2
"""One would tell nothing of the error."""


@dataclass(frozen=True)
class Part:
    chunk: int
    tokens: tuple[int, ...]
    """From the beginning of the chunk."""
    first: int
    """The position from which on predictions count, up to the end of `tokens`."""
    following: tuple[int, ...]
    """The token that follows each of these positions in the text."""


def parts(tokens: Sequence[int], bos: Sequence[int], context: int, rows: int) -> list[Part]:
    """Parts of at most `rows` predictions. Where a chunk has several, each of them reads it anew up to its own end.

    `bos` is empty or one token. Raises InputError for a text that is too short.
    """
    text = [*bos, *tokens]
    count = len(text) // context
    if count < LEAST_CHUNKS:
        raise InputError(
            f"The text has {len(tokens):,} tokens, and {LEAST_CHUNKS * context:,} are needed at least: give a longer "
            "text, or a smaller --context."
        )
    found = []
    for chunk in range(count):
        part = text[chunk * context : (chunk + 1) * context]
        seen = (*bos, *part[len(bos) :])
        # The last position predicts a token that is not in the chunk.
        for first in range(context // 2, context - 1, rows):
            end = min(first + rows, context - 1)
            found.append(Part(chunk, seen[:end], first, seen[first + 1 : end + 1]))
    return found
