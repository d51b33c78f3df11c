"""The letters' probabilities against the published way and lm-evaluation-harness, on the same questions."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field

from evaluation.items import Item
from tests.bench.evaluating.figures import Comparison
from tests.bench.evaluating.peers import HARNESS, INSTALL, SERVER, Peer, installed, peer, server, write_task
from tests.bench.evaluating.setting import SHOTS, Setting, Step, take_turns

LETTERS = "abcde"
PUBLISHED_TOKENS = 256

_Probabilities = dict[tuple[int, str], tuple[float, ...]]
"""By number of shots and question: of its letters."""


@dataclass
class Letters:
    """Measures into itself, then compares.

    Args:
        reading, writing: the number format that transformers reads and writes the fastest with.
    """

    setting: Setting
    reading: str
    writing: str
    seconds: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    """A question's, by who and with how many shots."""
    ours: _Probabilities = field(default_factory=dict)
    harness: _Probabilities = field(default_factory=dict)
    gguf: list[float] = field(default_factory=list)
    """What lm-evaluation-harness made of the server's answers."""

    def measure(self) -> None:
        with ExitStack() as stack:
            few = [self._ours(SHOTS)]
            none = [self._ours(0), self._published(stack)]
            if installed(HARNESS):
                self._write_tasks()
                asked = self._peer(stack, "harness-hf", str(self.setting.files.checkpoint), self.reading)
                none.append(self._harness(asked, 0))
                few.append(self._harness(asked, SHOTS))
            else:
                print(f"  lm-evaluation-harness is not installed, so it is left out: {INSTALL}.")
            if installed(SERVER):
                url = stack.enter_context(server(self.setting.work, self.setting.files.model))
                none.append(self._gguf(self._peer(stack, "harness-gguf", url)))
            else:
                print(f"  llama-cpp-python's server is not installed, so the gguf backend is left out: {INSTALL}.")
            take_turns(self.setting.rounds, none)
            take_turns(self.setting.rounds, few)
        self._check()

    def comparisons(self) -> list[Comparison]:
        wanted = [
            ("published", f"published way ({self.writing})", 0, 20.0),
            ("harness", f"lm-eval, HF ({self.reading})", 0, None),
            ("harness", f"lm-eval, HF ({self.reading})", SHOTS, 3.0),
            ("gguf", "lm-eval, gguf (extrapolated)", 0, None),
            ("gguf", "lm-eval, gguf (extrapolated)", SHOTS, 3.0),
        ]
        return [
            Comparison(f"letter, {shots} shots", name, self.seconds["ours", shots], self.seconds[who, shots], target)
            for who, name, shots, target in wanted
            if (who, shots) in self.seconds
        ]

    def _note(self, number: int, who: str, shots: int, seconds: float) -> None:
        if number >= 0:
            self.seconds[who, shots].append(seconds)

    # --- one side in one round ----------------------------------------------------------------------------------------

    def _ours(self, shots: int) -> Step:
        asking = self.setting.asking("letter", shots)

        def step(number: int) -> None:
            items = self.setting.asked(number) if number >= 0 else self.setting.typical(number)[:1]
            seconds, records = self.setting.ours.run(asking, items)
            self._note(number, "ours", shots, seconds / len(items))
            self.ours |= {(shots, name): record.trials[0].logprobs for name, record in records.items()}

        return step

    def _published(self, stack: ExitStack) -> Step:
        asked = self._peer(stack, "generate", str(self.setting.files.checkpoint), self.writing)
        asking = self.setting.asking("paper", 0)

        def step(number: int) -> None:
            tokens = PUBLISHED_TOKENS if number >= 0 else 2
            [item] = self.setting.typical(number)[:1]
            found = asked.ask(prompts=[asking.wording.prompt(item).text], tokens=tokens)
            assert found["tokens"] == [tokens]
            self._note(number, "published", 0, found["seconds"][0])

        return step

    def _harness(self, asked: Peer, shots: int) -> Step:
        asking = self.setting.asking("letter", shots)

        def step(number: int) -> None:
            items = sorted(self.setting.typical(number), key=self._place)
            items = items if number >= 0 else items[:1]
            found = asked.ask(task=f"shots_{shots}", questions=[self._place(item) for item in items])
            prompts = [[[asking.wording.prompt(item).text, letter] for letter in LETTERS] for item in items]
            if found["asked"] != prompts:
                sys.exit("lm-evaluation-harness did not ask what we ask.")
            for item, logprobs in zip(items, found["logprobs"], strict=True):
                self.harness[shots, item.id] = tuple(logprobs)
            self._note(number, "harness", shots, found["seconds"] / len(items))

        return step

    def _gguf(self, asked: Peer) -> Step:
        """One letter of a short question. The server sorts the vocabulary for each token of a prompt, which is nearly
        all of its time, so the time of a question is that of so many tokens, for each of its letters."""
        own = self.setting.ours
        askings = {shots: self.setting.asking("letter", shots) for shots in (0, SHOTS)}
        means = {shots: statistics.mean(own.tokens(one, self.setting.items)) for shots, one in askings.items()}

        def step(number: int) -> None:
            if number < 0:
                return
            item = self.setting.shortest(number)
            found = asked.ask(task="one_letter", questions=[self._place(item)])
            [tokens] = own.tokens(askings[0], [item])
            self.gguf += found["logprobs"][0]
            for shots, mean in means.items():
                self._note(number, "gguf", shots, found["seconds"] / (tokens + 1) * (mean + 1) * len(LETTERS))

        return step

    # --- parts --------------------------------------------------------------------------------------------------------

    def _place(self, item: Item) -> int:
        return self.setting.items.index(item)

    def _peer(self, stack: ExitStack, kind: str, *arguments: str) -> Peer:
        tasks = [str(self.setting.files.tasks)] if kind.startswith("harness") else []
        return stack.enter_context(peer(self.setting.work, kind, *arguments, *tasks))

    def _write_tasks(self) -> None:
        files = self.setting.files
        for shots in (0, SHOTS):
            wording = self.setting.asking("letter", shots).wording
            write_task(files.tasks, f"shots_{shots}", wording, files.questions, LETTERS)
        write_task(files.tasks, "one_letter", self.setting.asking("letter", 0).wording, files.questions, "a")

    def _check(self) -> None:
        """Whether the same was computed: quantization moves the probabilities, and nothing else may."""
        both = [(self.ours[key], theirs) for key, theirs in self.harness.items() if key in self.ours]
        if both:
            most = max(abs(a - b) for ours, theirs in both for a, b in zip(ours, theirs, strict=True))
            print(f"  {len(both)} questions asked of both: letters differ from lm-eval HF's by at most {most:.3f} nats")
        if self.gguf:
            print(f"  lm-eval gguf's log-probabilities of a letter: {', '.join(f'{value:g}' for value in self.gguf)}")
