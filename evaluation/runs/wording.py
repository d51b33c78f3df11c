"""How a question is put to a model: which template, with or without the model's chat template, after which examples."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from app.core.engine.protocol import Turn
from app.core.errors import InputError
from app.core.language import Language
from evaluation import labels, paper
from evaluation.items import Item
from evaluation.runs.backend import Prompt
from evaluation.runs.records import How
from evaluation.templates import Template, read, shipped

FAMILIES: dict[How, str] = {
    "letter": "plain",
    "generate": "plain",
    "option": "sections",
    "paper": "sections",
    "paper-fixed": "sections",
}
"""The shipped templates that each way of scoring uses by default."""

STEPS = {"plain": "steps", "sections": "sections_steps"}
"""Those that ask for reasoning first."""

_COUNTS = {4: "four_", 5: "five_"}
_WORDED = ("plain", "steps", "sections", "sections_steps")


@dataclass(frozen=True)
class Templates:
    """One template, or one for each number of options."""

    name: str
    choose: Callable[[int], Template]
    """From a number of options."""
    all: tuple[Template, ...]
    """Those that may be chosen."""

    @property
    def sha256(self) -> str:
        facts = sorted((one.name, one.layout, one.text) for one in self.all)
        return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()


def templates(how: How, language: Language, name: str | None, file: Path | None, steps: bool) -> Templates:
    """The templates for a run: by default those that are shipped for `how`.

    `name` is that of a template, of a family of shipped ones ("plain"), or a file with one template; `file` holds the
    templates that names are looked up in. With `how` "paper" a name is resolved as the published harness does it.
    Raises InputError.
    """
    if file is not None:
        if steps:
            raise InputError("--steps chooses a shipped template by itself; leave out --templates.")
        known = read(file).templates
        if name is None:
            raise InputError(f"--templates needs --template with one of {_some(known)}.")
        wanted = paper.template_used(name) if how == "paper" else name
        if wanted not in known:
            used = f" (the published harness uses {wanted} for it)" if wanted != name else ""
            raise InputError(f"{file} has no template {name!r}{used}; it has {_some(known)}.")
        return _single(name, known[wanted])
    if name is None:
        family = FAMILIES[how]
        return _family(STEPS[family] if steps else family, language)
    if name in _WORDED:
        return _family(STEPS.get(name, name) if steps else name, language)
    if steps:
        raise InputError("--steps chooses a shipped template by itself; leave out --template.")
    if name in shipped():
        return _single(name, shipped()[name])
    path = Path(name)
    if path.is_file():
        found = read(path).templates
        if len(found) != 1:
            raise InputError(
                f"{path} holds {len(found)} templates: name one with --template, and {path} with --templates."
            )
        return _single(*next(iter(found.items())))
    raise InputError(f"There is no template or file {name!r}; there are {', '.join(_WORDED)} and {_some(shipped())}.")


def _some(names: Mapping[str, Template]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")


def _single(name: str, template: Template) -> Templates:
    return Templates(name, lambda _: template, (template,))


def _family(family: str, language: Language) -> Templates:
    ending = "_ja" if language == "ja" else ""
    own = {count: shipped()[f"{family}_{_COUNTS.get(count, '')}choice{ending}"] for count in (0, *_COUNTS)}
    return Templates(family, lambda count: own.get(count, own[0]), tuple(own.values()))


@dataclass(frozen=True)
class Wording:
    """Prompts of one run, from questions whose options are in the order in which they are shown."""

    templates: Templates
    how: How
    chat: bool
    steps: bool = False
    shots: tuple[Item, ...] = ()

    def prompt(self, item: Item) -> Prompt:
        question = self._template(item).render(item)
        if not self.chat:
            examples = "".join(f"{self._asked(shot)}{self.lead(shot)}{self.answer(shot)}\n\n" for shot in self.shots)
            return Prompt(text=examples + question)
        turns = [
            turn
            for shot in self.shots
            for turn in (Turn("user", self._asked(shot)), Turn("assistant", self.answer(shot)))
        ]
        return Prompt(messages=(*turns, Turn("user", question)))

    def lead(self, item: Item) -> str:
        """What stands before an answer: a blank after "Answer:", nothing after 「答え：」 or a new line."""
        last = self._template(item).text[-1:]
        return " " if not self.chat and last.isascii() and not last.isspace() else ""

    def candidates(self, item: Item) -> tuple[str, ...]:
        """The answers whose probabilities are compared, as they follow the prompt."""
        texts = item.options if self.how == "option" else labels.letters(len(item.options))
        return tuple(self.lead(item) + text for text in texts)

    def answer(self, shot: Item) -> str:
        """The right answer of an example, as the model is to write it."""
        texts = [shot.options[position] for position in shot.answers]
        if self.how == "option":
            return texts[0]
        if self._template(shot).layout == "commas":
            return paper.JOIN.join(texts)
        letters = labels.written(shot.answers, len(shot.options))
        if self.steps:
            return {"ja": f"正解は{letters}", "en": f"The answer is {letters}"}[shot.language]
        return letters

    def _asked(self, shot: Item) -> str:
        return self._template(shot).render(shot)

    def _template(self, item: Item) -> Template:
        return self.templates.choose(len(item.options))


def prompt_sha256(prompts: Sequence[Prompt], candidates: Sequence[Sequence[str]]) -> str:
    """Of all that is asked about one question, before the model's own template."""
    asked = [(prompt.messages, prompt.text) for prompt in prompts]
    return hashlib.sha256(msgspec.json.encode((asked, candidates))).hexdigest()
