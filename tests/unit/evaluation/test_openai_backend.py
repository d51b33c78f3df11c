"""A model behind llama-server or vLLM: stand-ins on 127.0.0.1 that behave as those do (model_servers)."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from app.core.engine.protocol import Turn
from app.core.errors import ExitCode, InputError, MachineError
from evaluation.runs import json_http
from evaluation.runs.backend import Decoding, Prompt, Question, Refused, Scored, Written
from evaluation.runs.openai_backend import OpenAIBackend
from tests.unit.evaluation.model_servers import (
    CONTEXT,
    LlamaServerStandIn,
    ModelServer,
    VllmStandIn,
    distribution,
    encode,
    logprob,
    rendered,
    serving,
)

LETTERS = ("a", "b", "c", "d", "e")
TEXT = Prompt(text="Which one?\n")
CHAT = Prompt(messages=(Turn("system", "Be brief."), Turn("user", "痛風の原因は？")))
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "痛風の原因は？"}]


@pytest.fixture(params=[LlamaServerStandIn, VllmStandIn])
def server(request: pytest.FixtureRequest) -> Iterator[ModelServer]:
    with serving(request.param()) as running:
        yield running


@pytest.fixture
def llama() -> Iterator[ModelServer]:
    with serving(LlamaServerStandIn()) as running:
        yield running


@pytest.fixture
def vllm() -> Iterator[ModelServer]:
    with serving(VllmStandIn()) as running:
        yield running


def connect(server: ModelServer, **facts: Any) -> OpenAIBackend:
    return OpenAIBackend(server.url, **({"key": None, "seconds": 20.0} | facts))


def check_exact(scored: Scored | Refused, sequences: Sequence[Sequence[int]], start: int) -> None:
    """That the scores are what the toy model says of the tokens from `start` on."""
    assert isinstance(scored, Scored)
    for answer, tokens in zip(scored.answers, sequences, strict=True):
        assert answer.tokens == len(tokens) - start
        assert answer.logprob == pytest.approx(logprob(tokens, start), abs=1e-9)
        steps = range(start, len(tokens))
        likeliest = [max(distribution(tuple(tokens[:place]))) for place in steps]
        own = [distribution(tuple(tokens[:place]))[tokens[place]] for place in steps]
        assert answer.greedy == (own == likeliest)


# --- probabilities of given answers -----------------------------------------------------------------------------------


def test_letters_get_the_models_own_probabilities(server: ModelServer) -> None:
    """Those that no list of likely tokens holds as well: nothing is estimated or left out."""
    questions = [Question(Prompt(text=f"Question {number}?\n"), LETTERS) for number in range(8)]
    with connect(server) as backend:
        found = backend.score(questions)
    missed = 0
    for question, scored in zip(questions, found, strict=True):
        sequences = [encode(f"{question.prompt.text}{letter}") for letter in LETTERS]
        start = len(sequences[0]) - 1
        check_exact(scored, sequences, start)
        assert isinstance(scored, Scored)
        ranked = sorted(distribution(tuple(sequences[0][:start])), reverse=True)
        missed += sum(answer.logprob < ranked[40] for answer in scored.answers)
    assert missed > 5


def test_the_most_likely_token_is_called_so(server: ModelServer) -> None:
    prompts = (f"Question {number}?\n" for number in range(1000))
    likeliest = ((text, distribution(tuple(encode(text)))) for text in prompts)
    text, letter = next((text, chr(p.index(max(p)))) for text, p in likeliest if p.index(max(p)) in range(97, 123))
    with connect(server) as backend:
        (scored,) = backend.score([Question(Prompt(text=text), ("?", letter, f"{letter}?"))])
    assert isinstance(scored, Scored)
    assert [answer.greedy for answer in scored.answers[:2]] == [False, True]
    check_exact(scored, [encode(f"{text}{answer}") for answer in ("?", letter, f"{letter}?")], len(encode(text)))


def test_answers_of_many_tokens_after_a_shared_beginning(server: ModelServer) -> None:
    """Japanese options in tokens that are no whole characters."""
    answers = ("胃が尿酸", "胃の癌", "胆石")
    with connect(server) as backend:
        (scored,) = backend.score([Question(TEXT, answers)])
    sequences = [encode(f"Which one?\n{answer}") for answer in answers]
    start = len(encode("Which one?\n"))
    assert [len(sequence) - start for sequence in sequences] == [7, 9, 6]
    check_exact(scored, sequences, start)
    assert isinstance(scored, Scored)
    assert scored.prompt_tokens == start


def test_a_token_that_reaches_over_the_boundary(server: ModelServer) -> None:
    """The tokenizer writes "：a" as one token: what is summed begins before the answer does, for every answer."""
    with connect(server) as backend:
        (scored,) = backend.score([Question(Prompt(text="答え："), ("a", "b"))])
    sequences = [encode("答え：a"), encode("答え：b")]
    assert [len(sequence) for sequence in sequences] == [2, 5]
    check_exact(scored, sequences, 1)


def test_one_answer_that_another_begins_with(server: ModelServer) -> None:
    with connect(server) as backend:
        (scored,) = backend.score([Question(TEXT, ("1", "10", "1"))])
    check_exact(scored, [encode(f"Which one?\n{answer}") for answer in ("1", "10", "1")], len(encode("Which one?\n")))


def test_a_single_answer_is_scored_after_its_prompt(server: ModelServer) -> None:
    with connect(server) as backend:
        (scored,) = backend.score([Question(TEXT, ("abc",))])
    check_exact(scored, [encode("Which one?\nabc")], len(encode("Which one?\n")))


def test_a_conversation_is_rendered_by_the_server(server: ModelServer) -> None:
    with connect(server) as backend:
        (scored,) = backend.score([Question(CHAT, LETTERS)])
    prompt = encode(rendered(MESSAGES))
    check_exact(scored, [[*prompt, *encode(letter)] for letter in LETTERS], len(prompt))


def test_a_vllm_that_lists_few_tokens_is_asked_otherwise(vllm: ModelServer) -> None:
    assert isinstance(vllm, VllmStandIn)
    vllm.most_logprobs = 1
    with connect(vllm) as backend:
        (scored,) = backend.score([Question(TEXT, LETTERS)])
    check_exact(scored, [encode(f"Which one?\n{letter}") for letter in LETTERS], len(encode("Which one?\n")))


def test_a_probability_that_a_32_bit_float_cannot_hold_stays_finite(
    llama: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llama-server writes the lowest float for ln 0."""
    answer = llama.completions

    def with_zero(body: dict[str, Any], chat: bool) -> dict[str, Any]:
        result = answer(body, chat)
        written = result["choices"][0]["logprobs"]["content"][0]
        for one in (written, *written["top_logprobs"]):
            if one["id"] == ord("e"):
                one["logprob"] = -3.4028234663852886e38
        return result

    monkeypatch.setattr(llama, "completions", with_zero)
    with connect(llama) as backend:
        (scored,) = backend.score([Question(TEXT, LETTERS)])
    assert isinstance(scored, Scored)
    assert scored.answers[4].logprob == pytest.approx(-103.28)


