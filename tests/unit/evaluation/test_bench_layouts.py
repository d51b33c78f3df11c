"""Every other benchmark, in the layout it was published in and in the one schema where it has both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import InputError
from evaluation.tasks.loading import Loaded, Selection
from evaluation.tasks.mmlu import SUBJECTS, jmmlu_rows
from evaluation.tasks.registry import BENCHMARKS, benchmark
from tests.unit.evaluation.benchmark_files import record, write_lines, write_text


def reported(loaded: Loaded) -> list[tuple[str, int | None, bool]]:
    return [(problem.kind, problem.line, problem.dropped) for problem in loaded.problems]


class TestMmlu:
    def write_csv(self, path: Path, n: int, first: int = 1, mark: str = "") -> Path:
        rows = [
            f'"Question {row}, of {path.stem}?", one{row},two{row},three{row},four{row},{"ABCD"[row % 4]}'
            for row in range(first, first + n)
        ]
        return write_text(path, mark + "\r\n".join(rows) + "\r\n")

    def test_a_file_for_each_subject(self, tmp_path: Path) -> None:
        self.write_csv(tmp_path / "data" / "test" / "anatomy_test.csv", 3)
        self.write_csv(tmp_path / "data" / "test" / "college_biology_test.csv", 2)
        loaded = benchmark("mmlu").load(tmp_path, "en")
        assert [item.id for item in loaded.items] == [
            *("anatomy-1", "anatomy-2", "anatomy-3"),
            *("college_biology-1", "college_biology-2"),
        ]
        first = loaded.items[0]
        assert (first.options, first.answers) == (("one1", "two1", "three1", "four1"), (1,))
        assert (first.category, first.question) == ("anatomy", "Question 1, of anatomy_test?")
        assert benchmark("mmlu").missing(tmp_path, "en") == tuple(
            f"{subject}_test.csv" for subject in SUBJECTS if subject not in ("anatomy", "college_biology")
        )

    def test_rows_that_are_no_question(self, tmp_path: Path) -> None:
        path = tmp_path / "anatomy_test.csv"
        write_text(path, "question,A,B,C,D,answer\nWhich?,a,b,c,d,C\nWhich?,a,b,c,C\n\nHow?,a,b,c,d,E\n,a,b,c,d,A\n")
        loaded = benchmark("mmlu").load(tmp_path, "en")
        assert [(item.id, item.answers) for item in loaded.items] == [("anatomy-1", (2,))]
        assert reported(loaded) == [("malformed", 3, True), ("malformed", 5, True), ("malformed", 6, True)]

    def test_the_translation_has_the_ids_of_what_it_translates(self, tmp_path: Path) -> None:
        # JMMLU left out the first row of every file, and two more of anatomy.
        rows = jmmlu_rows("anatomy")
        assert (len(rows), rows[0], rows[-1], {34, 86} & set(rows)) == (132, 2, 135, set())
        self.write_csv(tmp_path / "JMMLU" / "anatomy.csv", len(rows), mark="\ufeff")
        japanese = benchmark("jmmlu").load(tmp_path, "ja")
        assert [item.id for item in japanese.items] == [f"anatomy-{row}" for row in rows]
        self.write_csv(tmp_path / "MMLU" / "anatomy_test.csv", SUBJECTS["anatomy"])
        english = benchmark("jmmlu").load(tmp_path, "en")
        assert [item.id for item in english.items] == [item.id for item in japanese.items]
        assert english.filtered() == {"JMMLU has no translation of it": 3}

    def test_another_edition_of_the_translation_has_no_pairs(self, tmp_path: Path) -> None:
        self.write_csv(tmp_path / "anatomy.csv", 3, mark="\ufeff")
        assert [i.id for i in benchmark("jmmlu").load(tmp_path, "ja").items] == [f"anatomy-ja-{n}" for n in (1, 2, 3)]

    def test_one_file_of_all_questions_tells_the_subjects(self, tmp_path: Path) -> None:
        n = sum(SUBJECTS.values())
        write_lines(tmp_path / "mmlu_en_medical.jsonl", [record(number) for number in range(n)])
        loaded = benchmark("mmlu").load(tmp_path, "en")
        assert (loaded.items[0].id, loaded.items[135].category) == ("0", "clinical_knowledge")
        paired = benchmark("jmmlu").load(tmp_path, "en").items
        assert (paired[0].id, paired[0].question) == ("anatomy-2", loaded.items[1].question)
        write_lines(tmp_path / "mmlu_en_medical.jsonl", [record(number) for number in range(n - 1)])
        assert benchmark("mmlu").load(tmp_path, "en").items[135].category is None
        with pytest.raises(InputError, match="does not have all questions of MMLU"):
            benchmark("jmmlu").load(tmp_path, "en")


class TestMedqa:
    def question(self, **more: Any) -> dict[str, Any]:
        options = {"A": "a rose", "B": "the sea", "C": "grass", "D": "snow"}
        return {
            "question": "Which is blue?",
            "answer": "the sea",
            "options": options,
            "meta_info": "step1",
            "answer_idx": "B",
            "metamap_phrases": [],
            **more,
        }

    def test_the_published_file(self, tmp_path: Path) -> None:
        places = tmp_path / "data_clean" / "questions" / "US" / "4_options"
        write_lines(
            places / "phrases_no_exclude_test.jsonl",
            [
                self.question(),
                self.question(question="Which is white?", answer="grass", answer_idx="D"),
                self.question(question="Which is green?", answer="grass", answer_idx="C", options={"A": "x", "C": "y"}),
                self.question(question="Which is green?", answer="grass", answer_idx="C", meta_info="step2&3"),
            ],
        )
        loaded = benchmark("medqa").load(tmp_path, "en")
        assert [(item.id, item.answers, item.category) for item in loaded.items] == [
            ("0", (1,), "step1"),
            ("3", (2,), "step2&3"),
        ]
        assert reported(loaded) == [("contradictory", 2, True), ("malformed", 3, True)]

    def test_the_one_schema_and_the_file_itself(self, tmp_path: Path) -> None:
        path = write_lines(tmp_path / "MedQA" / "medqa_en_4op.jsonl", [record(0, ["b"]), record(1, ["c"])])
        for given in (tmp_path, path.parent, path):
            items = benchmark("medqa").load(given, "en").items
            assert [(item.id, item.answers) for item in items] == [("0", (1,)), ("1", (2,))]


class TestMedmcqa:
    def question(self, number: str, cop: int | None) -> dict[str, Any]:
        return {
            "question": f"Which, {number}?",
            "exp": None,
            "cop": cop,
            "opa": "w",
            "opb": "x",
            "opc": "y",
            "opd": "z",
            "subject_name": "Anatomy",
            "topic_name": None,
            "id": number,
            "choice_type": "single",
        }

    @pytest.mark.parametrize("first", [0, 1])
    def test_the_published_file_counts_from_0_or_from_1(self, tmp_path: Path, first: int) -> None:
        write_lines(tmp_path / "dev.json", [self.question(str(n), n + first) for n in range(4)])
        items = benchmark("medmcqa").load(tmp_path, "en").items
        assert [(item.id, item.answers) for item in items] == [(str(n), (n,)) for n in range(4)]
        assert {item.category for item in items} == {"Anatomy"}

    @pytest.mark.parametrize("numbers", [[1, 2, 3], [0, 4]])
    def test_a_file_that_does_not_tell_is_refused(self, tmp_path: Path, numbers: list[int]) -> None:
        path = write_lines(tmp_path / "dev.json", [self.question(str(n), n) for n in numbers])
        with pytest.raises(InputError, match="from 0"):
            benchmark("medmcqa").load(path, "en")

    def test_questions_without_a_published_answer(self, tmp_path: Path) -> None:
        path = write_lines(
            tmp_path / "test.json", [self.question("p", -1), self.question("q", 0), self.question("r", 9)]
        )
        loaded = benchmark("medmcqa").load(path, "en")
        assert [item.id for item in loaded.items] == ["q"]
        assert reported(loaded) == [("filtered", 1, True), ("malformed", 3, True)]

    def test_the_one_schema(self, tmp_path: Path) -> None:
        write_lines(tmp_path / "MedMCQA" / "medmcqa_dev.jsonl", [record("4525-8d3d", ["d"])])
        assert benchmark("medmcqa").load(tmp_path, "en").items[0].answers == (3,)


class TestPubmedqa:
    def paper(self, decision: str, **more: Any) -> dict[str, Any]:
        return {
            "QUESTION": f"Is it {decision}?",
            "CONTEXTS": ["One.", "Two."],
            "LABELS": ["A", "B"],
            "YEAR": "2011",
            "final_decision": decision,
            "LONG_ANSWER": "It is.",
            **more,
        }

    def test_the_published_file(self, tmp_path: Path) -> None:
        papers = {"11": self.paper("maybe"), "12": self.paper("perhaps"), "13": self.paper("no", CONTEXTS=[]), "14": 5}
        write_text(tmp_path / "data" / "ori_pqal.json", json.dumps(papers))
        loaded = benchmark("pubmedqa").load(tmp_path, "en")
        item = loaded.items[0]
        assert (item.id, item.options, item.answers) == ("11", ("yes", "no", "maybe"), (2,))
        assert (item.context, item.year) == ("One. Two.", "2011")
        assert [(problem.kind, problem.item, problem.line) for problem in loaded.problems] == [
            ("malformed", number, None) for number in ("12", "13", "14")
        ]

    def test_the_published_test_is_half_of_it(self, tmp_path: Path) -> None:
        papers = {"11": self.paper("yes"), "12": self.paper("no"), "13": self.paper("maybe")}
        write_text(tmp_path / "ori_pqal.json", json.dumps(papers))
        write_text(tmp_path / "test_ground_truth.json", json.dumps({"11": "yes", "13": "no", "14": "no"}))
        loaded = benchmark("pubmedqa").load(tmp_path, "en")
        assert [item.id for item in loaded.items] == ["11"]
        assert sorted((problem.kind, problem.item) for problem in loaded.problems) == [
            ("contradictory", "13"),
            ("filtered", "12"),
            ("malformed", "14"),
        ]

    def test_the_one_schema_must_have_the_text(self, tmp_path: Path) -> None:
        options = {"choices": ["yes", "no", "maybe"]}
        write_lines(
            tmp_path / "pubmedqa.jsonl", [record("1", ["b"], context="It is not.", **options), record("2", **options)]
        )
        loaded = benchmark("pubmedqa").load(tmp_path, "en")
        assert [(item.id, item.context) for item in loaded.items] == [("1", "It is not.")]
        assert reported(loaded) == [("malformed", 2, True)]

    @pytest.mark.parametrize("text", ["[]", "{", '{"11": {}}'])
    def test_files_that_are_something_else(self, tmp_path: Path, text: str) -> None:
        path = write_text(tmp_path / "ori_pqal.json", text)
        with pytest.raises(InputError, match=r"ori_pqal\.json"):
            benchmark("pubmedqa").load(path, "en")


def test_jmedbench_joins_its_languages_by_sample_id(tmp_path: Path) -> None:
    sample = {
        "sample_id": 7,
        "question": "青いのはどれか。",
        "options": ["花", "海"],
        "answer_idx": 1,
        "n_options": 2,
        "metadata": {},
    }
    write_lines(
        tmp_path / "medqa_jp" / "test.jsonl",
        [sample, {**sample, "sample_id": 8, "answer_idx": 2}, {**sample, "sample_id": 9, "n_options": 4}],
    )
    write_lines(tmp_path / "medqa" / "test.jsonl", [{**sample, "question": "Which?", "options": ["rose", "sea"]}])
    task = benchmark("jmedbench-medqa")
    japanese, english = task.load(tmp_path, "ja"), task.load(tmp_path, "en")
    assert [(item.id, item.answers, item.options) for item in japanese.items] == [("7", (1,), ("花", "海"))]
    assert reported(japanese) == [("malformed", 2, True), ("malformed", 3, True)]
    assert [(item.id, item.options) for item in english.items] == [("7", ("rose", "sea"))]
    with pytest.raises(InputError, match=r"medmcqa_jp/test\.jsonl"):
        benchmark("jmedbench-medmcqa").load(tmp_path, "ja")


def test_yakugakuqa_counts_from_1(tmp_path: Path) -> None:
    def question(number: str | int, answer: list[str], options: int = 5, **more: Any) -> dict[str, Any]:
        return {
            **record(number, answer),
            "choices": [f"薬{number}-{n}" for n in range(options)],
            "text_only": True,
            "comment": "",
            "num_images": 0,
            **more,
        }

    write_lines(
        tmp_path / "YakugakuQA" / "data.jsonl",
        [
            question("097001", ["5"]),
            question("109345", ["2", "8"], options=8),
            question(98002, ["1"], options=4),
            question("098003", ["解なし"]),
            question("098004", ["0"]),
            question("098005", ["1"], text_only=False),
        ],
    )
    write_lines(
        tmp_path / "YakugakuQA" / "metadata.jsonl",
        [
            {"problem_id": "097001", "category": "必須", "note": ""},
            {"problem_id": "098002", "category": "理論", "note": ""},
            {"problem_id": "097001", "category": "実践", "note": ""},
        ],
    )
    loaded = benchmark("yakugakuqa").load(tmp_path, "ja")
    assert [(item.id, item.answers, item.year, item.category) for item in loaded.items] == [
        ("097001", (4,), "2012", "必須"),
        ("109345", (1, 7), "2024", None),
        ("98002", (0,), "2013", "理論"),
    ]
    assert reported(loaded) == [
        ("contradictory", 3, False),
        ("filtered", 4, True),
        ("malformed", 5, True),
        ("filtered", 6, True),
    ]


class TestOwnQuestions:
    def test_every_field(self, tmp_path: Path) -> None:
        full = record(
            1,
            "a, c",
            points=2,
            context="前文",
            category="内科",
            year=2024,
            kinki="e",
            human_accuracy=62.5,
            language="ja",
            note="not read",
        )
        path = write_lines(tmp_path / "mine.jsonl", [full, record("q-2", ["B"])])
        first, second = benchmark("jsonl").load(path, "ja").items
        assert (first.id, first.answers, first.points, first.context) == ("1", (0, 2), 2.0, "前文")
        assert (first.category, first.year, first.prohibited, first.human_accuracy) == ("内科", "2024", (4,), 0.625)
        assert (second.id, second.answers, second.points, second.text_only) == ("q-2", (1,), 1.0, True)

    def test_errors_name_the_line(self, tmp_path: Path) -> None:
        path = write_lines(
            tmp_path / "mine.jsonl",
            [
                record(1),
                "{",
                {"problem_id": 3, "problem_text": "?", "choices": ["x", "y"]},
                record(4, "z"),
                record(5, choices="abc"),
                record(6, kinki="a"),
                record(7, language="en"),
            ],
        )
        loaded = benchmark("jsonl").load(path, "ja")
        assert [item.id for item in loaded.items] == ["1"]
        assert str(loaded.problems[0]).startswith(f"{path}, line 2: not a line of JSON")
        assert [(p.kind, p.line, p.what) for p in loaded.problems[1:]] == [
            ("malformed", 3, "Object missing required field `answer`"),
            ("malformed", 4, "its answer names something that is none of a to e"),
            ("malformed", 5, "Expected `array`, got `str` - at `$.choices`"),
            ("contradictory", 6, "its answer a is also prohibited"),
            ("filtered", 7, "it is in another language"),
        ]
        with pytest.raises(InputError, match="line 1: Expected `object`"):
            benchmark("jsonl").load(write_lines(path, ["[]"]), "ja")

    def test_a_folder_of_files(self, tmp_path: Path) -> None:
        write_lines(tmp_path / "b.jsonl", [record(2)])
        write_lines(tmp_path / "a.jsonl", [record(1)])
        assert [item.id for item in benchmark("jsonl").load(tmp_path, "en").items] == ["1", "2"]
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match=r"no \.jsonl file"):
            benchmark("jsonl").load(tmp_path / "empty", "en")
        with pytest.raises(InputError, match="does not exist"):
            benchmark("jsonl").load(tmp_path / "nowhere", "en")

    def test_a_year_that_is_not_there(self, tmp_path: Path) -> None:
        path = write_lines(tmp_path / "mine.jsonl", [record(1, year="2020"), record(2)])
        with pytest.raises(InputError, match="2 × another year"):
            benchmark("jsonl").load(path, "ja", Selection(years=("1999",)))


def test_names_are_unique_and_an_unknown_one_is_told_the_others() -> None:
    names = [known.name for known in BENCHMARKS]
    assert len(set(names)) == len(names)
    with pytest.raises(InputError, match="igakuqa, jmmlu, mmlu"):
        benchmark("igaku")


@pytest.mark.parametrize("known", BENCHMARKS, ids=lambda known: known.name)
def test_a_language_that_a_task_has_not_and_a_folder_that_is_not_there(tmp_path: Path, known: Any) -> None:
    for language in known.languages:
        with pytest.raises(InputError, match="does not exist"):
            known.load(tmp_path / "nowhere", language)
        with pytest.raises(InputError):
            known.load(tmp_path, language)
    if known.languages != ("ja", "en"):
        other = "ja" if "en" in known.languages else "en"
        with pytest.raises(InputError, match=f"no questions in {other}"):
            known.load(tmp_path, other)
