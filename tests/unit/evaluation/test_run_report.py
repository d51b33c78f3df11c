"""`inro-eval report`: one page, whatever the runs hold."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.core.language import Language
from evaluation.cli import main
from evaluation.reporting.pairs import Pair, alone, compared, pairs, same_question
from evaluation.reporting.wording import clean, p_value, signed, words
from evaluation.runs.records import Record, RunEngine, RunIdentity, RunModel, Trial
from evaluation.runs.store import read_run
from tests.unit.evaluation.run_folders import MODEL, item, letter_record, settings, text_record, write_run

RIGHT, WRONG = (0.6, 0.1, 0.1, 0.1, 0.1), (0.1, 0.6, 0.1, 0.1, 0.1)
OTHER = RunModel(file="other.gguf", sha256="b" * 64)
HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J\u202e&amp;"
_VOID = {"meta", "br"}
_SVG_LEAVES = {"line", "circle", "rect", "polygon", "polyline"}


class Page(HTMLParser):
    """The page's elements and its text; raises where one is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _SVG_LEAVES
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += " ".join(data.split()) + "\n"


def records(right: Sequence[bool], **facts: Any) -> list[Record]:
    return [letter_record(item(n, **facts), RIGHT if hit else WRONG) for n, hit in enumerate(right, start=1)]


def report(tmp_path: Path, *runs: Path, **options: str) -> str:
    """The page of these runs, after all that every page must keep to was looked at."""
    out = tmp_path / "report.html"
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    assert main(["report", *map(str, runs), "-o", str(out), "--force", *words]) == 0
    html = out.read_text(encoding="utf-8")
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        assert not {"src", "onerror", "onload", "style"} & set(attributes), tag
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in html
    assert "@import" not in html
    assert not re.search(r"\b(nan|inf|None(?! of)|Undefined)\b", page.text)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {str(attributes["href"])[1:] for _, attributes in page.tags if "href" in attributes}
    assert targets <= set(ids)
    return html


# --- the page ---------------------------------------------------------------------------------------------------------


def test_a_page_says_what_was_run_and_what_came_of_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", records([True, True, False, False], category="循環器", human_accuracy=0.8))
    html = report(tmp_path, run, lang="en")
    text = Page(html).text
    for said in (MODEL.file, MODEL.sha256, "0c1e570", "llama.cpp", "t" * 64, "50.0 %", "15.0 – 85.0 %", "80.0 %"):
        assert said in text
    assert "循環器" in text
    assert "2 / 4" in text
    assert html.count("<svg") == 3  # categories, reliability, risk


def test_nothing_but_its_own_style_may_run(tmp_path: Path) -> None:
    html = report(tmp_path, write_run(tmp_path / "run", records([True])))
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'http-equiv="Content-Security-Policy" content="{policy}"' in html


def test_the_page_speaks_the_language_of_the_first_run_unless_told_otherwise(tmp_path: Path) -> None:
    ja = write_run(tmp_path / "ja", records([True]))
    en = write_run(tmp_path / "en", records([True], language="en"))
    assert '<html lang="ja">' in (page := report(tmp_path, ja, en))
    assert "正答率" in page
    assert '<html lang="en">' in (page := report(tmp_path, en, ja))
    assert "正答率" not in page
    assert '<html lang="en">' in report(tmp_path, ja, lang="en")


def test_the_same_runs_give_the_same_page(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, records([True, name == "a"])) for name in ("a", "b")]
    assert report(tmp_path, *runs) == report(tmp_path, *runs)


def test_all_words_are_there_in_both_languages_with_the_same_values() -> None:
    phrases = words("ja").phrases
    for key, one in phrases.items():
        assert set(one) == {"ja", "en"}, key
        ja, en = (set(re.findall(r"{(\w+)}", one[language])) for language in ("ja", "en"))
        assert ja == en, key
        assert all(one.values()), key


def test_texts_of_a_run_stay_texts_and_are_bounded(tmp_path: Path) -> None:
    hostile = replace(
        item(1, options=(HOSTILE, HOSTILE * 999, "c", "d", "e"), category=HOSTILE, prohibited=(1,)),
        id=HOSTILE,
        question=HOSTILE + "問" * 9_999,
    )
    too_long = msgspec.structs.replace(
        letter_record(item(2), RIGHT), status="too_long", chosen=None, correct=False, trials=(), reason=HOSTILE
    )
    harmful = text_record(hostile, HOSTILE * 999, (1,))
    model = RunModel(file=HOSTILE, sha256=HOSTILE, description=HOSTILE)
    run = write_run(tmp_path / "run", [harmful, too_long], task=HOSTILE, model=model)
    other = write_run(tmp_path / "other", [text_record(hostile, HOSTILE, (0,))], task=HOSTILE)
    html = report(tmp_path, run, other)
    assert "&lt;script&gt;" in html
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", html)
    assert len(html) < 150_000
    assert "問" * 1_000 in html
    assert "問" * 1_500 not in html


