"""Many sequences in one context of the real worker: the same numbers as one by one, and the same bits every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from app.core.engine.client import EngineError
from app.core.engine.protocol import Continuation, Conversation, Piece, Sampling, TokenSequence, Turn
from app.core.engine.tool_client import ToolClient
from tests.tiny_models import VOCABULARY, tiny_gguf

WORDS = ("heart", "lung", "fever", "cough", "liver", "anaemia")
CLOSE = 0.05  # nats: 16-bit attention rounds otherwise in batches of another shape; another answer is nats away


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", layers=2)


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[ToolClient]:
    with ToolClient() as engine:
        engine.load(model)
        yield engine


def conversations(count: int, *answers: str) -> list[Conversation]:
    return [
        Conversation(
            messages=(Turn("user", f"Choose. {WORDS[number % 6]} {number * 7919} {'and so on ' * (number % 5)}"),),
            answers=answers,
        )
        for number in range(count)
    ]


def common(prompts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """What all prompts begin with."""
    length = 0
    while len({prompt[: length + 1] for prompt in prompts}) == 1:
        length += 1
    return prompts[0][:length]


def sequences(engine: ToolClient, count: int) -> tuple[list[TokenSequence], tuple[int, ...]]:
    encoded = engine.encode(conversations(count, "a", "b", f"c. a longer answer {count}", "c. a longer one"))
    prefix = common([one.prompt for one in encoded])
    return [TokenSequence(tokens, len(one.prompt)) for one in encoded for tokens in one.answers], prefix


def single(engine: ToolClient, sequence: TokenSequence, folder: Path) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The log-probabilities from the logits of this sequence alone."""
    path = folder / "logits.f32"
    engine.logits(sequence.tokens, path, sequence.first - 1)
    logits = np.fromfile(path, np.float32).reshape(-1, VOCABULARY).astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    logprobs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.array([logprobs[place, token] for place, token in enumerate(sequence.tokens[sequence.first :])])


def test_probabilities_are_those_of_each_sequence_alone(engine: ToolClient, tmp_path: Path) -> None:
    asked, prefix = sequences(engine, 9)
    assert len(prefix) > 5
    found = engine.score(asked, prefix)
    assert len(found) == len(asked)
    for sequence, continuation in zip(asked, found, strict=True):
        assert continuation is not None
        np.testing.assert_allclose(continuation.logprobs, single(engine, sequence, tmp_path), atol=CLOSE)


def test_the_same_request_gives_the_same_bits_whatever_came_before(engine: ToolClient) -> None:
    asked, prefix = sequences(engine, 9)
    first = engine.score(asked, prefix)
    engine.score(asked[:7], prefix)
    engine.score(asked[8:20])
    engine.complete([sequence.tokens for sequence in asked[:3]], prefix, max_tokens=9)
    assert engine.score(asked, prefix) == first


def test_one_by_one_gives_the_same_numbers(engine: ToolClient) -> None:
    asked, prefix = sequences(engine, 4)
    for one, other in zip(engine.score(asked, prefix), engine.score(asked, together=False), strict=True):
        assert one is not None
        assert other is not None
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=CLOSE)


def test_more_sequences_and_tokens_than_fit_at_once(engine: ToolClient, tmp_path: Path) -> None:
    asked, prefix = sequences(engine, 40)  # 160 sequences, and more tokens than a batch
    found = engine.score(asked, prefix)
    for number in (0, 77, 159):
        continuation = found[number]
        assert continuation is not None
        np.testing.assert_allclose(continuation.logprobs, single(engine, asked[number], tmp_path), atol=CLOSE)


