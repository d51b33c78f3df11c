"""Two model files that are asked in turn: both loaded where memory allows it, otherwise one in place of the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.core.engine.hardware import memory_need
from app.core.engine.protocol import Conversation, Hello, ModelInfo
from app.core.engine.tool_client import ToolClient
from app.core.models.gguf_header import GgufHeader

_SHARE_OF_FREE_MEMORY = 0.8
"""That both models together may take; the rest is for what estimates leave out, and for other programs."""


@dataclass
class Loadable:
    """A model file and the engine that loads it when it is asked."""

    path: Path
    engine: ToolClient
    context: int
    threads: int | None
    info: ModelInfo | None = None


class Pair:
    def __init__(self, reference: Loadable, candidate: Loadable, hello: Hello) -> None:
        self.reference, self.candidate, self.hello = reference, candidate, hello

    @property
    def together(self) -> bool:
        """Whether both stay loaded."""
        return self.reference.engine is not self.candidate.engine

    def ask(self, one: Loadable) -> ToolClient:
        """Its engine, with the file loaded. Raises EngineError."""
        other = self.candidate if one is self.reference else self.reference
        if one.info is None:
            if not self.together:
                other.info = None
            one.info = one.engine.load(one.path, context_length=one.context, threads=one.threads)
        return one.engine

    def info(self, one: Loadable) -> ModelInfo:
        self.ask(one)
        assert one.info is not None
        return one.info

    def tokens(self, one: Loadable, text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What the file's tokenizer makes of a text, and the tokens that it puts before every text."""
        engine = self.ask(one)
        probe = "a"
        (encoded,) = engine.encode([Conversation(prompt=probe)])
        before = len(encoded.prompt) - len(engine.tokenize(probe, parse_special=True))
        return engine.tokenize(text), encoded.prompt[:before]


@contextmanager
def opened(
    paths: tuple[Path, Path], headers: tuple[GgufHeader, GgufHeader], context: int, threads: int | None, memory: int
) -> Iterator[Pair]:
    """Engines for a reference and a candidate, on a machine with so many free bytes; nothing is loaded yet."""
    needed = sum(memory_need(header, context).total for header in headers)
    together = needed <= _SHARE_OF_FREE_MEMORY * memory
    with ExitStack() as stack:
        first = stack.enter_context(ToolClient())
        second = stack.enter_context(ToolClient()) if together else first
        yield Pair(
            Loadable(paths[0], first, context, threads), Loadable(paths[1], second, context, threads), first.start()
        )
