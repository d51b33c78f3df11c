"""Many token sequences in one context of llama.cpp: what they begin with alike is evaluated once.

The same call gives the same bits, whatever was evaluated before: the shared prefix is always evaluated by itself, the
groups depend on nothing but the arguments, and each group finds the cache as the first one found it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from llama_cpp import llama_cpp as api
from msgspec import structs

from app.core.engine.branches import Node, Tree, packed
from app.core.engine.generation import TextStream
from app.core.engine.llama import LOGITS_BYTES, Abort, LlamaError, Model, OutOfMemoryError, Sampler
from app.core.engine.protocol import Complete, Completion, Continuation, TokenSequence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_SEQUENCES = 64
_PREFIX = 0  # the sequence that holds the shared prefix; the others are 1 to _MOST_SEQUENCES


@dataclass(frozen=True)
class _Output:
    """A token of the batch whose logits were asked for."""

    node: Node
    index: int
    """In the batch."""
    row: int
    """Among the batch's rows of logits."""


Wanted = Callable[[Node], bool]
Take = Callable[[Sequence[_Output]], None]


class SequenceContext:
    """A context beside the one that answers; it holds `cells` tokens of all sequences together.

    Raises OutOfMemoryError where the memory for it is not granted.
    """

    def __init__(self, model: Model, *, cells: int, threads: int) -> None:
        self._model, self.cells = model, cells
        self._ubatch = min(model.ubatch, cells)
        self._rows = max(1, min(LOGITS_BYTES // (4 * model.vocabulary), self._ubatch))
        self._rows = max(self._rows, min(_MOST_SEQUENCES, self._ubatch))
        self._context: Any = model.open_context(
            cells, threads, outputs=self._rows, ubatch=self._ubatch, sequences=1 + _MOST_SEQUENCES
        )
        if not self._context:
            raise OutOfMemoryError("the context cannot be allocated")
        self._memory = api.llama_get_memory(self._context)
        self._batch: Any = api.llama_batch_init(self._ubatch, 0, _MOST_SEQUENCES)
        self._prefix: tuple[int, ...] = ()

    def close(self) -> None:
        if self._context:
            api.llama_batch_free(self._batch)
            api.llama_free(self._context)
            self._context = None

    # --- probabilities ------------------------------------------------------------------------------------------------

    def score(
        self, prefix: Sequence[int], sequences: Sequence[TokenSequence], together: bool, abort: Abort
    ) -> list[Continuation | None]:
        """The log-probabilities (nats) of each sequence's tokens from `first` on, each after all tokens before it.

        Every sequence begins with `prefix`, and its `first` lies behind that. None where a logit is no number. Without
        `together` each sequence is evaluated by itself. Raises LlamaError, also when `abort` said so.
        """
        paths: dict[tuple[int, ...], list[int]] = {}
        for number, sequence in enumerate(sequences):
            paths.setdefault(tuple(sequence.tokens[:-1]), []).append(number)
        takers = _Takers(sequences, list(paths.values()))
        unique = list(paths)
        with self._model.aborting(abort):
            self._hold(prefix)
            room = self.cells - len(prefix)
            # One full batch is as fast as several, and its attention spans less.
            for group in packed(unique, len(prefix), min(self._ubatch, room), _MOST_SEQUENCES if together else 1, room):
                offset = group.start
                self._evaluate(
                    unique[offset : group.stop],
                    lambda node, offset=offset: takers.wants(node, offset),  # type: ignore[misc]
                    lambda outputs, offset=offset: takers.take(self._logits(len(outputs)), outputs, offset),  # type: ignore[misc]
                )
                self._forget(len(group))
        return takers.results()

    def _logits(self, rows: int) -> NDArray[np.float32]:
        import numpy

        pointer = api.llama_get_logits(self._context)
        return numpy.ctypeslib.as_array(pointer, shape=(rows, self._model.vocabulary))

    # --- texts --------------------------------------------------------------------------------------------------------

    def complete(self, request: Complete, abort: Abort) -> list[Completion]:
        """The answers, prompt by prompt in order.

        Every prompt is longer than the prefix and begins with it. Raises LlamaError, also when `abort` said so.
        """
        answers: list[_Answer] = []
        prompts = request.prompts
        with self._model.aborting(abort):
            self._hold(request.prefix)
            for group in self._groups(request):
                own = [
                    _Answer(len(prompts[number]), self._answer_room(request, number), sample, TextStream(request.stop))
                    for number in group
                    for sample in range(request.samples)
                ]
                paths = [prompts[number] for number in group for _ in range(request.samples)]
                self._write(paths, own, request)
                self._forget(len(paths))
                answers += own
        return [Completion(text=answer.text, reason=answer.reason, tokens=answer.count) for answer in answers]

    def _answer_room(self, request: Complete, number: int) -> int:
        return min(request.max_tokens, self._model.context_length - len(request.prompts[number]))

    def _groups(self, request: Complete) -> list[range]:
        """Neighbouring prompts whose answers fit into the cache beside each other; at least one."""
        prompts, samples = request.prompts, request.samples
        free = self.cells - len(request.prefix)
        groups: list[range] = []
        start, taken = 0, 0
        for number, prompt in enumerate(prompts):
            need = len(prompt) - len(request.prefix) + samples * self._answer_room(request, number)
            full = taken + need > free or (number + 1 - start) * samples > _MOST_SEQUENCES
            if number > start and full:
                groups.append(range(start, number))
                start, taken = number, 0
            taken += need
        return [*groups, range(start, len(prompts))]

    def _write(self, paths: Sequence[Sequence[int]], answers: Sequence[_Answer], request: Complete) -> None:
        samplers: list[Sampler] = []
        try:
            for answer in answers:
                sampling = structs.replace(request.sampling, seed=request.sampling.seed + answer.sample)
                samplers.append(Sampler(self._context, sampling, self._model, request.grammar))

            def first_tokens(outputs: Sequence[_Output]) -> None:
                for output in outputs:
                    for path in output.node.paths:
                        if len(paths[path]) == output.node.position + 1:
                            answers[path].take(samplers[path].next(output.index), self._model)

            ends = {(number, len(path) - 1) for number, path in enumerate(paths)}
            self._evaluate(paths, lambda node: any((path, node.position) in ends for path in node.paths), first_tokens)
            while live := [number for number, answer in enumerate(answers) if not answer.ended]:
                for place, number in enumerate(live):
                    answer = answers[number]
                    self._put(place, answer.last, answer.position, (number + 1,), output=True)
                self._decode(len(live))
                for place, number in enumerate(live):
                    answers[number].take(samplers[number].next(place), self._model)
        finally:
            for sampler in samplers:
                sampler.close()

    # --- evaluation ---------------------------------------------------------------------------------------------------

    def _hold(self, prefix: Sequence[int]) -> None:
        """Have exactly `prefix` in the cache."""
        if len(prefix) >= self.cells:
            raise LlamaError("the context is full")
        if tuple(prefix) == self._prefix:
            return
        api.llama_memory_clear(self._memory, True)
        self._prefix = ()
        for start in range(0, len(prefix), self._ubatch):
            part = prefix[start : start + self._ubatch]
            for place, token in enumerate(part):
                self._put(place, token, start + place, (_PREFIX,), output=False)
            self._decode(len(part))
        self._prefix = tuple(prefix)

    def _evaluate(self, paths: Sequence[Sequence[int]], wanted: Wanted, take: Take) -> None:
        """Evaluate paths that begin with the prefix; `take` gets the wanted outputs of each batch, in its order."""
        for number in range(len(paths)):
            api.llama_memory_seq_cp(self._memory, _PREFIX, number + 1, -1, -1)
        count, outputs = 0, list[_Output]()
        for node in Tree(paths, len(self._prefix)).nodes():
            is_output = wanted(node)
            if count == self._ubatch or (is_output and len(outputs) == self._rows):
                self._decode(count)
                take(outputs)
                count, outputs = 0, []
            self._put(count, node.token, node.position, [path + 1 for path in node.paths], output=is_output)
            if is_output:
                outputs.append(_Output(node, count, len(outputs)))
            count += 1
        if count:
            self._decode(count)
            take(outputs)

    def _put(self, place: int, token: int, position: int, sequences: Sequence[int], *, output: bool) -> None:
        batch = self._batch
        batch.token[place], batch.pos[place] = token, position
        batch.n_seq_id[place], batch.logits[place] = len(sequences), output
        own = batch.seq_id[place]
        for index, sequence in enumerate(sequences):
            own[index] = sequence

    def _decode(self, count: int) -> None:
        self._batch.n_tokens = count
        if result := api.llama_decode(self._context, self._batch):
            api.llama_memory_clear(self._memory, True)
            self._prefix = ()
            raise LlamaError(f"llama_decode returned {result}")

    def _forget(self, paths: int) -> None:
        for number in range(paths):
            api.llama_memory_seq_rm(self._memory, number + 1, -1, -1)


class _Takers:
    """Who wants which probability at which node, and what came of it."""

    def __init__(self, sequences: Sequence[TokenSequence], owners: Sequence[Sequence[int]]) -> None:
        self._sequences, self._owners = sequences, owners
        self._found: list[list[tuple[float, bool]]] = [[] for _ in sequences]
        self._broken: set[int] = set()

    def wants(self, node: Node, offset: int) -> bool:
        return any(
            node.position >= self._sequences[owner].first - 1
            for path in node.paths
            for owner in self._owners[offset + path]
        )

    def take(self, logits: NDArray[np.float32], outputs: Sequence[_Output], offset: int) -> None:
        import numpy

        for output in outputs:
            row = logits[output.row].astype(numpy.float64)
            top = row.max()
            total = float(top + numpy.log(numpy.exp(row - top).sum()))
            for path in output.node.paths:
                for owner in self._owners[offset + path]:
                    self._note(owner, output.node.position + 1, row, total, float(top))

    def _note(self, owner: int, position: int, row: NDArray[np.float64], total: float, top: float) -> None:
        sequence = self._sequences[owner]
        if position < sequence.first:
            return
        value = float(row[sequence.tokens[position]])
        if not (isfinite(total) and isfinite(value)):
            self._broken.add(owner)
            return
        self._found[owner].append((value - total, value == top))

    def results(self) -> list[Continuation | None]:
        return [
            None
            if owner in self._broken
            else Continuation(logprobs=tuple(p for p, _ in found), greedy=all(top for _, top in found))
            for owner, found in enumerate(self._found)
        ]


@dataclass
class _Answer:
    """One answer that is being written."""

    position: int
    """Of the next token."""
    room: int
    """Tokens it may have."""
    sample: int
    stream: TextStream
    last: int = 0
    count: int = 0
    ended: bool = False
    reason: Literal["stop", "length"] = "stop"
    _pieces: list[str] = field(default_factory=list)

    def take(self, token: int, model: Model) -> None:
        if self.count:
            self.position += 1
        if model.is_end(token):
            self._end("stop")
            return
        self.last, self.count = token, self.count + 1
        self._pieces.append(self.stream.push(model.piece(token)))
        if self.stream.stopped:
            self._end("stop")
        elif self.count >= self.room:
            self._end("length")

    def _end(self, reason: Literal["stop", "length"]) -> None:
        self.ended, self.reason = True, reason
        self._pieces.append(self.stream.finish())

    @property
    def text(self) -> str:
        return "".join(self._pieces)
