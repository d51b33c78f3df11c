"""The messages between the application and its worker process: one JSON object a line, typed and versioned.

The worker speaks first, with `Hello`. Every request carries an `id`; every event that answers it repeats that id, so
that what a cancelled request still sends is never taken for the next one's. A request ends with exactly one of
`Loaded`, `Unloaded`, `Done`, `Report`, `Tokens`, `Conversations`, `Scores`, `Completions`, `Written`, `Measured` or
`Failed`.
`Cancel` is answered by the end of the request it cancels. A busy worker sends an event (at least `Alive`) four times a
second; silence means that it hangs.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 64 * 1024 * 1024

AUTO = -1
"""For `Load.gpu_layers`: as many layers on GPUs as their free memory holds, none without one."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    pass


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of a conversation, in the terms of chat templates."""

    role: Literal["system", "user", "assistant"]
    content: str


class Sampling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the next token is chosen. Temperature 0 is greedy and the other values are then unused."""

    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    seed: int = 0


# --- requests ---------------------------------------------------------------------------------------------------------


class Load(_Message, tag="load", frozen=True):
    id: int
    path: str
    context_length: int | None = None
    """Tokens; by default what the model was trained with, at most 4,096."""
    threads: int | None = None
    """By default the physical cores this process may use."""
    gpu_layers: int = AUTO


class Generate(_Message, tag="generate", frozen=True):
    """Answer `messages` (rendered with the model's own chat template) or continue `prompt` as it is."""

    id: int
    messages: tuple[Turn, ...] = ()
    prompt: str | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    max_tokens: int = 512
    ignore_end: bool = False
    """Go on past the model's end-of-turn token: for measuring speed only."""


class Cancel(_Message, tag="cancel", frozen=True):
    id: int
    """The request to cancel."""


class Unload(_Message, tag="unload", frozen=True):
    id: int


class Status(_Message, tag="status", frozen=True):
    id: int


class Tokenize(_Message, tag="tokenize", frozen=True):
    id: int
    text: str
    parse_special: bool = False
    """Whether `<|im_start|>` and the like become control tokens rather than text."""


class Logits(_Message, tag="logits", frozen=True):
    """Write the logits of `tokens` from position `first` on to `path`: float32, shape (tokens - first, vocabulary)."""

    id: int
    tokens: tuple[int, ...]
    path: str
    first: int = 0
    exact: bool = False
    """With attention in 32 bits, so that only the weights' own rounding is left; by default as answers are computed."""


class Conversation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What comes before an answer, and answers: `messages` for the chat template, or `prompt` as it is."""

    messages: tuple[Turn, ...] = ()
    prompt: str | None = None
    answers: tuple[str, ...] = ()


class Encode(_Message, tag="encode", frozen=True):
    """The tokens of conversations, each with none and with each of its answers: as they are evaluated, never cut.

    A chat template that writes the date writes the same one on every day.
    """

    id: int
    conversations: tuple[Conversation, ...]


class TokenSequence(msgspec.Struct, frozen=True, array_like=True):
    tokens: tuple[int, ...]
    first: int
    """The position from which on probabilities are asked for."""


class Score(_Message, tag="score", frozen=True):
    """The probabilities of tokens in many sequences; what they begin with alike is evaluated once."""

    id: int
    sequences: tuple[TokenSequence, ...]
    prefix: tuple[int, ...] = ()
    """What every sequence begins with; kept evaluated for the next request that has the same."""
    together: bool = True
    """False: each sequence by itself."""


class Complete(_Message, tag="complete", frozen=True):
    """Answers to many prompts at once, each `samples` times, sample i drawn with `sampling.seed + i`."""

    id: int
    prompts: tuple[tuple[int, ...], ...]
    prefix: tuple[int, ...] = ()
    """What every prompt begins with."""
    sampling: Sampling = Sampling()
    samples: int = 1
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    grammar: str | None = None
    """GBNF: nothing else is written."""


class Quantize(_Message, tag="quantize", frozen=True):
    """Write `source` (an unquantized GGUF file) to `target` with llama.cpp's recipe of that name, such as Q4_K_M."""

    id: int
    source: str
    target: str
    recipe: str
    weighted: bool = False
    """Whether to choose the types of the tensors as for a file with an importance matrix."""


class Measure(_Message, tag="measure", frozen=True):
    """How fast this machine reads weights and multiplies with those of `types` (GGUF's names), and its GPUs."""

    id: int
    types: tuple[str, ...]


class Shutdown(_Message, tag="shutdown", frozen=True):
    pass


Request = (
    Load | Generate | Cancel | Unload | Status | Tokenize | Logits | Encode | Score | Complete | Quantize | Measure
) | Shutdown

# --- events -----------------------------------------------------------------------------------------------------------


class Hello(_Message, tag="hello", frozen=True):
    protocol: int
    llama_cpp_python: str
    llama_cpp_commit: str
    cpu_features: tuple[str, ...]
    """As llama.cpp names them: AVX2, FMA, NEON …"""
    gpu_offload: bool


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    architecture: str
    description: str
    """llama.cpp's one-line description: architecture, size class, quantization."""
    file_bytes: int
    parameters: int
    vocabulary: int
    context_length: int
    """Tokens this session can hold."""
    training_context_length: int
    threads: int
    gpu_layers: int
    repacked: bool
    """Whether the weights were rearranged for this processor (faster reading)."""
    needed_bytes: int
    """The estimate that was compared with free memory before loading."""


