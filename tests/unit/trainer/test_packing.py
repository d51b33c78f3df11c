from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InputError
from tests.tiny_checkpoints import FAMILIES, tiny_model
from trainer.batches import Padded, Row, blocks, cut, pack, packed_rows, rows_of
from trainer.isolation import TRIED_FAMILIES, check_isolation, last_logits
from trainer.labels import IGNORED, Example


@pytest.fixture(scope="module", autouse=True)
def _one_thread_for_torch() -> None:
    torch.set_num_threads(1)


def documents(*lengths: int, seed: int = 0) -> list[Example]:
    """Random tokens; of each document those after the second are learned."""
    chooser = random.Random(seed)
    found = []
    for length in lengths:
        tokens = [chooser.randrange(3, 380) for _ in range(length)]
        found.append(Example(tokens, [IGNORED, IGNORED, *tokens[2:]]))
    return found


def loss_sum(model: Any, rows: Sequence[Row], padding: int = 0) -> float:
    """Of stock transformers."""
    with torch.no_grad():
        return float(model(**Padded(padding)(rows), num_items_in_batch=1).loss)


# --- which documents share a row --------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(50, 80))
def test_every_document_is_in_one_row_and_no_row_is_too_long(lengths: list[int], capacity: int) -> None:
    groups = pack(lengths, capacity)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in group) <= capacity for group in groups)
    # No two rows would fit into one: less than half of the room is lost.
    totals = sorted(sum(lengths[index] for index in group) for group in groups)
    assert len(totals) < 2 or totals[0] + totals[1] > capacity


def test_a_document_goes_where_it_leaves_the_least_room() -> None:
    assert pack([6, 5, 4, 3, 5, 2], 10) == [[0, 2], [1, 4], [3, 5]]
    assert pack([7, 8, 2, 3], 10) == [[0, 3], [1, 2]]


def test_a_document_that_is_longer_than_a_row_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="11 tokens"):
        pack([3, 11], 10)


def test_many_documents_are_packed_nearly_full() -> None:
    chooser = random.Random(0)
    lengths = [min(1024, int(chooser.lognormvariate(5, 0.8)) + 1) for _ in range(20_000)]
    assert sum(lengths) / (len(pack(lengths, 1024)) * 1024) > 0.99


# --- what a row holds -------------------------------------------------------------------------------------------------


def test_the_first_token_of_each_document_is_not_learned_from_the_one_before() -> None:
    tokens = [[5, 6, 7], [8, 9]]
    (row,) = packed_rows([Example(one, one) for one in tokens], 6)
    assert list(row["input_ids"]) == [5, 6, 7, 8, 9]
    assert list(row["labels"]) == [IGNORED, 6, 7, IGNORED, 9]
    assert list(row["position_ids"]) == [0, 1, 2, 0, 1]


def test_a_document_longer_than_a_block_is_cut_into_pieces() -> None:
    pieces = cut([list(range(10)), [50, 51], [60], []], 4)
    assert [piece.input_ids for piece in pieces] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [50, 51]]
    assert all(piece.labels == piece.input_ids for piece in pieces)


def test_blocks_join_documents_and_leave_out_the_tail() -> None:
    rows = blocks(iter([[1, 2, 3], [4, 5, 6, 7], [8]]), 3)
    assert [list(row["input_ids"]) for row in rows] == [[1, 2, 3], [4, 5, 6]]
    batch = Padded(0)(rows)
    assert batch["labels"].tolist() == batch["input_ids"].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_an_end_token_that_is_also_the_padding_is_learned() -> None:
    end = 2
    rows = rows_of([Example([7, 8, end], [IGNORED, 8, end]), Example([7, 8, 9, 10, end], [IGNORED, 8, 9, 10, end])])
    batch = Padded(padding=end)(rows)
    assert batch["input_ids"].tolist() == [[7, 8, end, end, end], [7, 8, 9, 10, end]]
    assert batch["labels"].tolist() == [[-100, 8, end, -100, -100], [-100, 8, 9, 10, end]]


# --- isolation --------------------------------------------------------------------------------------------------------

LENGTHS = (19, 7, 3, 12, 9)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", [*FAMILIES, "Mistral with a window"])
def test_packed_documents_give_the_logits_and_losses_of_each_alone(family: str, attention: str) -> None:
    window: dict[str, Any] = {"sliding_window": 5} if family.endswith("window") else {}
    model = tiny_model(family=family.split()[0], **window).eval()
    if attention == "eager" or family != "Gemma2":  # which has nothing else
        model.set_attn_implementation(attention)
    examples = documents(*LENGTHS)
    rows = packed_rows(examples, 32)
    assert len(rows) == 2

    with torch.no_grad():
        batch = Padded(0)(rows)
        together = model(**{**batch, "labels": None}).logits
        for row, logits in zip(rows, together, strict=True):
            starts = [at for at, position in enumerate(row["position_ids"]) if position == 0]
            for start, stop in zip(starts, [*starts[1:], len(row["input_ids"])], strict=True):
                alone = model(input_ids=torch.tensor([row["input_ids"][start:stop]])).logits[0]
                assert torch.allclose(logits[start:stop], alone, atol=2e-5)
    alone_losses = sum(loss_sum(model, rows_of([example])) for example in examples)
    assert loss_sum(model, rows) == pytest.approx(alone_losses, rel=1e-5)
    assert loss_sum(model, rows, padding=17) == pytest.approx(alone_losses, rel=1e-5)
    check_isolation(model)


def test_the_families_that_are_let_through_untried_are_those_of_this_test() -> None:
    kinds = {tiny_model(family=family).config.model_type for family in FAMILIES if family != "Gemma3Vision"}
    assert set(TRIED_FAMILIES) == kinds


@pytest.mark.parametrize("fault", ["mask", "cache", "positions"])
def test_a_model_that_lets_documents_see_one_another_is_refused(fault: str) -> None:
    model = tiny_model(seed=3)
    stock = model.forward

    def contaminated(input_ids: torch.Tensor, **options: Any) -> Any:
        if fault == "mask":
            options["attention_mask"] = torch.ones_like(input_ids)
        elif fault == "cache":
            options["use_cache"] = True
        else:
            del options["position_ids"]
        return stock(input_ids=input_ids, **options)

    model.forward = contaminated
    with pytest.raises(InputError, match="see one another in this qwen2 model; set packing to false"):
        check_isolation(model)


def test_a_sharded_model_of_an_untried_family_is_refused() -> None:
    with torch.device("meta"):
        known = tiny_model(tied=True)
    check_isolation(known)
    known.config.model_type = "unheard-of"
    with pytest.raises(InputError, match="unheard-of models; set packing to false"):
        check_isolation(known)


def test_trying_a_model_leaves_it_as_it_was() -> None:
    model = tiny_model().train()
    last_logits(model, [3, 4, 5])
    assert model.training
    assert all(weight.grad is None for weight in model.parameters())