def test_a_question_longer_than_the_context_is_not_cut(server: ModelServer) -> None:
    fits, over = "x" * (CONTEXT - 2), "x" * (CONTEXT - 1)
    with connect(server) as backend:
        found = backend.score([Question(Prompt(text=fits), ("a", "b")), Question(Prompt(text=over), ("a", "b"))])
    assert isinstance(found[0], Scored)
    assert found[1] == Refused("too_long", "It takes 201 tokens, and the server's context holds 200.")


def test_another_server_cannot_score_and_says_so_first(llama: ModelServer) -> None:
    llama.owner = "someone"
    with connect(llama) as backend, pytest.raises(InputError, match=r"neither llama-server nor vLLM.*--how generate"):
        backend.check_scoring()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"logprobs": None}, "it lists no log-probabilities"),
        ({"logprobs": {"tokens": ["Wh"], "token_logprobs": [-1.0], "top_logprobs": [{"Wh": -1.0}]}}, "give the prompt"),
    ],
)
def test_a_server_that_ignores_echo_is_found_out_before_the_run(
    vllm: ModelServer, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], reason: str
) -> None:
    answer = vllm.completions

    def without(body: dict[str, Any], chat: bool) -> dict[str, Any]:
        return {"choices": [one | change for one in answer(body, chat)["choices"]]}

    monkeypatch.setattr(vllm, "completions", without)
    with connect(vllm) as backend, pytest.raises(InputError, match=f"This vLLM cannot say.*{reason}"):
        backend.score([Question(TEXT, LETTERS)])


