"""What answers at an address: which server, which model, which version."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from app.core.errors import InputError, MachineError
from evaluation.output import printable
from evaluation.runs.json_http import JsonClient, NoAnswer, NotUnderstood, Rejected
from evaluation.runs.openai_servers import LlamaServer, ScoringServer, VllmServer

KEY_VARIABLE = "INRO_OPENAI_KEY"
"""The environment variable that holds the server's key. It is in no file, argument or message."""


@dataclass(frozen=True)
class Found:
    model: str
    """As the server calls it."""
    server: ScoringServer | None
    """None for a server that is neither of the two."""
    version: str
    """What answers, as it calls itself: a resumed run must find the same. Empty if it does not say."""


class _Meta(msgspec.Struct):
    n_ctx: int | None = None
    n_vocab: int | None = None


class Model(msgspec.Struct):
    id: str
    owned_by: str = ""
    max_model_len: int | None = None
    """vLLM's: of prompt and answer together."""
    meta: _Meta | None = None
    """llama-server's."""


class _Models(msgspec.Struct):
    data: list[Model]


class _Version(msgspec.Struct):
    version: str = ""
    build_info: str = ""


def find(client: JsonClient, wanted: str | None) -> Found:
    """The model of that name, or the only one.

    Raises:
        InputError: what answers is no such server, does not offer the model, or asks for another key.
        MachineError: nothing answers there now.
    """
    model = _chosen(client, wanted)
    if model.owned_by == "vllm":
        server: ScoringServer = VllmServer(client, model.id, model.max_model_len)
        return Found(model.id, server, _version(client, "vLLM", "/version"))
    if model.owned_by == "llamacpp":
        meta = model.meta or _Meta()
        server = LlamaServer(client, model.id, meta.n_ctx, meta.n_vocab)
        return Found(model.id, server, _version(client, "llama-server", "/props"))
    return Found(model.id, None, "")


def offered(client: JsonClient) -> list[Model]:
    """Raises NoAnswer or Rejected."""
    return client.get("/v1/models", _Models).data


def where(client: JsonClient) -> str:
    """The beginning of a sentence."""
    return f"The server at {client.address}"


def locked(client: JsonClient) -> InputError:
    return InputError(f"{where(client)} asks for a key, or for another one; put it into the variable {KEY_VARIABLE}.")


def _chosen(client: JsonClient, wanted: str | None) -> Model:
    try:
        models = offered(client)
    except NotUnderstood as error:
        raise InputError(f"{where(client)} has no OpenAI-compatible interface: it {error}.") from error
    except NoAnswer as error:
        raise MachineError(f"{where(client)} {error}; start it, or correct the address.") from error
    except Rejected as error:
        if error.status in (401, 403):
            raise locked(client) from error
        if error.status >= 500:
            raise MachineError(f"{where(client)} is not ready: it {error}.") from error
        raise InputError(f"{where(client)} has no OpenAI-compatible interface: it {error}.") from error
    matching = [one for one in models if wanted in (None, one.id)]
    if len(matching) == 1:
        return matching[0]
    names = printable(", ".join(one.id for one in models[:10])[:500]) or "none"
    if wanted is None or matching:
        raise InputError(
            f"{where(client)} offers several models or none; name the one to score with --served-model: {names}."
        )
    raise InputError(f"{where(client)} does not offer {wanted}; it offers {names}.")


def _version(client: JsonClient, name: str, path: str) -> str:
    try:
        found = client.get(path, _Version)
    except (NoAnswer, Rejected):
        return name
    return printable(f"{name} {found.version or found.build_info}"[:100].strip())
