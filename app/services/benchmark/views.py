"""What the benchmark page shows: frozen values, whatever they were computed by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.core.language import Language

if TYPE_CHECKING:
    from app.core.engine.protocol import Failed

How = Literal["letter", "option", "generate"]
"""The ways of scoring that the page offers; the published rules of the paper are the command's."""

Culprit = Literal["questions", "model", "results", ""]
"""What stopped a run: the files of its questions, its model, what is kept of it; empty where it was something else."""

DEMONSTRATION_TASK = "demo"
DEMONSTRATION_HEADLINE = "second_wordings"
"""The part of the demonstration task that stands for a run of it: what its training did not see."""


@dataclass(frozen=True)
class ModelChoice:
    """A model that can be measured. `verdict` is what its manifest says of its release; None where it says nothing."""

    name: str
    path: str
    sha256: str
    in_use: bool
    demonstration: bool = False
    verdict: bool | None = None


@dataclass(frozen=True)
class TaskChoice:
    name: str
    title: str
    languages: tuple[Language, ...]
    size: str
    source: str


@dataclass(frozen=True)
class Wanted:
    """A run as a person chooses it. `data` is the folder of a benchmark; `limit` None asks all questions."""

    model: ModelChoice
    task: str
    language: Language
    data: str | None = None
    how: How = "letter"
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Share:
    """So many of so many, with Wilson's 95 % interval; all from 0 to 1."""

    correct: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.correct / self.n if self.n else 0.0


@dataclass(frozen=True)
class Group:
    """Questions that are counted by themselves: a category, or a part of the demonstration task."""

    name: str
    share: Share


@dataclass(frozen=True)
class Bin:
    """A bar of the reliability diagram: mean stated probability, and the share that was right."""

    confidence: float
    share: Share


@dataclass(frozen=True)
class RunView:
    """A run as it is kept. `id` names it in `BenchmarkService`."""

    id: str
    model: str
    sha256: str
    task: str
    language: Language
    how: str
    limit: int | None
    created: str
    """ISO 8601, local time."""
    done: int
    total: int | None
    """None before the first question of a run was asked."""
    share: Share | None = None
    """None for the demonstration task, whose parts are never pooled, and before the first answer."""
    groups: tuple[Group, ...] = ()
    chance: float | None = None
    bins: tuple[Bin, ...] = ()
    ece: float | None = None
    """Expected calibration error, from 0 to 1."""
    kinki: tuple[int, int] | None = None
    """Questions where a prohibited option (禁忌) was chosen, of those that have one."""
    unanswered: int = 0
    engine: str = ""
    """llama.cpp's commit."""
    data_sha256: str = ""
    damaged: str = ""
    """Why its file cannot be read, in a sentence."""

    @property
    def complete(self) -> bool:
        return self.total is not None and self.done == self.total

    @property
    def headline(self) -> Share | None:
        """What stands for the run in a list: all its questions, or what the demonstration's training did not see."""
        if self.task != DEMONSTRATION_TASK:
            return self.share
        return next((group.share for group in self.groups if group.name == DEMONSTRATION_HEADLINE), None)


@dataclass(frozen=True)
class Paired:
    """Two shares of the same `n` questions. `difference` is A's minus B's, from -1 to 1, with its 95 % interval."""

    name: str
    n: int
    a: Share
    b: Share
    only_a: int
    only_b: int
    difference: float
    interval: tuple[float, float] | None
    p: float
    """Exact McNemar, two-sided; Holm's correction in groups."""


@dataclass(frozen=True)
class Differing:
    """A question that one of two runs alone got right."""

    id: str
    category: str
    question: str
    options: tuple[str, ...]
    right: str
    a: str
    b: str
    better: Literal["A", "B"]


@dataclass(frozen=True)
class ComparisonView:
    a: RunView
    b: RunView
    main: Paired
    groups: tuple[Paired, ...]
    detectable: float | None
    """The smallest true difference that so many questions would show with 80 % power; None where none would."""
    kinki: Paired | None
    """Shares of questions where a prohibited option was chosen."""
    differing: tuple[Differing, ...]
    unlike: tuple[str, ...]
    """In what else the runs differ, as names of recorded facts."""
    only_in_one: int
    """Questions that only one of the runs has; they count for nothing."""


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of several measurements."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class SpeedPoint:
    threads: int
    prompt_tokens: int
    read: Spread
    """Prompt tokens a second."""
    written: Spread
    """Tokens of the answer a second."""
    first: Spread
    """Seconds to the first token."""


@dataclass(frozen=True)
class SpeedView:
    id: str
    model: str
    sha256: str
    created: str
    processor: str
    cores: int
    file_bytes: int
    resident_bytes: int
    threads: tuple[SpeedPoint, ...]
    """At one length, for each number of threads."""
    contexts: tuple[SpeedPoint, ...]
    """With `best` threads, for each length of the prompt."""
    used: int
    """Threads that questions were answered with."""
    best: int
    expected: tuple[float, float] | None = None
    """Tokens of an answer a second that the memory's bandwidth allows for a file of this size."""


@dataclass(frozen=True)
class Progress:
    """How a run stands. `right` and `n` are of the questions that its live accuracy is shown for."""

    step: Literal["preparing", "reading", "loading", "checking", "asking", "measuring"]
    done: int = 0
    total: int = 0
    share: Share | None = None
    per_second: float | None = None
    """Questions a second, of those that were asked in this sitting."""
    seconds_left: float | None = None


@dataclass(frozen=True)
class BenchmarkState:
    """`waits`: a question in the window has the engine. `failure` is why the last run or measurement stopped."""

    phase: Literal["idle", "running", "pausing"] = "idle"
    kind: Literal["accuracy", "speed"] = "accuracy"
    run: RunView | None = None
    model: str = ""
    progress: Progress = Progress("preparing")
    waits: bool = False
    queued: int = 0
    failure: str = ""
    culprit: Culprit = ""
    engine_failure: Failed | None = None
    """The same, where it was the engine."""