# --- answers of its own -----------------------------------------------------------------------------------------------


def test_texts_and_conversations_are_answered_in_order(server: ModelServer) -> None:
    with connect(server) as backend:
        found = backend.write([TEXT, CHAT], Decoding(max_tokens=7, seed=3))
    tokens = [len(encode("Which one?\n")), len(encode(rendered(MESSAGES)))]
    assert found == [Written(("3 at 0.0",), ("stop",), tokens[0]), Written(("3 at 0.0",), ("stop",), tokens[1])]
    (body,) = server.bodies("/v1/chat/completions")
    assert body["messages"] == MESSAGES
    # Servers have defaults of their own, and vLLM those of the model's folder: none of them may count.
    for name, value in {
        "top_k": 40,
        "top_p": 0.95,
        "min_p": 0.05,
        "repeat_penalty": 1,
        "repetition_penalty": 1,
    }.items():
        assert body[name] == value


def test_each_sample_is_drawn_with_a_seed_of_its_own(server: ModelServer) -> None:
    with connect(server) as backend:
        (drawn,) = backend.write([TEXT], Decoding(max_tokens=7, seed=3, temperature=0.7, samples=3))
        assert len(server.bodies("/v1/completions")) == 3
        (greedy,) = backend.write([TEXT], Decoding(max_tokens=1, seed=3, samples=3))
        assert len(server.bodies("/v1/completions")) == 4  # greedily, all of them are the same
    assert isinstance(drawn, Written)
    assert drawn.texts == ("3 at 0.7", "4 at 0.7", "5 at 0.7")
    assert isinstance(greedy, Written)
    assert (greedy.texts, greedy.finishes) == (("3 at 0.0",) * 3, ("length",) * 3)


@pytest.mark.parametrize("field", ["grammar", "structured_outputs", "guided_grammar"])
def test_a_grammar_is_given_in_the_field_that_the_server_obeys(server: ModelServer, field: str) -> None:
    server.grammar_field = field
    with connect(server) as backend:
        (written,) = backend.write([CHAT], Decoding(max_tokens=7, grammar='root ::= "a, c"'))
    assert isinstance(written, Written)
    assert written.texts == ("a, c",)


def test_a_server_that_ignores_grammars_is_found_out(server: ModelServer) -> None:
    server.grammar_field = None
    with connect(server) as backend, pytest.raises(InputError, match="cannot be held to a grammar"):
        backend.write([CHAT], Decoding(max_tokens=7, grammar='root ::= "a, c"'))


def test_a_grammar_that_the_server_cannot_read(server: ModelServer) -> None:
    with connect(server) as backend, pytest.raises(InputError, match=r"does not take this grammar.*failed to parse"):
        backend.check_grammar("root ::= oops")


def test_a_prompt_that_leaves_no_room_is_too_long(server: ModelServer) -> None:
    prompts = [Prompt(text="x" * CONTEXT), Prompt(messages=(Turn("user", "x" * CONTEXT),)), TEXT]
    with connect(server) as backend:
        found = backend.write(prompts, Decoding(max_tokens=8))
    assert [one.status if isinstance(one, Refused) else "written" for one in found] == ["too_long"] * 2 + ["written"]


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "truncated", "garbage", "500", "503"])
def test_what_fails_once_is_asked_again(server: ModelServer, how: str) -> None:
    with connect(server) as backend:
        server.failures = [("/v1/completions", how)]
        (written,) = backend.write([TEXT], Decoding(max_tokens=7))
    assert isinstance(written, Written)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("close", "The server cannot be reached, or broke the connection off."),
        ("truncated", "The server broke off in the middle of an answer."),
        ("garbage", "The server answered /v1/completions with something that is not what its interface promises."),
        ("500", "The server answered with HTTP status 500 (Loading model)."),
    ],
)
def test_what_fails_twice_is_recorded_and_the_others_go_on(server: ModelServer, how: str, reason: str) -> None:
    with connect(server) as backend:
        server.failures = [("/v1/completions", how), ("/v1/completions", how)]
        (failed,) = backend.write([TEXT], Decoding(max_tokens=7))
        (written,) = backend.write([TEXT], Decoding(max_tokens=7))
    assert failed == Refused("failed", reason)
    assert isinstance(written, Written)


