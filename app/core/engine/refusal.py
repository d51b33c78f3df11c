"""How a request ends in the worker when it has no result."""

from __future__ import annotations

from app.core.engine.protocol import Failed, FailureCode


class Refusal(Exception):
    """A request that ends without a result, with its code and sentence."""

    def __init__(self, code: FailureCode, sentence: str, *, needed: int | None = None, free: int | None = None) -> None:
        super().__init__(sentence)
        self.code, self.sentence, self._needed, self._free = code, sentence, needed, free

    def failed(self, request_id: int) -> Failed:
        return Failed(
            id=request_id, code=self.code, message=self.sentence, needed_bytes=self._needed, free_bytes=self._free
        )
