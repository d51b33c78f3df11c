"""What each way of scoring asks, and what it makes of the answers, whatever order the options are shown in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.items import Item
from evaluation.readings import letter_probabilities
from evaluation.runs.records import How, Record, Settings
from evaluation.runs.ways import most_frequent, orders, shown, way
from evaluation.runs.wording import Wording, templates
from tests.unit.evaluation.memory_backend import Fond, Knowing, MemoryBackend, Refusing, text_of

COLORS = ("red", "blue", "green", "white", "black")


def item(name: str, answers: tuple[int, ...] = (0,), **facts: Any) -> Item:
    known: dict[str, Any] = {
        "task": "jsonl",
        "language": "en",
        "question": f"Which is {name}?",
        "options": tuple(f"{color} {name}" for color in COLORS),
    }
    return Item(id=name, answers=answers, **(known | facts))


def settings(how: How = "letter", **facts: Any) -> Settings:
    known: dict[str, Any] = {"template": "t", "template_sha256": "", "chat": True, "max_tokens": 32}
    return Settings(how=how, **(known | facts))


def wording(how: How, chat: bool = True, shots: tuple[Item, ...] = ()) -> Wording:
    return Wording(templates(how, "en", None, None, False), how, chat, shots=shots)


def answered(backend: MemoryBackend, items: Sequence[Item], told: Settings, **facts: Any) -> list[Record]:
    chosen = way(told, wording(told.how, **facts))
    return chosen.records(backend, [chosen.asked(one) for one in items])


ITEMS = (item("one", (2,)), item("two", (0, 4)), item("six", (3,), options=("p", "q", "r", "s", "t", "u")))


# --- orders -----------------------------------------------------------------------------------------------------------


@st.composite
def questions(draw: st.DrawFn) -> Item:
    count = draw(st.integers(2, 26))
    positions = st.lists(st.integers(0, count - 1), min_size=1, max_size=count, unique=True).map(sorted)
    answers = draw(positions)
    prohibited = [one for one in draw(positions) if one not in answers]
    texts = draw(st.lists(st.text(min_size=1, max_size=4), min_size=count, max_size=count))  # equal ones too
    name = draw(st.text(min_size=1, max_size=5))
    return item(name, tuple(answers), options=tuple(texts), prohibited=tuple(prohibited))


SETTINGS = st.builds(
    settings, how=st.just("letter"), shuffle=st.booleans(), permutations=st.integers(1, 26), seed=st.integers(0, 99)
)


@given(questions(), SETTINGS)
def test_every_order_shows_each_option_once_and_the_right_ones_stay_right(one: Item, told: Settings) -> None:
    found = orders(one, told)
    assert len(found) == min(told.permutations, len(one.options)) == len(set(found))
    for order in found:
        view = shown(one, order)
        assert sorted(order) == list(range(len(one.options)))
        assert [view.options[order.index(position)] for position in range(len(order))] == list(one.options)
        assert {order[position] for position in view.answers} == set(one.answers)
        assert {order[position] for position in view.prohibited} == set(one.prohibited)


@given(questions(), SETTINGS)
def test_in_all_cyclic_orders_each_option_stands_once_at_each_letter(one: Item, told: Settings) -> None:
    columns = zip(*orders(one, told), strict=True)
    assert all(len(set(column)) == len(column) for column in columns)


def test_a_shuffle_depends_on_the_question_and_the_seed_alone() -> None:
    told = settings(shuffle=True, seed=1)
    first = {one.id: orders(one, told) for one in ITEMS}
    assert {one.id: orders(one, told) for one in reversed(ITEMS)} == first
    assert orders(ITEMS[0], settings(shuffle=True, seed=2)) != first["one"]
    english, japanese = item("same", (0,)), item("same", (0,), language="ja", question="どれか。")
    assert orders(english, told) == orders(japanese, told)


@given(questions(), SETTINGS)
def test_each_probability_is_that_of_the_letter_its_option_was_shown_with(one: Item, told: Settings) -> None:
    backend = MemoryBackend()
    (record,) = answered(backend, [one], told)
    assert len(record.trials) == len(backend.scored[0])
    for trial, question in zip(record.trials, backend.scored[0], strict=True):
        for place, answer in enumerate(question.answers):
            expected = backend.logprob(question, answer)
            assert trial.logprobs[trial.order[place]] == pytest.approx(expected, abs=1e-6)


ORDERS: tuple[dict[str, Any], ...] = ({}, {"shuffle": True, "seed": 5}, {"permutations": 5, "shuffle": True})


@pytest.mark.parametrize("how", ["letter", "option", "generate", "paper-fixed"])
@pytest.mark.parametrize("facts", ORDERS)
def test_a_model_that_knows_is_right_in_every_order(how: How, facts: dict[str, Any]) -> None:
    records = answered(Knowing(ITEMS), ITEMS, settings(how, **facts))
    for record in records:
        assert (record.status, record.chosen, record.correct) == ("answered", record.item.answers, True)
        assert {trial.chosen for trial in record.trials} == {record.item.answers}
    counts = [len(record.trials) for record in records]
    assert counts == [facts.get("permutations", 1)] * 3


def test_a_model_that_is_fond_of_a_letter_flips_and_averages_out() -> None:
    told = settings(permutations=5)
    (record,) = answered(Fond(), [item("one", (3,))], told)
    assert [trial.chosen for trial in record.trials] == [(0,), (1,), (2,), (3,), (4,)]
    assert letter_probabilities(record.trials) == pytest.approx([0.2] * 5)


# --- letter, option ---------------------------------------------------------------------------------------------------


def test_as_many_are_chosen_as_are_right_and_all_must_be() -> None:
    one = item("several", (0, 1, 4))
    (record,) = answered(MemoryBackend(), [one], settings())
    ranked = sorted(range(5), key=lambda position: -record.trials[0].logprobs[position])
    assert record.chosen == tuple(sorted(ranked[:3]))
    assert record.correct == (record.chosen == (0, 1, 4))


def test_an_option_is_scored_by_its_text_and_tokens() -> None:
    one = item("x", options=("short", "a much longer option", "short"))
    (record,) = answered(MemoryBackend(), [one], settings("option"))
    (trial,) = record.trials
    assert trial.tokens == (5, 20, 5)
    assert trial.logprobs[0] == trial.logprobs[2]
    per_character = [total / len(text) for total, text in zip(trial.logprobs, one.options, strict=True)]
    assert record.chosen == (per_character.index(max(per_character)),)


# --- generate ---------------------------------------------------------------------------------------------------------


class Saying(MemoryBackend):
    """Answers each sample with the next of these texts."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self._texts = texts

    def text(self, prompt: Any, seed: int) -> str:
        return self._texts[seed % len(self._texts)]