def test_a_server_that_is_gone_ends_the_run(server: ModelServer) -> None:
    """Else every further question would be recorded as failed, and the run as complete."""
    with connect(server) as backend:
        backend.check_scoring()
        server.stop()
        with pytest.raises(MachineError, match="is gone: it does not listen there"):
            backend.score([Question(TEXT, LETTERS)] * 20)


def test_nothing_listens_at_the_start(llama: ModelServer) -> None:
    llama.stop()
    with pytest.raises(MachineError, match="does not listen there; start it, or correct the address") as caught:
        connect(llama)
    assert caught.value.exit_code == ExitCode.MACHINE


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ("503", MachineError, r"is not ready: it answered with HTTP status 503 \(Loading model\)"),
        ("404", InputError, "has no OpenAI-compatible interface"),
        ("302", InputError, "has no OpenAI-compatible interface: it answered with HTTP status 302"),
        ("garbage", InputError, "has no OpenAI-compatible interface"),
        ("truncated", MachineError, "broke off in the middle"),
    ],
)
def test_what_answers_at_the_start_is_no_model(
    llama: ModelServer, how: str, error: type[Exception], words: str
) -> None:
    llama.failures = [("/v1/models", how)]
    with pytest.raises(error, match=words):
        connect(llama)
    assert [path for path, _ in llama.requests] == ["/v1/models"]  # where a redirect points to was not asked


def test_an_answer_that_does_not_come_in_time(server: ModelServer) -> None:
    released = threading.Event()
    with connect(server) as backend:
        backend.check_scoring()
    with connect(server, seconds=0.3) as backend:
        server.before = lambda path, body: path == "/v1/models" or released.wait()
        found = backend.write([TEXT], Decoding(max_tokens=7))
        released.set()
    assert found == [Refused("failed", "The server did not answer within 0.3 seconds.")]


