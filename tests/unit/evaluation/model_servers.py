"""Stand-ins for llama-server and vLLM on 127.0.0.1, around a toy model whose probabilities can be computed by hand.

They behave as the servers' documentation and sources say, in what scoring depends on:
llama-server (b9xxx, tools/server/README.md): fields it does not know are ignored, `echo` too; `n_probs` lists
probabilities before sampling, `logit_bias` included; a token that is the beginning of a character is not listed as
written; 400 with `exceed_context_size_error` for a prompt that does not fit.
vLLM (0.11, OpenAI-compatible server): `echo` with `logprobs` lists the prompt's tokens, the first with null; at most
20 `logprobs`, else 400; `return_tokens_as_token_ids`; `/tokenize` renders conversations; unknown fields are ignored.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import exp, fsum, log
from typing import Any

PIECES = [bytes([value]) for value in range(256)]
PIECES += [piece.encode() for piece in (" a", " b", "答え", "：a", "ab", "尿酸", "<turn>", "</turn>")]
"""What each token is; a text is cut into the longest ones from its beginning. "：a" reaches into an answer."""

CONTEXT = 200


def encode(text: str) -> list[int]:
    raw, tokens = text.encode(), []
    while raw:
        token = max((i for i, piece in enumerate(PIECES) if raw.startswith(piece)), key=lambda i: len(PIECES[i]))
        tokens.append(token)
        raw = raw[len(PIECES[token]) :]
    return tokens


@cache
def distribution(context: tuple[int, ...]) -> tuple[float, ...]:
    """Log-probabilities of the next token: they depend on all tokens before it and mean nothing."""
    chance = random.Random(str(context))
    logits = [chance.gauss(0, 3) for _ in PIECES]
    total = log(fsum(map(exp, logits)))
    return tuple(logit - total for logit in logits)


def logprob(tokens: Sequence[int], start: int) -> float:
    """Of the tokens from `start` on, after those before."""
    return fsum(distribution(tuple(tokens[:place]))[tokens[place]] for place in range(start, len(tokens)))


def rendered(messages: Sequence[dict[str, str]]) -> str:
    return (
        "".join(f"<turn>{message['role']}\n{message['content']}</turn>" for message in messages) + "<turn>assistant\n"
    )


class Rejection(Exception):
    def __init__(self, status: int, message: str, kind: str = "invalid_request_error") -> None:
        self.status, self.message, self.kind = status, message, kind


class ModelServer:
    """`requests` are the paths and bodies that came; `before` is called with each before it is answered."""

    owner = ""
    model = "/models/secret folder/toy.gguf"

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.key: str | None = None
        self.failures: list[tuple[str, str]] = []
        """Path and way of failing of the next requests, each once: close, truncated, garbage or an HTTP status."""
        self.before: Callable[[str, dict[str, Any]], object] = lambda path, body: None
        self.extra_models: list[str] = []
        self.grammar_field: str | None = None
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for asked, body in self.requests if asked == path]

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/v1/models":
            return {"object": "list", "data": [self.about(name) for name in (self.model, *self.extra_models)]}
        if path in ("/v1/completions", "/v1/chat/completions"):
            return self.completions(body, chat="chat" in path)
        raise Rejection(404, "File Not Found", "not_found_error")

    def about(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "owned_by": self.owner}

    def completions(self, body: dict[str, Any], chat: bool) -> dict[str, Any]:
        """What it writes names the seed and the temperature, so that a test sees what arrived."""
        grammar = self.grammar_of(body)
        if grammar and "oops" in grammar:
            raise Rejection(400, "Failed to initialize samplers: failed to parse grammar")
        text = f"{body.get('seed')} at {body.get('temperature')}"
        if grammar:
            text = grammar.partition('"')[2].partition('"')[0]
        words = {"message": {"role": "assistant", "content": text}} if chat else {"text": text, "logprobs": None}
        tokens = len(encode(rendered(body["messages"]) if chat else body["prompt"]))
        finish = "length" if body.get("max_tokens") == 1 else "stop"
        return {"choices": [{"index": 0, "finish_reason": finish, **words}], "usage": {"prompt_tokens": tokens}}

    def grammar_of(self, body: dict[str, Any]) -> str | None:
        """Of the one field that it knows; others are ignored."""
        found = body.get(self.grammar_field) if self.grammar_field else None
        return found.get("grammar") if isinstance(found, dict) else found

    def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._do({})

            def do_POST(self) -> None:
                self._do(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _do(self, body: dict[str, Any]) -> None:
                with server._lock:
                    server.requests.append((self.path, body))
                    server.headers.append(dict(self.headers))
                    failure = next((one for one in server.failures if one[0] == self.path), None)
                    if failure:
                        server.failures.remove(failure)
                server.before(self.path, body)
                if failure:
                    self._fail(failure[1])
                elif server.key and self.headers["Authorization"] != f"Bearer {server.key}":
                    self._send(401, {"error": {"message": "Invalid API Key", "type": "authentication_error"}})
                else:
                    try:
                        self._send(200, server.answer(self.path, body))
                    except Rejection as no:
                        self._send(no.status, {"error": {"message": no.message, "type": no.kind, "code": no.status}})

            def _fail(self, how: str) -> None:
                if how == "truncated":
                    self._send(200, {"data": [], "choices": []}, missing=5)
                elif how == "garbage":
                    self._send(200, ["no", "object"])
                elif how.isdecimal():
                    self._send(int(how), {"error": {"message": "Loading model", "type": "unavailable_error"}})
                self.close_connection = True

            def _send(self, status: int, value: Any, missing: int = 0) -> None:
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data) + missing))
                if status == 302:
                    self.send_header("Location", f"{server.url}/elsewhere")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class LlamaServerStandIn(ModelServer):
    owner = "llamacpp"

    def __init__(self) -> None:
        super().__init__()
        self.grammar_field = "grammar"

    def about(self, name: str) -> dict[str, Any]:
        return super().about(name) | {"meta": {"n_ctx": CONTEXT, "n_vocab": len(PIECES)}}

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/props":
            return {"build_info": "b9123-0c1e570", "total_slots": 4}
        if path == "/apply-template":
            return {"prompt": rendered(body["messages"])}
        if path == "/tokenize":
            return {"tokens": encode(body["content"])}
        return super().answer(path, body)

    def completions(self, body: dict[str, Any], chat: bool) -> dict[str, Any]:
        prompt = encode(rendered(body["messages"])) if chat else body["prompt"]
        if len(prompt) >= CONTEXT:
            raise Rejection(400, f"request ({len(prompt)} tokens) exceeds", "exceed_context_size_error")
        if not isinstance(prompt, list) or "n_probs" not in body:
            return super().completions(body, chat)
        logprobs = distribution(tuple(prompt))
        bias = dict(body.get("logit_bias", []))
        written = max(range(len(PIECES)), key=lambda token: logprobs[token] + bias.get(token, 0))
        ranked = sorted(range(len(PIECES)), key=lambda token: -logprobs[token])[: body["n_probs"]]
        listed = {
            "id": written,
            "logprob": logprobs[written],
            "top_logprobs": [{"id": token, "logprob": logprobs[token]} for token in ranked],
        }
        begins_character = PIECES[written][-1] >= 0xC2
        content = {"content": [listed]} if not begins_character else None
        return {"choices": [{"index": 0, "text": "", "logprobs": content, "finish_reason": "length"}]}


class VllmStandIn(ModelServer):
    owner = "vllm"
    most_logprobs = 20

    def __init__(self) -> None:
        super().__init__()
        self.grammar_field = "structured_outputs"
        self.model = "org/toy"

    def about(self, name: str) -> dict[str, Any]:
        return super().about(name) | {"max_model_len": CONTEXT, "root": name}

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/version":
            return {"version": "0.11.0"}
        if path == "/tokenize":
            tokens = encode(rendered(body["messages"]) if "messages" in body else body["prompt"])
            return {"count": len(tokens), "max_model_len": CONTEXT, "tokens": tokens}
        return super().answer(path, body)

    def completions(self, body: dict[str, Any], chat: bool) -> dict[str, Any]:
        prompt = rendered(body["messages"]) if chat else body["prompt"]
        prompts = [encode(prompt)] if isinstance(prompt, str) else prompt if isinstance(prompt[0], list) else [prompt]
        for one in prompts:
            if len(one) + body["max_tokens"] > CONTEXT:
                raise Rejection(400, f"This model's maximum context length is {CONTEXT} tokens.", "BadRequestError")
        if body.get("logprobs") is None:
            return super().completions(body, chat)
        if body["logprobs"] > self.most_logprobs:
            raise Rejection(400, f"Requested sample logprobs of {body['logprobs']}, which is greater than max allowed")
        listed = [self._logprobs(one, body) for one in prompts]
        # Answers to several prompts need not come in their order.
        return {"choices": [{"index": i, "text": "", "logprobs": one} for i, one in reversed(list(enumerate(listed)))]}

    def _logprobs(self, prompt: list[int], body: dict[str, Any]) -> dict[str, Any]:
        written = max(range(len(PIECES)), key=lambda token: distribution(tuple(prompt))[token])
        places = range(0 if body.get("echo") else len(prompt), len(prompt) + 1)
        tokens = [*prompt, written]
        name = "token_id:{}".format if body.get("return_tokens_as_token_ids") else str
        result: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for place in places:
            logprobs = distribution(tuple(tokens[:place]))
            ranked = sorted(range(len(PIECES)), key=lambda token: -logprobs[token])[: body["logprobs"]]
            own = tokens[place]
            result["tokens"].append(name(own))
            result["token_logprobs"].append(logprobs[own] if place else None)
            result["top_logprobs"].append(
                {name(t): logprobs[t] for t in {own: 0, **dict.fromkeys(ranked)}} if place else None
            )
        return result


@contextmanager
def serving(server: ModelServer) -> Iterator[ModelServer]:
    try:
        yield server
    finally:
        server.stop()