@pytest.mark.parametrize(
    ("texts", "status", "chosen"),
    [
        (("c",), "answered", (2,)),
        (("a, c",), "answered", (0, 2)),
        (("I do not know.",), "unreadable", None),
        (("",), "unreadable", None),
        (("b", "d", "d"), "answered", (3,)),
        (("d", "b", "?"), "answered", (3,)),  # equally frequent: the earliest
        (("?", "", "b"), "answered", (1,)),  # what cannot be read does not vote
        (("a, c", "c, a", "b"), "answered", (0, 2)),
    ],
)
def test_what_was_written_chooses(texts: tuple[str, ...], status: str, chosen: tuple[int, ...] | None) -> None:
    (record,) = answered(Saying(*texts), [item("x", (0, 2))], settings("generate", samples=len(texts)))
    assert (record.status, record.chosen, record.correct) == (status, chosen, chosen == (0, 2))
    assert tuple(trial.text for trial in record.trials) == texts


def test_every_sample_of_every_order_votes() -> None:
    told = settings("generate", samples=4, permutations=5, shuffle=True)
    (record,) = answered(MemoryBackend(), [item("x")], told)
    assert len(record.trials) == 20
    assert [trial.order for trial in record.trials[::4]] == list(orders(item("x"), told))
    votes = Counter(trial.chosen for trial in record.trials)
    assert votes[record.chosen] == max(votes.values())


