"""A model behind an OpenAI-compatible server: llama-server or vLLM, on this machine or another.

What a server computes depends a little on what it computes at the same time and on what it has cached: its numbers may
differ in the last digits from one run to the next, where those of the project's own engine do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import fsum
from typing import Any, Literal, TypeVar

import msgspec

from app.core.engine.protocol import Sampling
from app.core.errors import InputError, MachineError
from evaluation.output import printable
from evaluation.runs.backend import AnswerScore, Decoding, Prompt, Question, Refused, Scored, Written
from evaluation.runs.json_http import ANSWER_SECONDS, JsonClient, NoAnswer, Rejected, parse_address
from evaluation.runs.openai_found import KEY_VARIABLE, find, locked, offered, where
from evaluation.runs.openai_servers import ScoringServer, TokenScore
from evaluation.runs.records import RunEngine, RunModel

__all__ = ["AT_ONCE", "KEY_VARIABLE", "OpenAIBackend"]

AT_ONCE = 4
"""Questions: a server evaluates them together."""

_GROUP = 4 * AT_ONCE
"""Items that are written down together: the last of a group leave the server idle, so it is not too small."""

_GRAMMARS: tuple[Callable[[str], dict[str, Any]], ...] = (
    lambda grammar: {"grammar": grammar},  # llama-server
    lambda grammar: {"structured_outputs": {"grammar": grammar}},  # vLLM from 0.11
    lambda grammar: {"guided_grammar": grammar},  # vLLM before 0.12
)
_PROBE, _PROBE_GRAMMAR = "qzqz", 'root ::= "qzqz"'

T = TypeVar("T", Scored, Written)


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    text: str | None = None
    message: _Message | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class OpenAIBackend:
    """A Backend, connected when it is constructed.

    `model` is the name of one that the server offers, where it offers several. `key` is sent with every request.

    Raises:
        InputError: the address is none, or what answers there is no such server, or does not offer the model.
        MachineError: nothing answers there now.
    """

    def __init__(self, url: str, *, key: str | None, model: str | None = None, seconds: float = ANSWER_SECONDS) -> None:
        self._client = JsonClient(parse_address(url), key, seconds)
        self._found = find(self._client, model)
        self._server = self._found.server
        self._where = where(self._client)
        self._checked = False
        self._grammar: Callable[[str], dict[str, Any]] | None = None
        self._grammars_checked: set[str] = set()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="openai")

    def __enter__(self) -> OpenAIBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends what is still asked: a Ctrl-C need not wait for an answer."""
        self._client.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def model(self) -> RunModel:
        """A path that llama-server calls its model by is told without its folders."""
        name = self._found.model
        if name.endswith(".gguf"):
            name = name.replace("\\", "/").rsplit("/", 1)[-1]
        return RunModel(file=printable(name), sha256="", description=str(self._client.address))

    @property
    def engine(self) -> RunEngine:
        return RunEngine(name="openai", version=self._found.version)

    # --- probabilities of given answers ---

    def check_scoring(self) -> None:
        """Raises InputError if this server cannot say how likely given answers are; `score` asks this first."""
        if self._checked:
            return
        if self._server is None:
            raise InputError(
                f"{self._where} is neither llama-server nor vLLM and cannot say how likely given answers are; let it "
                "write answers (--how generate)."
            )
        self._server.check()
        self._checked = True

    def score(self, questions: Sequence[Question]) -> list[Scored | Refused]:
        self.check_scoring()
        assert self._server is not None
        server = self._server
        return self._all([partial(self._scored, server, one) for one in questions])

    def _scored(self, server: ScoringServer, question: Question) -> Scored | Refused:
        prompt, *answers = server.sequences(question.prompt, ("", *question.answers))
        # One token more is written after those that are read.
        if refused := self._too_long(max(map(len, (prompt, *answers))) + 1):
            return refused
        # Where the first answer departs from the prompt's own tokens: a tokenizer may merge what is on either side.
        start = max(1, min(_shared(prompt, answer) for answer in answers))
        if any(len(answer) <= start for answer in answers):
            return Refused("failed", "An answer has no token of its own, so it has no probability.")
        scores = server.score(answers[0][:start], [answer[start:] for answer in answers])
        return Scored(tuple(map(_answer_score, scores)), prompt_tokens=len(prompt))

    # --- answers of its own ---

    def check_grammar(self, grammar: str) -> None:
        """Raises InputError if this server cannot be held to it; `write` asks this first.

        Servers ignore fields that they do not know, so each way of asking is tried with a text that no model writes.
        """
        if grammar in self._grammars_checked:
            return
        if self._grammar is None:
            self._grammar = next((one for one in _GRAMMARS if self._obeys(one)), None)
        if self._grammar is None:
            raise InputError(f"{self._where} cannot be held to a grammar; leave the grammar out.")
        try:
            self._posted(Prompt(text="A"), {"max_tokens": 1, **self._grammar(grammar)})
        except (NoAnswer, Rejected) as error:
            raise InputError(f"{self._where} does not take this grammar: it {error}.") from error
        self._grammars_checked.add(grammar)

    def _obeys(self, way: Callable[[str], dict[str, Any]]) -> bool:
        try:
            written = self._posted(Prompt(text="A"), {"max_tokens": 16, "temperature": 0, **way(_PROBE_GRAMMAR)})
        except (NoAnswer, Rejected):
            return False
        return written.texts[0].strip() == _PROBE

    def share(self, prompts: Sequence[Prompt]) -> None:
        """Servers find out by themselves what prompts begin with."""

    def groups(self, asked: Sequence[Sequence[Question]], decoding: Decoding | None) -> list[range]:
        return [range(start, min(start + _GROUP, len(asked))) for start in range(0, len(asked), _GROUP)]

    def write(self, prompts: Sequence[Prompt], decoding: Decoding) -> list[Written | Refused]:
        if decoding.grammar is not None:
            self.check_grammar(decoding.grammar)
        return self._all([partial(self._written, one, decoding) for one in prompts])

    def _written(self, prompt: Prompt, decoding: Decoding) -> Written | Refused:
        # Greedily, every sample is the same.
        count = decoding.samples if decoding.temperature > 0 else 1
        try:
            answers = [self._posted(prompt, self._decoded(decoding, decoding.seed + i)) for i in range(count)]
        except Rejected as error:
            if error.status == 400 and (refused := self._prompt_too_long(prompt, decoding.max_tokens)):
                return refused
            raise
        answers *= decoding.samples // count
        return Written(
            texts=tuple(text for one in answers for text in one.texts),
            finishes=tuple(finish for one in answers for finish in one.finishes),
            prompt_tokens=answers[0].prompt_tokens,
        )

    def _decoded(self, decoding: Decoding, seed: int) -> dict[str, Any]:
        """All that sampling depends on: servers have defaults of their own, vLLM those of the model's folder."""
        usual = Sampling()
        body: dict[str, Any] = {
            "max_tokens": decoding.max_tokens,
            "temperature": decoding.temperature,
            "seed": seed,
            **({"stop": list(decoding.stop)} if decoding.stop else {}),
            "top_k": usual.top_k,
            "top_p": usual.top_p,
            "min_p": usual.min_p,
            "presence_penalty": 0,
            "frequency_penalty": 0,
            "repeat_penalty": 1,  # llama-server's name
            "repetition_penalty": 1,  # vLLM's name
        }
        return body | (self._grammar(decoding.grammar) if decoding.grammar and self._grammar else {})

    def _posted(self, prompt: Prompt, body: dict[str, Any]) -> Written:
        body = {"model": self._found.model, "stream": False, **body}
        if prompt.text is not None:
            answer = self._client.post("/v1/completions", body | {"prompt": prompt.text}, _Answer)
        else:
            messages = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
            answer = self._client.post("/v1/chat/completions", body | {"messages": messages}, _Answer)
        if len(answer.choices) != 1:
            raise NoAnswer("gave another number of answers than was asked for")
        choice = answer.choices[0]
        text = choice.text if prompt.text is not None else choice.message and choice.message.content
        finish: Literal["stop", "length"] = "length" if choice.finish_reason == "length" else "stop"
        return Written((text or "",), (finish,), answer.usage.prompt_tokens if answer.usage else None)

    # --- questions in general ---

    def _all(self, work: Sequence[Callable[[], T | Refused]]) -> list[T | Refused]:
        """The outcomes in order, a few questions at a time. What ends the run is raised, and nothing more is asked."""
        futures = [self._pool.submit(self._outcome, one) for one in work]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    def _outcome(self, work: Callable[[], T | Refused]) -> T | Refused:
        """Asks once more if no answer came. A server that does not even list its models any more ends the run: all
        further questions would fail, and the run can be resumed when it is there again."""
        reason = ""
        for _ in range(2):
            try:
                return work()
            except Rejected as error:
                if error.status in (401, 403):
                    raise locked(self._client) from error
                if error.kind == "exceed_context_size_error":
                    return Refused("too_long", f"The server {error}.")
                reason = str(error)
                if error.status < 500 and error.status not in (408, 429):
                    break
            except NoAnswer as error:
                reason = str(error)
        try:
            offered(self._client)
        except (NoAnswer, Rejected) as error:
            raise MachineError(f"{self._where} is gone: it {error}.") from error
        return Refused("failed", f"The server {reason}.")

    def _too_long(self, tokens: int) -> Refused | None:
        length = self._server.context_length if self._server else None
        if length is None or tokens <= length:
            return None
        return Refused("too_long", f"It takes {tokens:,} tokens, and the server's context holds {length:,}.")

    def _prompt_too_long(self, prompt: Prompt, max_tokens: int) -> Refused | None:
        """Only asked once a server has refused: what the refusal says differs from version to version."""
        if self._server is None:
            return None
        return self._too_long(len(self._server.sequences(prompt, ("",))[0]) + max_tokens)


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    shared = 0
    while shared < min(len(one), len(other)) and one[shared] == other[shared]:
        shared += 1
    return shared


def _answer_score(scores: Sequence[TokenScore]) -> AnswerScore:
    return AnswerScore(fsum(one.logprob for one in scores), len(scores), all(one.greedy for one in scores))
