"""Questions with options, put into words by the evaluation's own templates: what is trained is what is asked."""

from __future__ import annotations

from typing import Any

from app.core.errors import InputError
from app.core.language import Language
from evaluation.items import Item
from evaluation.runs.records import How
from evaluation.runs.wording import STEPS, Wording, templates
from evaluation.scoring import is_in_language
from evaluation.tasks.loading import Filtered
from evaluation.tasks.loading import Unusable as NoItem
from evaluation.tasks.record import record_item
from trainer.data.documents import Document, Message
from trainer.data.formats import LeftOut, Unusable

_HOW: How = "letter"  # the way of scoring whose template is the default; a template with "commas" has texts as answers


class ItemWords:
    """Turns questions of the one-object-a-line layout into a question and its answer.

    `template` is what `inro-eval run --template` takes: a family ("plain", "sections"), a template's name, or a file.
    Raises InputError for one that asks for reasoning, which items do not have.
    """

    def __init__(self, template: str | None) -> None:
        if template is not None and any(template.startswith(steps) for steps in STEPS.values()):
            raise InputError(
                f"the template {template} asks for reasoning before the answer, which items do not hold; "
                "set template to plain or sections."
            )
        self._template = template
        self._wordings: dict[Language, Wording] = {}

    def document(self, value: Any) -> Document:
        """Raises Unusable, LeftOut for what `inro-eval` does not ask either, InputError for an unknown template."""
        try:
            item = record_item(value, "jsonl", _language(value))
        except Filtered as error:
            raise LeftOut(str(error)) from error
        except NoItem as error:
            raise Unusable(str(error)) from error
        if not item.text_only:
            raise LeftOut("it shows a picture")
        return self.asked(item)

    def asked(self, item: Item) -> Document:
        wording = self._wordings.get(item.language)
        if wording is None:
            chosen = templates(_HOW, item.language, self._template, None, steps=False)
            wording = self._wordings[item.language] = Wording(chosen, _HOW, chat=True)
        turns = tuple(Message(turn.role, turn.content) for turn in wording.prompt(item).messages)
        return Document(messages=(*turns, Message("assistant", wording.answer(item))))


def _language(value: Any) -> Language:
    """What the record says, or else the script of its question."""
    if isinstance(value, dict):
        named = value.get("language")
        if named in ("ja", "en"):
            return "ja" if named == "ja" else "en"
        if is_in_language(str(value.get("problem_text")), "en"):
            return "en"
    return "ja"
