"""In which order rows are read, and which are held back: by the seed alone, whatever the processes."""

from __future__ import annotations

import random

import pytest

from app.core.errors import InputError
from trainer.running.holding_back import hold_back
from trainer.running.measuring import Processes
from trainer.running.order import Order

LENGTHS = random.Random(1).choices(range(5, 500), k=410)


def order(*, epoch: int = 0, seed: int = 7, similar: bool = True, together: int = 8) -> list[int]:
    made = Order(LENGTHS, together=together, similar=similar, seed=seed)
    made.epoch = epoch
    return list(made)


@pytest.mark.parametrize("similar", [True, False])
def test_every_row_is_read_once_in_an_order_of_seed_and_epoch(similar: bool) -> None:
    first = order(similar=similar)
    assert sorted(first) == list(range(len(LENGTHS)))
    assert first == order(similar=similar)
    assert first != order(similar=similar, epoch=1)
    assert first != order(similar=similar, seed=8)


def test_rows_of_similar_length_are_together_and_the_longest_come_first() -> None:
    indices = order()
    batches = [indices[start : start + 8] for start in range(0, len(indices), 8)]
    padding = sum(max(LENGTHS[index] for index in batch) * len(batch) for batch in batches) / sum(LENGTHS)
    assert padding < 1.1
    assert max(LENGTHS) in [LENGTHS[index] for index in batches[0]]
    assert [len(batch) for batch in batches[:-1]] == [8] * (len(batches) - 1)
    longest = [max(LENGTHS[index] for index in batch) for batch in batches]
    assert longest != sorted(longest, reverse=True), "or the learning rate would fall with the length"


def test_what_one_process_learns_from_at_a_step_two_learn_from_together() -> None:
    """accelerate gives the processes batches in turn."""
    indices = order(together=8)
    halves = [indices[start : start + 4] for start in range(0, 408, 4)]
    together = [set(halves[at]) | set(halves[at + 1]) for at in range(0, len(halves), 2)]
    assert together == [set(indices[start : start + 8]) for start in range(0, 408, 8)]


def test_equal_records_are_held_back_together() -> None:
    records = [f"record {number % 40}" for number in range(100)]
    learned, held_back = hold_back(records, 0.25, seed=3, content=str)
    assert len(held_back) == 10 == len(set(held_back))
    assert not set(learned) & set(held_back)
    assert [record for record in records if record not in held_back] == learned
    assert (learned, held_back) == hold_back(records, 0.25, seed=3, content=str)
    assert held_back != hold_back(records, 0.25, seed=4, content=str)[1]
    assert hold_back(records, 0.0, seed=3, content=str) == (records, [])
    with pytest.raises(InputError, match="lower validation_share"):
        hold_back(["same"] * 10, 0.1, seed=3, content=str)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("batches", [1, 2, 7])
def test_processes_share_batches_evenly_and_count_each_once(count: int, batches: int) -> None:
    shares = [list(Processes(rank, count).share(range(batches))) for rank in range(count)]
    assert len({len(share) for share in shares}) == 1
    assert sorted(batch for share in shares for batch, counts in share if counts) == list(range(batches))