def test_equal_votes_go_to_the_earliest() -> None:
    assert most_frequent([None, (1,), (0,), (0,), (1,)]) == (1,)
    assert most_frequent([None]) is None


def test_a_grammar_has_the_letters_of_each_question() -> None:
    backend = MemoryBackend()
    answered(backend, ITEMS, settings("generate", grammar=True))
    assert [len(prompts) for prompts, _ in backend.written] == [2, 1]
    grammars = [decoding.grammar or "" for _, decoding in backend.written]
    assert ['"e"' in grammar for grammar in grammars] == [True, True]
    assert ['"f"' in grammar for grammar in grammars] == [False, True]
    assert all('root ::= " "?' not in grammar for grammar in grammars)


def test_after_answer_and_a_colon_a_grammar_allows_the_blank_that_belongs_there() -> None:
    backend = MemoryBackend()
    answered(backend, ITEMS[:1], settings("generate", grammar=True, chat=False), chat=False)
    ((_, decoding),) = backend.written
    assert decoding.grammar is not None
    assert decoding.grammar.startswith('root ::= " "?')


def test_a_plain_answer_ends_where_the_next_example_would_begin() -> None:
    shots = (item("shot"),)
    stops = {}
    for chat in (True, False):
        for own in (shots, ()):
            backend = MemoryBackend()
            answered(backend, ITEMS[:1], settings("generate", chat=chat), chat=chat, shots=own)
            stops[chat, bool(own)] = backend.written[0][1].stop
    assert stops == {(True, True): (), (True, False): (), (False, True): ("\n\n",), (False, False): ()}


# --- paper ------------------------------------------------------------------------------------------------------------


def test_a_comma_in_the_right_option_costs_a_perfect_model_the_point_in_paper_alone() -> None:
    one = item("x", (1,), options=("rest", "salt, sugar", "water", "bread", "milk"))
    verdicts: dict[How, bool] = {}
    for how in ("paper", "paper-fixed"):
        (record,) = answered(Saying("salt, sugar"), [one], settings(how))
        verdicts[how] = record.correct
        assert record.trials[0].exact is True
    assert verdicts == {"paper": False, "paper-fixed": True}


def test_an_equal_option_is_right_in_paper_since_it_compares_texts() -> None:
    one = item("x", (1,), options=("same", "same", "other"))
    (paper,) = answered(Saying("same"), [one], settings("paper"))
    assert paper.correct
    assert paper.chosen == (0,)


# --- what gives nothing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "status"), [("letter", "too_long"), ("option", "too_long"), ("generate", "failed")])
def test_a_refused_question_is_recorded_with_its_reason_and_the_others_go_on(how: How, status: str) -> None:
    backend = Refusing(lambda text: "Which is two?" in text)
    first, refused, last = answered(backend, ITEMS, settings(how))
    assert (refused.status, refused.chosen, refused.correct, refused.trials) == (status, None, False, ())
    assert refused.reason.endswith(".")
    assert first.status == last.status == "answered"


def test_a_question_that_is_refused_in_one_order_has_no_answer() -> None:
    backend = Refusing(lambda text: "a. blue one" in text)  # one of the five orders
    (record,) = answered(backend, ITEMS[:1], settings(permutations=5))
    assert record.status == "too_long"
    assert record.trials == ()
    assert record.prompt_tokens == 7


def test_the_words_that_were_asked_are_part_of_the_record() -> None:
    told = settings()
    (one,) = answered(MemoryBackend(), ITEMS[:1], told)
    (other,) = answered(MemoryBackend(), ITEMS[:1], settings(shuffle=True, seed=1))
    assert one.prompt_sha256 != other.prompt_sha256
    backend = MemoryBackend()
    (again,) = answered(backend, ITEMS[:1], told)
    assert again == one
    assert "Which is one?" in text_of(backend.scored[0][0].prompt)