def test_an_unfinished_run_is_named_in_the_head(tmp_path: Path) -> None:
    half = write_run(tmp_path / "half", records([True]), items=9)
    text = Page(report(tmp_path, half, write_run(tmp_path / "whole", records([True])), lang="en")).text
    assert "Not finished: half." in text[: text.index("Overview")]
    assert "1 of 9 questions have been asked" in text


def test_a_run_of_which_nothing_was_asked_yet(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", records([True]))
    identity = (run / "items.jsonl").read_bytes().splitlines(keepends=True)[0]
    (run / "items.jsonl").write_bytes(identity)
    assert "No question has been asked yet" in report(tmp_path, run, lang="en")
    whole = write_run(tmp_path / "whole", records([True]))
    assert "Nothing to compare" in report(tmp_path, run, whole, lang="en")


def test_a_run_of_which_nothing_was_answered(tmp_path: Path) -> None:
    failed = [
        msgspec.structs.replace(
            letter_record(item(n), RIGHT), status="failed", chosen=None, correct=False, trials=(), reason="It ended."
        )
        for n in (1, 2)
    ]
    text = Page(report(tmp_path, write_run(tmp_path / "run", failed), lang="en")).text
    assert "It ended. × 2" in text
    assert "0.0 – 65.8 %" in text


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_way_of_scoring_has_its_own_part(tmp_path: Path, language: Language) -> None:
    option_trial = Trial(order=(0, 1, 2, 3, 4), logprobs=(-1.0,) * 5, tokens=(1,) * 5, chosen=(0,))
    option = [msgspec.structs.replace(letter_record(item(1), RIGHT), trials=(option_trial,))]
    paper = [msgspec.structs.replace(one := text_record(item(1), "one", (0,)), trials=(exact(one, True),))]
    sampled = [msgspec.structs.replace(one, trials=one.trials * 3)]
    moved = [msgspec.structs.replace(letter_record(item(1), RIGHT), trials=letter_record(item(1), RIGHT).trials * 2)]
    threshold = [letter_record(item(n, (0, 1) if n % 2 else (0,)), RIGHT) for n in range(1, 41)]
    say = words(language)
    for how, made, facts, heading in (
        ("option", option, {}, "readings"),
        ("paper", paper, {}, "exact"),
        ("paper-fixed", paper, {}, "exact_note_fixed"),
        ("generate", sampled, {"samples": 3, "temperature": 0.7, "max_tokens": 256}, "stability"),
        ("letter", moved, {"permutations": 2, "shuffle": True}, "stability"),
        ("letter", threshold, {"shots": ("112A8", "112A9")}, "threshold"),
    ):
        run = write_run(tmp_path / f"{how}-{heading}", made, settings=settings(how=how, **facts))
        assert say(heading) in Page(report(tmp_path, run, lang=language)).text


def exact(record: Record, exact: bool) -> Trial:
    return msgspec.structs.replace(record.trials[0], exact=exact)


def test_prohibited_choices_are_shown_question_by_question(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", records([False] * 25 + [True] * 5, prohibited=(1,)))
    text = Page(report(tmp_path, run, lang="en")).text
    assert "chosen in 25 of 30 questions that have one (83.3 %, 95 % interval 66.4 – 92.7 %)" in text
    assert "5 more are not shown." in text


# --- comparisons ------------------------------------------------------------------------------------------------------


def test_two_models_are_compared_question_by_question(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", records([True] * 20 + [False] * 2))
    b = write_run(tmp_path / "b", records([False] * 20 + [True, False]), model=OTHER)
    text = Page(report(tmp_path, a, b, lang="en")).text
    assert "The runs differ in: Model." in text
    assert "a is better: +86.4 points" in text
    assert "p < 0.001, n = 22" in text
    assert "paired bootstrap (seed 0)" in text
    assert "after the fact" in text
    assert "Only a right: 20" in text
    assert "Only b right: 1" in text
    assert "Question 21?" in text
    assert "Question 22?" not in text  # wrong in both


def test_more_differences_than_are_shown_are_counted(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", records([True] * 50))
    b = write_run(tmp_path / "b", records([False] * 50), model=OTHER)
    html = report(tmp_path, a, b, lang="en")
    assert "The first 40 by id are shown; 10 more are not." in html
    assert html.count('<details class="item">') == 40


def test_one_model_in_two_languages_is_compared_with_itself(tmp_path: Path) -> None:
    ja = write_run(tmp_path / "ja", records([True, True]))
    en = write_run(tmp_path / "en", records([True, False], language="en", options=tuple("vwxyz")))
    html = report(tmp_path, en, ja, lang="en")
    assert "Japanese against English, same ids: ja and en" in Page(html).text
    assert '<p class="question" lang="en">' in html
    assert '<p class="question" lang="ja">' in html


def identity(name: str, language: Language = "ja", model: RunModel = MODEL, **facts: Any) -> RunIdentity:
    known: dict[str, Any] = {"task": "igakuqa", "items": 1, "data_sha256": name, "settings": settings()}
    return RunIdentity(model=model, engine=RunEngine(), language=language, **(known | facts))


def test_runs_are_compared_within_task_and_language_and_a_model_with_itself_across_languages() -> None:
    runs = [
        identity("a", "ja"),
        identity("b", "ja", OTHER),
        identity("c", "en"),
        identity("d", "en", OTHER),
        identity("e", task="medqa"),
    ]
    assert pairs(runs) == (
        Pair(0, 1, False),
        Pair(2, 3, False),
        Pair(0, 2, True),
        Pair(1, 3, True),
    )
    assert alone(runs) == (4,)
    assert pairs([identity("a"), identity("b", "en", settings=settings(how="option"))]) == ()


def test_the_same_id_is_not_always_the_same_question(tmp_path: Path) -> None:
    a = read_run(write_run(tmp_path / "a", records([True, True, True])))
    other = [*records([False, False]), letter_record(replace(item(3), question="Another?"), WRONG)]
    b = read_run(write_run(tmp_path / "b", other))
    found = compared((a, b), ("a", "b"), Pair(0, 1, False))
    assert found.different == ("112A3",)
    assert found.result.accuracy.n == 2
    assert len(found.only_a) == 2
    assert "have the same id but differ" in report(tmp_path, a.folder, b.folder, lang="en")


def test_a_translation_is_the_same_question_if_its_right_options_are() -> None:
    ja = item(1)
    assert same_question(ja, replace(ja, language="en", question="?", options=tuple("vwxyz")))
    assert not same_question(ja, replace(ja, language="en", answers=(1,)))
    assert not same_question(ja, replace(ja, language="en", options=tuple("vwxy")))
    assert not same_question(ja, replace(ja, question="?"))


# --- wrong use --------------------------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["report", *map(str, words)]) == 2
    return capsys.readouterr().err


def test_a_page_that_is_there_is_replaced_only_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", records([True]))
    out = tmp_path / "report.html"
    out.write_text("mine", encoding="utf-8")
    assert "--force" in refused(capsys, run, "-o", out)
    assert out.read_text(encoding="utf-8") == "mine"
    assert main(["report", str(run), "-o", str(out), "--force"]) == 0
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_wrong_use_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = write_run(tmp_path / "run", records([True])), tmp_path / "report.html"
    assert "holds no run" in refused(capsys, tmp_path / "nothing", "-o", out)
    assert "given twice" in refused(capsys, run, tmp_path / "run", "-o", out)
    assert "is a folder" in refused(capsys, run, "-o", tmp_path)
    assert "a run's own file" in refused(capsys, run, "-o", run / "items.jsonl", "--force")
    assert "at most 20 runs" in refused(capsys, *[tmp_path / str(n) for n in range(21)], "-o", out)
    assert not out.exists()
    assert len(read_run(run).records) == 1


def test_the_command_says_what_is_not_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", records([True]), items=2)
    assert main(["report", str(run), "-o", str(tmp_path / "report.html")]) == 0
    assert "Not finished: 1 of 1 runs." in capsys.readouterr().out


# --- words ------------------------------------------------------------------------------------------------------------


def test_numbers_never_say_more_than_they_know() -> None:
    assert [p_value(p) for p in (0.0, 0.0009, 0.003, 0.0499, 0.05, 0.3, 1.0)] == [
        "< 0.001",
        "< 0.001",
        "0.003",
        "0.049",
        "0.050",
        "0.30",
        "1.00",
    ]
    assert [signed(share) for share in (0.021, -0.021, 0.0001, -0.0001)] == ["+2.1", "−2.1", "0.0", "0.0"]


def test_a_text_is_cleaned_of_what_steers_a_reader() -> None:
    assert clean("a\tb\r\nc\x1b\u202e", 99) == "a b\nc\ufffd\ufffd"
    assert clean("問" * 10, 5) == "問" * 5 + " …"
    assert clean("問" * 5, 5) == "問" * 5
