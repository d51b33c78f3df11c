"""What a worker does with a request: load a model, answer, and what the tools ask for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from app.core.engine import hardware, offload, selftest
from app.core.engine.generation import Generation
from app.core.engine.prompting import Prompter
from app.core.engine.protocol import (
    AUTO,
    Done,
    Event,
    Failed,
    Generate,
    Load,
    Loaded,
    Loading,
    Measure,
    Measured,
    ModelInfo,
    Quantize,
    Report,
)
from app.core.engine.refusal import Refusal
from app.core.engine.tools import Tools
from app.core.errors import InputError
from app.core.models.gguf_header import GgufHeader, read_header

if TYPE_CHECKING:
    from app.core.engine.llama import Model

_LOADING_STEP = 0.01  # llama.cpp reports each tensor, of which there are hundreds


@dataclass(frozen=True)
class _Loaded:
    model: Model
    info: ModelInfo
    prompter: Prompter
    tools: Tools
    nodes_per_batch: int


class Session:
    """One model at a time.

    Args:
        send: takes the events of a request in progress.
        abandon: reports a failure and ends the process, for code from outside that does not return.
        self_test: finds out, before the first model is loaded, whether to rearrange weights for this processor.
    """

    def __init__(
        self,
        send: Callable[[Event], None],
        abandon: Callable[[Failed], None],
        self_test: Callable[[], selftest.Verdict],
    ) -> None:
        self._send, self._abandon, self._self_test = send, abandon, self_test
        self._verdict: selftest.Verdict | None = None
        self._loaded: _Loaded | None = None
        self._cancelled_id: int | None = None
        self._running: Generation | None = None
        self._fraction: float | None = None

    # --- from other threads -------------------------------------------------------------------------------------------

    def cancel(self, request_id: int) -> None:
        self._cancelled_id = request_id

    def progress(self, request_id: int) -> Event | None:
        """How far the request is, where there is something to say."""
        if (fraction := self._fraction) is not None:
            return Loading(id=request_id, fraction=fraction)
        running = self._running
        return running.progress() if running is not None and running.request.id == request_id else None

    # --- requests -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        if self._loaded is not None:
            self._loaded.tools.close()
            self._loaded.model.close()
            self._loaded = None

    def load(self, request: Load) -> Loaded:
        self.close()
        path = Path(request.path)
        header = _header(path)
        context_length = request.context_length or hardware.default_context(header)
        if context_length < 1:
            raise Refusal("bad_request", "The context must hold at least one token.")
        needed = _check_memory(header, context_length)
        threads = request.threads or hardware.physical_cores()
        gpu_layers = _fitting(header, context_length) if request.gpu_layers == AUTO else request.gpu_layers
        model = self._open(request.id, path, context_length, threads, gpu_layers)
        info = ModelInfo(
            name=header.name or path.stem,
            architecture=header.architecture,
            description=model.description,
            file_bytes=header.file_bytes,
            parameters=model.parameters,
            vocabulary=model.vocabulary,
            context_length=model.context_length,
            training_context_length=model.training_context_length,
            threads=threads,
            gpu_layers=min(gpu_layers, offload.layer_count(header)) if model.offloads else 0,
            repacked=self._repack(),
            needed_bytes=needed,
        )
        prompter = Prompter(model, header.chat_template, self._abandon)
        nodes = _warm_up(model, lambda: self._is_cancelled(request.id))
        if self._is_cancelled(request.id):
            model.close()
            raise Refusal("cancelled", "Loading was cancelled.")
        tools = Tools(model, header, prompter, threads, self._is_cancelled)
        self._loaded = _Loaded(model, info, prompter, tools, nodes)
        return Loaded(id=request.id, model=info)

    def _repack(self) -> bool:
        if self._verdict is None:
            self._verdict = self._self_test()
        return self._verdict.repack

    def _open(self, request_id: int, path: Path, context_length: int, threads: int, gpu_layers: int) -> Model:
        from app.core.engine import llama

        def on_progress(fraction: float) -> bool:
            if self._fraction is None or fraction >= self._fraction + _LOADING_STEP:
                self._fraction = fraction
                self._send(Loading(id=request_id, fraction=fraction))
            return not self._is_cancelled(request_id)

        try:
            return llama.Model(
                path,
                context_length=context_length,
                threads=threads,
                gpu_layers=gpu_layers,
                repack=self._repack(),
                ubatch=min(hardware.UBATCH, context_length),
                on_progress=on_progress,
            )
        except llama.OutOfMemoryError as error:
            sentence = f"The machine did not grant the memory for a context of {context_length:,} tokens."
            raise Refusal("not_enough_memory", sentence) from error
        except llama.LlamaError as error:
            if self._is_cancelled(request_id):
                raise Refusal("cancelled", "Loading was cancelled.") from error
            raise Refusal("bad_model", f"{path.name} cannot be loaded: {error}.") from error
        finally:
            self._fraction = None

    def generate(self, request: Generate) -> Done:
        from app.core.engine.llama import LlamaError

        started = time.perf_counter()
        loaded = self._need_model()
        prompt = loaded.prompter.prompt(request)
        self._running = Generation(
            request=request,
            model=loaded.model,
            tokens=prompt.tokens,
            dropped_messages=prompt.dropped_messages,
            send=self._send,
            cancelled=lambda: self._is_cancelled(request.id),
            nodes_per_batch=loaded.nodes_per_batch,
            started=started,
        )
        try:
            return self._running.run()
        except LlamaError as error:
            raise Refusal("compute_failed", f"llama.cpp could not go on: {error}.") from error
        finally:
            self._running = None

    @property
    def tools(self) -> Tools:
        """Raises Refusal where no model is loaded."""
        return self._need_model().tools

    def quantize(self, request: Quantize) -> None:
        from app.core.engine import quantizer

        if request.recipe not in quantizer.recipes():
            raise Refusal("bad_request", f"llama.cpp has no quantization called {request.recipe}.")
        source = Path(request.source)
        _header(source)
        try:
            threads = hardware.physical_cores()
            quantizer.quantize_file(source, Path(request.target), request.recipe, threads, weighted=request.weighted)
        except quantizer.QuantizerError as error:
            raise Refusal("compute_failed", f"{error}.") from error

    def measure(self, request: Measure) -> Measured:
        from app.core.engine import backends, bandwidth

        threads, types = hardware.physical_cores(), backends.TYPES
        if unknown := [kind for kind in request.types if kind not in types]:
            raise Refusal("bad_request", f"llama.cpp has no type of weights called {unknown[0]}.")
        return Measured(
            id=request.id,
            threads=threads,
            read_bytes_per_second=bandwidth.read_rate(threads, hardware.free_memory()),
            product_bytes_per_second={
                kind: backends.product_rate(kind, threads, repack=self._repack()) for kind in request.types
            },
            gpus=backends.gpus(),
        )

    def report(self, request_id: int) -> Report:
        loaded = self._loaded
        return Report(
            id=request_id,
            model=loaded.info if loaded else None,
            resident_bytes=int(psutil.Process().memory_info().rss),
            cached_tokens=len(loaded.model.cached) if loaded else 0,
            self_test=self._verdict.sentence if self._verdict else "",
        )

    def _need_model(self) -> _Loaded:
        if self._loaded is None:
            raise Refusal("no_model", "No model is loaded.")
        return self._loaded

    def _is_cancelled(self, request_id: int) -> bool:
        return self._cancelled_id == request_id


def _header(path: Path) -> GgufHeader:
    try:
        return read_header(path)
    except InputError as error:
        raise Refusal("bad_model", str(error)) from error
    except OSError as error:
        raise Refusal("bad_model", f"{path.name} cannot be opened: {error.strerror}.") from error


def _fitting(header: GgufHeader, context_length: int) -> int:
    """The layers that the GPUs of this machine hold: one more, and llama.cpp would refuse to load any."""
    from app.core.engine import backends

    return offload.gpu_layers(header, offload.usable_bytes(backends.gpus()), context_length)


def _check_memory(header: GgufHeader, context_length: int) -> int:
    needed, free = hardware.memory_need(header, context_length).total, hardware.free_memory()
    if needed > free:
        sentence = (
            f"This model needs {needed / 1e9:.1f} GB of memory with a context of {context_length:,} tokens, "
            f"and {free / 1e9:.1f} GB are free. Close other programs, or choose a smaller model or context."
        )
        raise Refusal("not_enough_memory", sentence, needed=needed, free=free)
    return needed


def _warm_up(model: Model, cancelled: Callable[[], bool]) -> int:
    """Touch every weight once, so that the first question does not wait for it; returns the nodes of a batch."""
    model.evaluate((0,), cancelled)
    nodes = model.nodes_run
    model.keep_prefix(())
    return nodes
