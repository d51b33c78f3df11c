"""The share of the data that is held back to measure the loss on."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from app.core.errors import InputError

Record = TypeVar("Record")


def hold_back(
    records: Sequence[Record], share: float, seed: int, *, content: Callable[[Record], Hashable]
) -> tuple[list[Record], list[Record]]:
    """What is learned, and what is held back: about `share` of the different records, each once.

    It depends on their `content` and the seed alone. Equal records stay together, or what is learned would be measured.
    Raises InputError if nothing would be left on either side.
    """
    if not share:
        return list(records), []
    different: dict[Hashable, Record] = {}
    for record in records:
        different.setdefault(content(record), record)
    count = max(1, round(share * len(different)))
    if count >= len(different):
        raise InputError(
            f"the data holds {len(different)} different records, too few to hold back {share:.0%} of them; lower "
            "validation_share."
        )
    held = set(random.Random(f"validation {seed}").sample(range(len(different)), count))
    back = {one: record for number, (one, record) in enumerate(different.items()) if number in held}
    return [record for record in records if content(record) not in back], list(back.values())
