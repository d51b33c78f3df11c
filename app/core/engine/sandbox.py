"""Where chat templates run: jinja2's immutable sandbox, with what transformers adds to it, and bounds on what grows.

The sandbox keeps a template from the machine (CVE-2024-34359), not from its time and memory. Whoever renders sets those
limits for the process; here are the ones that must hold before a single instruction, which no thread can interrupt,
takes minutes or gigabytes. Imported when a template is compiled: jinja2 takes a tenth of a second.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from jinja2.ext import Extension
from jinja2.nodes import Node, Scope
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_REPEATED_BYTES = 2**30
MAX_NUMBER_BITS = 2**16


class _GenerationBlock(Extension):
    """`{% generation %}` marks what the assistant says, for training. It writes what is inside it."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> Node:
        line = next(parser.stream).lineno
        return Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class Sandbox(ImmutableSandboxedEnvironment):
    """As transformers has it in apply_chat_template, so that the prompts are the same."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
            extensions=["jinja2.ext.loopcontrols", _GenerationBlock],
        )
        self.globals["strftime_now"] = _now
        self.filters["tojson"] = _json  # jinja2's own escapes what is special in HTML

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Raises MemoryError or OverflowError for a product or power that is too large."""
        if operator == "**":
            if _bits(left) * abs(right if isinstance(right, int) else 1) > MAX_NUMBER_BITS:
                raise OverflowError
        elif isinstance(left, int) and isinstance(right, int):
            if _bits(left) + _bits(right) > MAX_NUMBER_BITS:
                raise OverflowError
        else:
            for repeated, times in ((left, right), (right, left)):
                if isinstance(times, int) and _item_bytes(repeated) * times > MAX_REPEATED_BYTES:
                    raise MemoryError
        return super().call_binop(context, operator, left, right)


def _bits(number: object) -> int:
    return number.bit_length() if isinstance(number, int) else 0


def _item_bytes(value: object) -> int:
    """What the items of a text, list or tuple take themselves."""
    return sys.getsizeof(value) - sys.getsizeof(value[:0]) if isinstance(value, str | list | tuple) else 0


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _json(value: object, **options: Any) -> str:
    return json.dumps(value, **{"ensure_ascii": False, **options})
