"""The two servers whose log-probabilities can be had exactly, and what each must be asked for them.

Everything goes by token numbers: which token of the answer follows which of the prompt is the server's tokenizer's
matter, never guessed from texts. Neither server gives the probability of a given text as a matter of course:

- vLLM gives the `--max-logprobs` (20) most likely next tokens, and with `echo` those of the prompt's own tokens.
- llama-server has no `echo` (it ignores the field, ggml-org/llama.cpp#27174). But the probabilities that it lists are
  those before sampling, `logit_bias` included: a token that a bias forces is listed with its own true probability. A
  token that is only the beginning of a character is not listed when it is written, so that for those the whole
  vocabulary is listed beside another token that is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from app.core.engine.protocol import Turn
from app.core.errors import InputError
from evaluation.runs.backend import Prompt
from evaluation.runs.json_http import JsonClient, NoAnswer, Rejected

_LISTED = 40
"""Next tokens that llama-server is asked to list: letters of a question that was understood are among them."""

_VLLM_LISTED = 20

_FORCE = 1e6
"""A logit bias that no logit outweighs, and that a 32-bit float still adds exactly enough."""

_LEAST = -103.28
"""ln of the smallest 32-bit float: llama-server computes probabilities with these, and lists a smaller one as 0."""

_ROUNDING = 1e-3


@dataclass(frozen=True)
class TokenScore:
    logprob: float
    """Nats."""
    greedy: bool
    """Whether no token was more likely."""


class ScoringServer(Protocol):
    context_length: int | None
    """Tokens of prompt and answer together; None where the server does not say."""

    def check(self) -> None:
        """Raises InputError if this server cannot do what `score` needs."""

    def sequences(self, prompt: Prompt, answers: Sequence[str]) -> list[list[int]]:
        """The tokens of the prompt with each of the answers. Raises NoAnswer or Rejected."""

    def score(self, prefix: Sequence[int], rests: Sequence[Sequence[int]]) -> list[list[TokenScore]]:
        """One for each token of each rest, after the prefix and what precedes it. Raises NoAnswer or Rejected."""


# --- llama-server -----------------------------------------------------------------------------------------------------


class _Listed(msgspec.Struct):
    id: int
    logprob: float


class _Written(_Listed):
    top_logprobs: list[_Listed] = []


class _Content(msgspec.Struct):
    content: list[_Written] = []


class _LlamaChoice(msgspec.Struct):
    logprobs: _Content | None = None


class _LlamaAnswer(msgspec.Struct):
    choices: list[_LlamaChoice]


class _Tokens(msgspec.Struct):
    tokens: list[int]


class _Rendered(msgspec.Struct):
    prompt: str


class LlamaServer:
    def __init__(self, client: JsonClient, model: str, context_length: int | None, vocabulary: int | None) -> None:
        self.context_length = context_length
        self._client = client
        self._model = model
        self._all = vocabulary or 1_000_000
        self._neutral = 0
        self._fragments: set[int] = set()
        """Tokens that are known to be the beginning of a character."""

    def check(self) -> None:
        try:
            tokens = self._tokenized("a", special=False)
            self._neutral = tokens[0]
            _check_scores(self.score(tokens[:1], [tokens[:1], [tokens[0] + 1]]))
        except (NoAnswer, Rejected, IndexError, KeyError) as error:
            raise InputError(_CANNOT.format("llama-server", "update it", error)) from error

    def sequences(self, prompt: Prompt, answers: Sequence[str]) -> list[list[int]]:
        text = prompt.text
        if text is None:
            text = self._client.post("/apply-template", _chat(self._model, prompt.messages), _Rendered).prompt
        return [self._tokenized(text + answer, special=True) for answer in answers]

    def _tokenized(self, text: str, special: bool) -> list[int]:
        body = {"model": self._model, "content": text, "add_special": special, "parse_special": True}
        return self._client.post("/tokenize", body, _Tokens).tokens

    def score(self, prefix: Sequence[int], rests: Sequence[Sequence[int]]) -> list[list[TokenScore]]:
        wanted: dict[tuple[int, ...], set[int]] = {}
        for rest in rests:
            for place, token in enumerate(rest):
                wanted.setdefault(tuple(rest[:place]), set()).add(token)
        found = {path: self._following([*prefix, *path], tokens) for path, tokens in wanted.items()}
        return [[found[tuple(rest[:place])][token] for place, token in enumerate(rest)] for rest in rests]

    def _following(self, context: list[int], tokens: set[int]) -> dict[int, TokenScore]:
        found = self._listed(context, tokens, _LISTED) if len(tokens) > 1 else {}
        for token in sorted(tokens - found.keys()):
            forced = None if token in self._fragments else self._forced(context, token)
            if forced is None:
                self._fragments.add(token)
                found |= self._listed(context, tokens - found.keys(), self._all)
            else:
                found[token] = forced
        if missing := tokens - found.keys():
            raise NoAnswer(f"does not say how likely the token {min(missing)} is")
        return found

    def _listed(self, context: list[int], tokens: Iterable[int], count: int) -> dict[int, TokenScore]:
        """Those of the tokens that are among the `count` most likely ones."""
        written = self._written(context, self._neutral, count)
        listed = written.top_logprobs if written else []
        scores = {one.id: TokenScore(max(one.logprob, _LEAST), one.id == listed[0].id) for one in listed}
        return {token: scores[token] for token in tokens if token in scores}

    def _forced(self, context: list[int], token: int) -> TokenScore | None:
        """None for a token that is not listed, being the beginning of a character."""
        written = self._written(context, token, 1)
        if written is None or not written.top_logprobs:
            return None
        if written.id != token:
            raise NoAnswer("does not write the token that a logit_bias asks for")
        return TokenScore(max(written.logprob, _LEAST), written.top_logprobs[0].id == token)

    def _written(self, context: list[int], token: int, count: int) -> _Written | None:
        body = {
            "model": self._model,
            "prompt": context,
            "max_tokens": 1,
            "temperature": 0,
            "n_probs": count,
            "logit_bias": [[token, _FORCE]],
        }
        choices = self._client.post("/v1/completions", body, _LlamaAnswer).choices
        if len(choices) != 1:
            raise NoAnswer("gave another number of answers than was asked for")
        content = choices[0].logprobs.content if choices[0].logprobs else []
        return content[0] if content else None


# --- vLLM -------------------------------------------------------------------------------------------------------------


class _Logprobs(msgspec.Struct):
    tokens: list[str]
    """token_id:123"""
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]


class _VllmChoice(msgspec.Struct):
    index: int
    logprobs: _Logprobs | None = None


class _VllmAnswer(msgspec.Struct):
    choices: list[_VllmChoice]


class VllmServer:
    def __init__(self, client: JsonClient, model: str, context_length: int | None) -> None:
        self.context_length = context_length
        self._client = client
        self._model = model
        self._lists = True
        """Whether it may be asked for the most likely tokens; if not, `echo` says the same, more slowly."""

    def check(self) -> None:
        try:
            tokens = self._tokenized("1 2 3 4", special=True)
            _check_scores(self._echoed(tokens[:1], [tokens[1:]]))
            try:
                _check_scores([list(self._listed(tokens).values())])
            except Rejected:
                self._lists = False  # --max-logprobs is below 20
        except (NoAnswer, Rejected) as error:
            way_out = "update it, or start it with --return-tokens-as-token-ids"
            raise InputError(_CANNOT.format("vLLM", way_out, error)) from error

    def sequences(self, prompt: Prompt, answers: Sequence[str]) -> list[list[int]]:
        if prompt.text is not None:
            return [self._tokenized(prompt.text + answer, special=True) for answer in answers]
        # It renders a conversation straight into tokens; its template ends where an answer begins.
        asked = self._client.post("/tokenize", _chat(self._model, prompt.messages), _Tokens).tokens
        return [asked + (self._tokenized(answer, special=False) if answer else []) for answer in answers]

    def _tokenized(self, text: str, special: bool) -> list[int]:
        body = {"model": self._model, "prompt": text, "add_special_tokens": special}
        return self._client.post("/tokenize", body, _Tokens).tokens

    def score(self, prefix: Sequence[int], rests: Sequence[Sequence[int]]) -> list[list[TokenScore]]:
        if not self._lists or any(len(rest) > 1 for rest in rests):
            return self._echoed(prefix, rests)
        found = self._listed(prefix)
        missing = sorted({rest[0] for rest in rests} - found.keys())
        if missing:
            echoed = self._echoed(prefix, [[token] for token in missing])
            found |= {token: scores[0] for token, scores in zip(missing, echoed, strict=True)}
        return [[found[rest[0]]] for rest in rests]

    def _listed(self, prompt: Sequence[int]) -> dict[int, TokenScore]:
        """The most likely next tokens."""
        asked = self._asked({"prompt": list(prompt), "logprobs": _VLLM_LISTED})
        top = asked[0].top_logprobs[0] if asked[0].top_logprobs else None
        if not top:
            raise NoAnswer("lists no log-probabilities")
        highest = max(top.values())
        return {_number(name): TokenScore(logprob, logprob == highest) for name, logprob in top.items()}

    def _echoed(self, prefix: Sequence[int], rests: Sequence[Sequence[int]]) -> list[list[TokenScore]]:
        asked = self._asked({"prompt": [[*prefix, *rest] for rest in rests], "echo": True, "logprobs": 1}, len(rests))
        return [self._of(one, len(prefix), rest) for one, rest in zip(asked, rests, strict=True)]

    @staticmethod
    def _of(echoed: _Logprobs, start: int, rest: Sequence[int]) -> list[TokenScore]:
        end = start + len(rest)
        if [_number(name) for name in echoed.tokens[start:end]] != list(rest):
            raise NoAnswer("does not give the prompt's own tokens back")
        scores = []
        for own, top in zip(echoed.token_logprobs[start:end], echoed.top_logprobs[start:end], strict=True):
            if own is None or not top:
                raise NoAnswer("lists no log-probabilities for the prompt's own tokens")
            scores.append(TokenScore(own, own >= max(top.values())))
        return scores

    def _asked(self, body: dict[str, Any], count: int = 1) -> list[_Logprobs]:
        body |= {"model": self._model, "max_tokens": 1, "temperature": 0, "return_tokens_as_token_ids": True}
        choices = sorted(self._client.post("/v1/completions", body, _VllmAnswer).choices, key=lambda one: one.index)
        if [one.index for one in choices] != list(range(count)):
            raise NoAnswer("gave another number of answers than was asked for")
        found = [one.logprobs for one in choices if one.logprobs]
        if len(found) != count or any(
            not len(one.tokens) == len(one.token_logprobs) == len(one.top_logprobs) for one in found
        ):
            raise NoAnswer("lists no log-probabilities")
        return found


_CANNOT = "This {0} cannot say how likely given answers are; {1}, or let it write answers (--how generate): it {2}."


def _chat(model: str, messages: Sequence[Turn]) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": turn.role, "content": turn.content} for turn in messages]}


def _number(name: str) -> int:
    number = name.removeprefix("token_id:")
    if number == name or not number.isdecimal():
        raise NoAnswer("names tokens by their text, not by their numbers")
    return int(number)


def _check_scores(scores: Iterable[Iterable[TokenScore]]) -> None:
    """vLLM can be told to list logits instead."""
    if any(one.logprob > _ROUNDING for answer in scores for one in answer):
        raise NoAnswer("lists numbers that are no log-probabilities")