class Loading(_Message, tag="loading", frozen=True):
    id: int
    fraction: float


class Loaded(_Message, tag="loaded", frozen=True):
    id: int
    model: ModelInfo


class Reading(_Message, tag="reading", frozen=True):
    """Progress of evaluating the prompt; `done_tokens` counts what was reused from the previous request too."""

    id: int
    done_tokens: int
    total_tokens: int


class Piece(_Message, tag="piece", frozen=True):
    """The next part of the answer: whole characters, never empty."""

    id: int
    text: str


class Done(_Message, tag="done", frozen=True):
    id: int
    reason: Literal["stop", "length", "cancelled"]
    prompt_tokens: int
    reused_tokens: int
    """Prompt tokens taken from the previous request's cache."""
    dropped_messages: int
    """Oldest messages left out so that the prompt fits the context."""
    completion_tokens: int
    time_to_first_token_s: float | None
    """From receiving the request; None if there was no token."""
    tokens_per_second: float | None
    """Of the tokens after the first; None with fewer than two tokens."""


class Unloaded(_Message, tag="unloaded", frozen=True):
    id: int


class Report(_Message, tag="report", frozen=True):
    id: int
    model: ModelInfo | None
    resident_bytes: int
    cached_tokens: int
    self_test: str
    """What the self-test on this processor found, in one sentence; empty before the first model is loaded."""


class Tokens(_Message, tag="tokens", frozen=True):
    id: int
    tokens: tuple[int, ...]


class Encoded(msgspec.Struct, frozen=True, array_like=True):
    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    """The tokens of prompt and answer together, one for each answer."""


class Conversations(_Message, tag="conversations", frozen=True):
    id: int
    encoded: tuple[Encoded, ...]


class Continuation(msgspec.Struct, frozen=True, array_like=True):
    logprobs: tuple[float, ...]
    """Nats, of each token from `first` on."""
    greedy: bool
    """Whether each of them was the most likely one."""


class Scores(_Message, tag="scores", frozen=True):
    id: int
    continuations: tuple[Continuation | None, ...]
    """One for each sequence; None where a logit is no number."""


class Completion(msgspec.Struct, frozen=True, array_like=True):
    text: str
    reason: Literal["stop", "length"]
    tokens: int


class Completions(_Message, tag="completions", frozen=True):
    """The answers, prompt by prompt in order."""

    id: int
    completions: tuple[Completion, ...]


class Written(_Message, tag="written", frozen=True):
    id: int
    path: str


class Gpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One that the engine would use, and its memory as its driver tells it now."""

    name: str
    free_bytes: int
    total_bytes: int


class Measured(_Message, tag="measured", frozen=True):
    id: int
    threads: int
    read_bytes_per_second: float
    """From memory, by all threads together."""
    product_bytes_per_second: dict[str, float]
    """By type: weights that all threads together multiply with a vector when they need not come from memory."""
    gpus: tuple[Gpu, ...]


class Alive(_Message, tag="alive", frozen=True):
    """Sent while busy when there is nothing else to say."""

    id: int


FailureCode = Literal[
    "bad_request",
    "no_model",
    "bad_model",
    "model_crashed",
    "model_missing",
    "model_changed",
    "model_not_approved",
    "not_enough_memory",
    "bad_template",
    "prompt_too_long",
    "compute_failed",
    "cancelled",
    "worker_died",
    "worker_hung",
    "worker_unusable",
]


class Failed(_Message, tag="failed", frozen=True):
    """Why a request ended without a result: a code for programs and a plain sentence for a person."""

    code: FailureCode
    message: str
    id: int | None = None
    needed_bytes: int | None = None
    """With `not_enough_memory`: what the request needs …"""
    free_bytes: int | None = None
    """… and what the machine has free."""
    last: bool = False
    """Whether the worker ends itself after this, because code from outside does not return."""

    def __str__(self) -> str:
        return self.message


Event = (
    Hello
    | Loading
    | Loaded
    | Reading
    | Piece
    | Done
    | Unloaded
    | Report
    | Tokens
    | Conversations
    | Scores
    | Completions
    | Written
    | Measured
    | Alive
    | Failed
)

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_request_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_event_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class ProtocolError(Exception):
    """A line that is no message of this protocol."""


def encode(message: Request | Event) -> bytes:
    """One line, newline included. Raises ProtocolError for text that is no Unicode."""
    try:
        return _encoder.encode(message) + b"\n"
    except UnicodeEncodeError as error:
        raise ProtocolError(f"a text cannot be written as UTF-8: {error.reason}") from error


def decode_request(line: bytes) -> Request:
    return _decode(_request_decoder, line)


def decode_event(line: bytes) -> Event:
    return _decode(_event_decoder, line)


def _decode(decoder: msgspec.json.Decoder[T], line: bytes) -> T:
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(str(error)) from error
