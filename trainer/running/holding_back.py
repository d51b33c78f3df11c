"""The share of the data that is held back to measure the loss on."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from typing import TypeVar

from app.core.errors import InputError

Record = TypeVar("Record", bound=Hashable)


def hold_back(records: Sequence[Record], share: float, seed: int) -> tuple[list[Record], list[Record]]:
    """What is learned, and what is held back: about `share` of the different records, each once.

    It depends on the records and the seed alone. Equal records stay together, or what is learned would be measured.
    Raises InputError if nothing would be left on either side.
    """
    if not share:
        return list(records), []
    different = list(dict.fromkeys(records))
    count = max(1, round(share * len(different)))
    if count >= len(different):
        raise InputError(
            f"the data holds {len(different)} different records, too few to hold back {share:.0%} of them; lower "
            "validation_share."
        )
    held = set(random.Random(f"validation {seed}").sample(range(len(different)), count))
    back = [record for number, record in enumerate(different) if number in held]
    kept = set(back)
    return [record for record in records if record not in kept], back
