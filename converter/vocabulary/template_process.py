"""Prompts written by a chat template from outside, in a process of its own with limits of time and memory.

jinja2's sandbox keeps a template from the machine, and not from its time and memory: two nested loops over range(99999)
take hours, and 'x' * 10**10 takes ten gigabytes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

import msgspec

from app.core.engine.prompt import (
    MAX_ADDED_CHARACTERS,
    ChatTemplate,
    TemplateError,
    TooMuchWritten,
    is_out_of_memory,
)
from app.core.engine.protocol import Turn
from app.core.errors import InputError

SECONDS = 10.0
_MEMORY_BYTES = 2**30
_MEMORY = f"more than {_MEMORY_BYTES / 2**30:g} GiB of memory"
_WRITING = f"more than {MAX_ADDED_CHARACTERS:,} characters"
_ANOTHER = "give another one: --chat-template FILE"


class _Order(msgspec.Struct, frozen=True):
    template: str | None
    bos: str
    eos: str
    conversations: tuple[tuple[Turn, ...], ...]


class _Prompt(msgspec.Struct, frozen=True):
    """`text`, or why the template refuses the conversation."""

    text: str | None = None
    refused: str = ""


class _Reply(msgspec.Struct, frozen=True):
    """`broken` says why the template cannot be used at all, `beyond` which limit it went beyond."""

    prompts: tuple[_Prompt, ...] = ()
    broken: str = ""
    beyond: str = ""


def write_prompts(
    template: str | None,
    special: Mapping[str, str],
    conversations: Sequence[Sequence[Turn]],
    seconds: float = SECONDS,
) -> list[str | TemplateError]:
    """Each conversation as a prompt, or why the template refuses it; `special` are texts of tokens by name ("bos").

    Raises TemplateError for what is no template, InputError for one that takes more than `seconds` or a gigabyte.
    """
    order = _Order(
        template, special.get("bos", ""), special.get("eos", ""), tuple(tuple(turns) for turns in conversations)
    )
    # `-P` keeps the current folder, which may hold anything, out of the module path.
    command = [sys.executable, "-P", "-m", "converter.vocabulary.template_process"]
    try:
        child = subprocess.run(
            command,
            input=msgspec.json.encode(order),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"The chat template takes more than {seconds:g} seconds to write a few prompts; {_ANOTHER}."
        ) from error
    if child.returncode:
        raise InputError(f"The chat template ends the process that writes its prompts; {_ANOTHER}.")
    reply = msgspec.json.decode(child.stdout, type=_Reply)
    if reply.beyond:
        raise InputError(f"The chat template takes {reply.beyond} to write a few prompts; {_ANOTHER}.")
    if reply.broken:
        raise TemplateError(reply.broken)
    return [TemplateError(prompt.refused) if prompt.text is None else prompt.text for prompt in reply.prompts]


# --- in the process of its own ----------------------------------------------------------------------------------------


class _BeyondLimitError(Exception):
    pass


def _main() -> None:
    _limit_itself()
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=_Order)
    sys.stdout.buffer.write(msgspec.json.encode(_reply(order)))


def _limit_itself() -> None:
    """Where the platform can; the seconds of the processor are for a parent that is killed while it waits."""
    if sys.platform == "win32":
        return
    import contextlib
    import resource

    for kind, wanted in ((resource.RLIMIT_AS, _MEMORY_BYTES), (resource.RLIMIT_CPU, int(SECONDS * 2))):
        _, most = resource.getrlimit(kind)
        # macOS refuses a limit below what a process has mapped already.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


def _reply(order: _Order) -> _Reply:
    try:
        compiled = ChatTemplate(order.template, order.bos, order.eos)
        return _Reply(prompts=tuple(_prompt(compiled, turns) for turns in order.conversations))
    except TemplateError as error:
        return _Reply(beyond=_MEMORY) if is_out_of_memory(error) else _Reply(broken=str(error))
    except _BeyondLimitError as error:
        return _Reply(beyond=str(error))


def _prompt(compiled: ChatTemplate, turns: Sequence[Turn]) -> _Prompt:
    try:
        return _Prompt(compiled.render(turns))
    except TooMuchWritten as error:
        raise _BeyondLimitError(_WRITING) from error
    except TemplateError as error:
        if is_out_of_memory(error):
            raise _BeyondLimitError(_MEMORY) from error
        return _Prompt(refused=str(error))


if __name__ == "__main__":
    _main()