def test_an_answer_that_is_too_large(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(server) as backend:
        monkeypatch.setattr(json_http, "MAX_RESPONSE_BYTES", 2**20)
        monkeypatch.setattr(server, "completions", lambda body, chat: {"choices": [{"text": "x" * (2**20 + 1)}]})
        found = backend.write([TEXT], Decoding(max_tokens=7))
    assert found == [Refused("failed", "The server sent more than 1 MiB at once.")]


def test_several_questions_are_under_way_at_once_and_come_back_in_order(server: ModelServer) -> None:
    together = threading.Barrier(2)

    def meet(path: str, body: dict[str, Any]) -> None:
        if path == "/v1/chat/completions":
            together.wait(timeout=20)

    server.before = meet
    prompts = [Prompt(messages=(Turn("user", "x" * length),)) for length in (9, 1, 5, 3)]
    with connect(server) as backend:
        found = backend.write(prompts, Decoding(max_tokens=7))
    lengths = [len(encode(rendered([{"role": "user", "content": "x" * length}]))) for length in (9, 1, 5, 3)]
    assert [one.prompt_tokens for one in found if isinstance(one, Written)] == lengths


def test_closing_ends_what_is_waited_for(server: ModelServer) -> None:
    """Ctrl-C must not wait for an answer that takes minutes."""
    arrived, released = threading.Event(), threading.Event()

    def hold(path: str, body: dict[str, Any]) -> None:
        if path == "/v1/completions":
            arrived.set()
            released.wait()

    raised: list[BaseException] = []

    def write(backend: OpenAIBackend) -> None:
        try:
            backend.write([TEXT] * 6, Decoding(max_tokens=7))
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    server.before = hold
    backend = connect(server, seconds=600.0)
    thread = threading.Thread(target=write, args=(backend,))
    thread.start()
    assert arrived.wait(20)
    backend.close()
    thread.join(20)
    released.set()
    assert not thread.is_alive()
    assert len(raised) == 1


# --- address, key, model ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://me:secret@127.0.0.1:1", "holds a name or a password"),
        ("http://me@127.0.0.1:1", "holds a name or a password"),
        ("ftp://127.0.0.1", "must begin with http:// or https://"),
        ("file:///etc/passwd", "must begin with http:// or https://"),
        ("127.0.0.1:8080", "must begin with http:// or https://"),
        ("http://", "must begin with http:// or https://"),
        ("http://127.0.0.1:99999", "is none"),
        ("http://127.0.0.1:1/?key=secret", "has a . or # in it"),
        ("http://127.0.0.1:1/#secret", "has a . or # in it"),
        ("http://127.0.0.1:1/a b", "characters that no address has"),
        ("http://127.0.0.1:1/\r\nHost: evil", "characters that no address has"),
        ("http://例え.jp", "characters that no address has"),
    ],
)
def test_an_address_that_is_none(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        OpenAIBackend(url, key=None)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
def test_the_address_with_or_without_v1(server: ModelServer, end: str) -> None:
    with OpenAIBackend(f"{server.url}{end}", key=None) as backend:
        assert backend.model.description == server.url


def test_the_run_says_what_answered(llama: ModelServer, vllm: ModelServer) -> None:
    with connect(llama) as backend:
        assert (backend.model.file, backend.model.sha256) == ("toy.gguf", "")  # no folders of another machine
        assert (backend.engine.name, backend.engine.version) == ("openai", "llama-server b9123-0c1e570")
    with connect(vllm) as backend:
        assert (backend.model.file, backend.model.sha256) == ("org/toy", "")
        assert (backend.engine.name, backend.engine.version) == ("openai", "vLLM 0.11.0")


def test_one_of_several_models_must_be_named(vllm: ModelServer) -> None:
    vllm.extra_models = ["adapter"]
    with pytest.raises(
        InputError, match="several models or none; name the one to score with --served-model: org/toy, adapter"
    ):
        connect(vllm)
    with pytest.raises(InputError, match="does not offer other; it offers org/toy, adapter"):
        connect(vllm, model="other")
    with connect(vllm, model="adapter") as backend:
        assert backend.model.file == "adapter"
        backend.write([TEXT], Decoding(max_tokens=7))
    assert vllm.bodies("/v1/completions")[0]["model"] == "adapter"


def test_the_key_is_sent_and_never_told(server: ModelServer) -> None:
    server.key = "top-secret"
    for key in (None, "wrong-key"):
        with pytest.raises(InputError, match="INRO_OPENAI_KEY") as caught:
            connect(server, key=key)
        assert "wrong-key" not in str(caught.value)
    with connect(server, key="top-secret") as backend:
        assert isinstance(backend.write([TEXT], Decoding(max_tokens=7))[0], Written)
        server.key = "another"
        with pytest.raises(InputError, match="INRO_OPENAI_KEY") as caught:
            backend.write([TEXT], Decoding(max_tokens=7))
        assert "top-secret" not in str(caught.value)
        assert "top-secret" not in repr((backend.model, backend.engine))


def test_a_key_that_would_leave_its_header_is_not_sent(llama: ModelServer) -> None:
    with pytest.raises(InputError, match="characters that no key has") as caught:
        connect(llama, key="a\r\nX-Other: b")
    assert "X-Other" not in str(caught.value)
    assert llama.requests == []


def test_an_error_that_repeats_the_key_is_told_without_it(server: ModelServer) -> None:
    with connect(server, key="top-secret") as backend, broken(server, "Bad key top-secret\x1b[2J given."):
        (failed,) = backend.write([TEXT], Decoding(max_tokens=7))
    assert failed == Refused("failed", "The server answered with HTTP status 418 (Bad key …\ufffd[2J given).")


@contextmanager
def broken(server: ModelServer, message: str) -> Iterator[None]:
    from tests.unit.evaluation.model_servers import Rejection

    def refuse(path: str, body: dict[str, Any]) -> Any:
        if path == "/v1/completions":
            raise Rejection(418, message)
        return usual(path, body)

    usual, server.answer = server.answer, refuse  # type: ignore[method-assign]
    yield
    server.answer = usual  # type: ignore[method-assign]


def test_proxies_of_the_environment_are_not_used(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with connect(server) as backend:
        assert isinstance(backend.write([TEXT], Decoding(max_tokens=7))[0], Written)
