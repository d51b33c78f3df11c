"""From token sequences to batches: blocks, packing, padding.

Packed documents share a row and do not see one another: their positions begin at 0 each, from which transformers makes
the attention mask. It does so only where no attention mask is given and nothing is cached, so that no batch made here
has a mask, and each one forbids the cache. An all-ones mask would let documents read one another without a word.
`trainer.isolation` checks it on the model that is trained.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.labels import IGNORED, Example

Row = Mapping[str, Sequence[int]]
"""`input_ids`; `labels`, equally long, unless every token is learned; `position_ids` of a packed row."""

Batch = dict[str, Any]
Collator = Callable[[Sequence[Row]], Batch]


def rows_of(examples: Iterable[Example]) -> list[Row]:
    """One row for each example."""
    return [{"input_ids": example.input_ids, "labels": example.labels} for example in examples]


def packed_rows(examples: Sequence[Example], capacity: int) -> list[Row]:
    """As few rows as possible of at most `capacity` tokens with all `examples`, none of which may be longer.

    No example's first token is learned: what stands before it in the row is another one.
    """
    groups = pack([len(example.input_ids) for example in examples], capacity)
    return [_joined([examples[number] for number in group]) for group in groups]


def pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Indices of `lengths` in groups, of at most `capacity` in sum. In each group and by their first they ascend.

    Best fit, the longest first (arXiv 2404.10830, section 3): each goes where it leaves the least room. At most 11/9 of
    the fewest groups that are possible, and in practice nearly these.
    """
    groups: list[list[int]] = []
    with_room: dict[int, list[int]] = {}
    rooms: list[int] = []  # the keys of `with_room`, sorted
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length = lengths[index]
        if length > capacity:
            raise ValueError(f"{length} tokens do not fit into {capacity}")
        at = bisect_left(rooms, length)
        if at == len(rooms):
            room, group = capacity, len(groups)
            groups.append([])
        else:
            room = rooms[at]
            group = with_room[room].pop()
            if not with_room[room]:
                del with_room[room], rooms[at]
        groups[group].append(index)
        if (left := room - length) not in with_room:
            insort(rooms, left)
        with_room.setdefault(left, []).append(group)
    return sorted(sorted(group) for group in groups)


def cut(documents: Iterable[Sequence[int]], length: int) -> list[Example]:
    """Each document in pieces of `length` tokens and a shorter last one, in all of which every token is learned.

    A piece of one token is left out: there is nothing to predict in it.
    """
    pieces = (
        list(document[start : start + length]) for document in documents for start in range(0, len(document), length)
    )
    return [Example(input_ids=piece, labels=piece) for piece in pieces if len(piece) > 1]


def blocks(documents: Iterable[Sequence[int]], length: int) -> list[Row]:
    """All documents joined and cut into rows of `length` tokens. The tail that fills no row is left out."""
    stream = array("i")
    for document in documents:
        stream.extend(document)
    return [{"input_ids": stream[start : start + length]} for start in range(0, len(stream) - length + 1, length)]


def _joined(examples: Sequence[Example]) -> Row:
    tokens, labels, positions = array("i"), array("i"), array("i")
    for example in examples:
        tokens.extend(example.input_ids)
        labels.extend([IGNORED, *example.labels[1:]])
        positions.extend(range(len(example.input_ids)))
    return {"input_ids": tokens, "labels": labels, "position_ids": positions}


@dataclass(frozen=True)
class Padded:
    """A collator: rows as tensors of shape (rows, longest row).

    Padding stands behind the text, where causal attention never looks back from, and has no labels: it is found by its
    place, so that `padding` may be a token that is learned elsewhere, as the end-of-sequence token often is.
    """

    padding: int

    def __call__(self, rows: Sequence[Row]) -> Batch:
        import torch

        width = max(len(row["input_ids"]) for row in rows)
        tokens = torch.full((len(rows), width), self.padding)
        labels = torch.full((len(rows), width), IGNORED)
        for number, row in enumerate(rows):
            length = len(row["input_ids"])
            tokens[number, :length] = torch.tensor(row["input_ids"])
            labels[number, :length] = torch.tensor(row.get("labels", row["input_ids"]))
        batch: Batch = {"input_ids": tokens, "labels": labels, "use_cache": False}
        if any("position_ids" in row for row in rows):
            batch["position_ids"] = torch.tensor([_positions(row, width) for row in rows])
        return batch


def _positions(row: Row, width: int) -> list[int]:
    """Those of the row; padding counts on its own, as one more document."""
    length = len(row["input_ids"])
    return [*row.get("position_ids", range(length)), *range(width - length)]


def padding_of(tokenizer: Any) -> int:
    """A token to fill rows with; which one it is makes no difference."""
    return int(next(token for token in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if token is not None))
