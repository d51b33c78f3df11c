"""Which records an epoch reads, and how often: weights of files, and as much Japanese as English.

Everything random comes from the seed alone; nothing is ever dropped to balance languages, the rarer one is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from app.core.errors import InputError
from app.core.language import Language
from trainer.data.documents import Record
from trainer.data.languages import language_of

MUCH_REPEATED = 4.0
"""Up to so many times, repeated text is nearly as good as new one; beyond, it soon adds nothing (N. Muennighoff et
al., arXiv 2305.16264)."""

_NAMES: dict[Language, str] = {"ja": "Japanese", "en": "English"}


@dataclass(frozen=True)
class Mixture:
    records: list[Record]
    """Of one epoch; a record that is read twice stands in it twice."""
    repeated: dict[Language, float]
    """How often balancing makes an epoch read each language, by the amount of it; empty without balancing."""


def mix(
    records: Sequence[Record],
    weights: Sequence[float],
    *,
    balance: bool,
    amount: Callable[[Record], int],
    seed: int,
) -> Mixture:
    """Records as often as the weights of their sources say; none are 1 each.

    `amount` of a record is what is balanced: 1, or the size of its text. Raises InputError where a language to balance
    is not there at all.
    """
    weighted: list[Record] = []
    if any(weight != 1 for weight in weights):
        for number, weight in enumerate(weights):
            own = [record for record in records if record.source == number]
            weighted += _repeated(own, weight, Random(f"{seed} weights {number}"))
    else:
        weighted = list(records)
    if not balance:
        return Mixture(weighted, {})
    return _balanced(weighted, amount, seed)


def text_amount(record: Record) -> int:
    """Bytes of UTF-8: about as many for the same number of tokens in both languages, which characters are not."""
    return sum(len(passage.encode("utf-8", "surrogatepass")) for passage in record.document.passages())


def _balanced(records: Sequence[Record], amount: Callable[[Record], int], seed: int) -> Mixture:
    groups: dict[Language | None, list[Record]] = {"ja": [], "en": [], None: []}
    for record in records:
        groups[language_of(record.document)].append(record)
    languages: tuple[Language, ...] = ("ja", "en")
    sums = {language: sum(map(amount, groups[language])) for language in languages}
    for language in languages:
        if not sums[language]:
            raise InputError(
                f"there is nothing in {_NAMES[language]} in the data to balance; leave balance_languages out, or add "
                "such data."
            )
    most = max(sums.values())
    more: list[Record] = []
    repeated: dict[Language, float] = {}
    for language in languages:
        own = groups[language]
        whole, missing = divmod(most - sums[language], sums[language])
        drawn = _amounting_to(own, missing, amount, Random(f"{seed} balance {language}"))
        more += [*own * whole, *drawn]
        repeated[language] = 1 + whole + sum(map(amount, drawn)) / sums[language]
    return Mixture([*records, *more], repeated)


def _amounting_to(
    records: Sequence[Record], wanted: int, amount: Callable[[Record], int], chance: Random
) -> list[Record]:
    """Some of them, each once, drawn until what is wanted is there; none that would lead further away from it."""
    drawn = []
    for number in chance.sample(range(len(records)), len(records)):
        size = amount(records[number])
        if size < 2 * wanted:
            drawn.append(number)
            wanted -= size
    return [records[number] for number in sorted(drawn)]


def _repeated(records: Sequence[Record], times: float, chance: Random) -> list[Record]:
    """All of them as often as `times` is whole, and a random part of them once more."""
    whole = int(times)
    rest = sorted(chance.sample(range(len(records)), round((times - whole) * len(records))))
    return [*list(records) * whole, *(records[number] for number in rest)]
