"""One self-contained HTML page of runs: no script, nothing loaded from elsewhere, all texts of runs escaped."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.language import Language
from evaluation.comparison import ALPHA, PLANNED_DISCORDANCE, discordance
from evaluation.exam import MOST_PROHIBITED
from evaluation.reporting import wording
from evaluation.reporting.drawn import CATEGORIES_AT_MOST, category_name, largest, runs_plot
from evaluation.reporting.pairs import SEED, alone, compared, pairs
from evaluation.reporting.view import RunView, names, pair_view, run_view
from evaluation.runs.store import Run
from evaluation.tally import whole

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent
_TEMPLATE = "page.html.jinja"


def page(runs: Sequence[Run], language: Language) -> str:
    """The report of one run or more, in the page's own `language`. The same runs give the same page.

    Raises InputError for a run that contradicts itself.
    """
    words = wording.words(language)
    named = names([run.folder for run in runs])
    views = [run_view(number, named[number - 1], run, words) for number, run in enumerate(runs, start=1)]
    identities = [run.identity for run in runs]
    found = [
        pair_view(number, compared(runs, named, pair), views, words)
        for number, pair in enumerate(pairs(identities), start=1)
    ]
    style = (_FOLDER / "style.css").read_text(encoding="utf-8")
    return (
        _environment(words)
        .get_template(_TEMPLATE)
        .render(
            language=language,
            style=style,
            style_sha256=b64encode(sha256(style.encode()).digest()).decode(),
            runs=views,
            pairs=found,
            overview=runs_plot(_groups(views), words),
            unfinished=[view.name for view in views if not view.summary.complete],
            alone=[named[place] for place in alone(identities)] if len(runs) > 1 else [],
            version=_version(),
        )
    )


def _groups(views: Sequence[RunView]) -> list[tuple[str, Any]]:
    return [(view.name, whole(view.summary.score)) for view in views if view.summary.score]


def _version() -> str:
    from app import __version__

    return __version__


def _environment(words: wording.Words) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=wording.percent,
        interval=wording.interval,
        whole=wording.whole,
        amount=wording.amount,
        signed=wording.signed,
        p=wording.p_value,
        clean=wording.clean,
        largest=largest,
        category=lambda name: category_name(name, words),
    )
    environment.globals.update(
        w=words,
        all=whole,
        discordance=discordance,
        alpha=ALPHA,
        planned=PLANNED_DISCORDANCE,
        seed=SEED,
        categories_at_most=CATEGORIES_AT_MOST,
        most_prohibited=MOST_PROHIBITED,
    )
    return environment