def test_greedy_says_whether_every_token_was_the_most_likely(engine: ToolClient) -> None:
    (encoded,) = engine.encode(conversations(1))
    (written,) = engine.complete([encoded.prompt], max_tokens=6)
    (answered,) = engine.encode(conversations(1, written.text))
    tokens = answered.answers[0]
    other = (*tokens[:-1], (tokens[-1] + 1) % 256)
    right, wrong = engine.score(
        [TokenSequence(tokens, len(answered.prompt)), TokenSequence(other, len(answered.prompt))]
    )
    assert right is not None
    assert wrong is not None
    assert right.greedy
    assert not wrong.greedy
    assert len(right.logprobs) == 6


def test_answers_side_by_side_are_those_one_after_the_other(engine: ToolClient) -> None:
    asked = conversations(5)
    encoded = [one.prompt for one in engine.encode(asked)]
    together = engine.complete(encoded, common(encoded), max_tokens=24)
    for conversation, completion in zip(asked, together, strict=True):
        events = engine.generate(conversation.messages, max_tokens=24)
        assert completion.text == "".join(event.text for event in events if isinstance(event, Piece))
        assert completion.reason == "length"


def test_samples_differ_and_come_back_with_their_seed(engine: ToolClient) -> None:
    prompts = [one.prompt for one in engine.encode(conversations(2))]
    warm = Sampling(temperature=1.0, seed=3)
    first = engine.complete(prompts, sampling=warm, samples=3, max_tokens=12)
    assert engine.complete(prompts, sampling=warm, samples=3, max_tokens=12) == first
    assert len({completion.text for completion in first}) == 6


def test_a_grammar_lets_nothing_else_be_written(engine: ToolClient) -> None:
    prompts = [one.prompt for one in engine.encode(conversations(3))]
    for completion in engine.complete(prompts, grammar='root ::= "x" ("," "y")?\n', max_tokens=12):
        assert completion.text in ("x", "x,y")
        assert completion.reason == "stop"


def test_a_grammar_that_is_none_is_refused_and_the_engine_goes_on(engine: ToolClient) -> None:
    prompts = [one.prompt for one in engine.encode(conversations(1))]
    with pytest.raises(EngineError, match="grammar"):
        engine.complete(prompts, grammar="root ::= (((", max_tokens=4)
    assert engine.complete(prompts, max_tokens=4)[0].tokens == 4


def test_logits_that_are_no_numbers_are_said_to_be_none(tmp_path: Path) -> None:
    with ToolClient() as engine:
        engine.load(tiny_gguf(tmp_path / "broken.gguf", broken=True))
        (encoded,) = engine.encode(conversations(1, "a"))
        assert engine.score([TokenSequence(encoded.answers[0], len(encoded.prompt))]) == (None,)


def test_an_answer_cannot_forge_a_turn(engine: ToolClient) -> None:
    (encoded,) = engine.encode(conversations(1, "<|im_end|>"))
    assert len(encoded.answers[0]) > len(encoded.prompt) + 1


@pytest.mark.parametrize(
    ("tokens", "first", "prefix"),
    [((1, 2), 2, ()), ((1, 2), 0, ()), ((1, 2, 3), 1, (1,)), ((1, 2, 3), 2, (2,)), ((1, VOCABULARY), 1, ())],
)
def test_impossible_requests_are_refused(
    engine: ToolClient, tokens: tuple[int, ...], first: int, prefix: tuple[int, ...]
) -> None:
    with pytest.raises(EngineError) as refused:
        engine.score([TokenSequence(tokens, first)], prefix)
    assert refused.value.failure.code == "bad_request"


def test_a_sequence_longer_than_the_context_is_refused(engine: ToolClient) -> None:
    with pytest.raises(EngineError) as refused:
        engine.score([TokenSequence((1,) * 3000, 2999)])
    assert refused.value.failure.code == "prompt_too_long"


def test_nothing_is_an_empty_answer(engine: ToolClient) -> None:
    assert engine.score([]) == ()
    assert engine.complete([]) == ()


def test_types(engine: ToolClient) -> None:
    (only,) = engine.score([TokenSequence((72, 101, 108), 1)])
    assert isinstance(only, Continuation)
    assert len(only.logprobs) == 2
