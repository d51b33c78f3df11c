"""What happens to a corpus before it is trained on."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from trainer.data.cleaning import Cleaned, Cleaning, clean, normalise
from trainer.data.documents import Document, Message, Record
from trainer.data.joining import join_lines
from trainer.data.near_duplicates import near_duplicates


def records(texts: Sequence[str]) -> list[Record]:
    return [Record(Document(text=text), "x.txt", number, "text") for number, text in enumerate(texts, 1)]


def cleaned(texts: Sequence[str], **settings: object) -> tuple[list[str | None], Cleaned]:
    counts = Cleaned()
    left = clean(records(texts), Cleaning(**settings), counts)  # type: ignore[arg-type]
    return [record.document.text for record in left], counts


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ＣＯＰＤ　１２３", "COPD 123"),
        ("ｶﾞﾝ", "ガン"),
        ("５㎎", "5mg"),
        ("10⁵個、H₂O、½錠", "10⁵個、H₂O、½錠"),
        ("①発熱 ②咳", "①発熱 ②咳"),
        ("cafe\u0301", "café"),
    ],
)
def test_normalising_changes_width_and_never_what_is_said(before: str, after: str) -> None:
    assert normalise(before) == after


def test_each_step_says_how_much_it_did_and_does_nothing_unless_asked() -> None:
    texts = ["ＡＢ", "a  b", "ab cd", "AB CD", "ab", "x" * 50]
    assert cleaned(texts) == (texts, Cleaned())
    left, counts = cleaned(texts, normalise=True, min_characters=3, max_characters=40, deduplicate="exact")
    assert left == ["a  b", "ab cd"]
    assert counts == Cleaned(changed_by_normalising=1, too_short=2, too_long=1, exact_duplicates=1)


def test_a_decimal_point_makes_another_document() -> None:
    left, counts = cleaned(["Give 1.5 mg.", "Give 15 mg.", "give 15  mg."], deduplicate="exact")
    assert left == ["Give 1.5 mg.", "Give 15 mg."]
    assert counts.exact_duplicates == 1


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("生菌数は10⁵個/mLであった。", "生菌数は105個/mLであった。"),
        ("½錠を投与する。", "1/2錠を投与する。"),
        ("①を選ぶ。", "1を選ぶ。"),
    ],
)
def test_a_document_that_says_something_else_is_no_duplicate(text: str, other: str) -> None:
    assert cleaned([text, other, text.replace("。", "。　")], deduplicate="exact")[0] == [text, other]


def test_conversations_are_not_rewritten() -> None:
    document = Document(messages=(Message("user", "Ａ\nＢ"), Message("assistant", "１")))
    record = Record(document, "x.jsonl", 1, "messages")
    cleaning = Cleaning(join_lines=True, normalise=True, min_characters=100)
    assert clean([record], cleaning, Cleaned()) == [record]


# --- near duplicates --------------------------------------------------------------------------------------------------


def shingles(text: str) -> set[tuple[str, ...]]:
    """Five words, or five characters of Japanese, in a row: the definition, written down once more."""
    words = text.casefold().split() if text.isascii() else [one for one in text if one.isalnum()]
    return {tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))}


def varied(alphabet: Sequence[str], joint: str, chance: random.Random) -> list[str]:
    """Texts of many lengths, each with copies in which none to a few words are others."""
    texts = []
    for length in (8, 20, 60, 200, 800) * 12:
        words = chance.choices(alphabet, k=length)
        for share in (0.0, 0.01, 0.03, 0.3):
            changed = [chance.choice(alphabet) if chance.random() < share else word for word in words]
            texts.append(joint.join(changed))
    chance.shuffle(texts)
    return texts


@pytest.mark.parametrize(
    ("alphabet", "joint"),
    [([f"word{number}" for number in range(400)], " "), ([chr(0x4E00 + number) for number in range(400)], "")],
)
def test_near_duplicates_are_those_that_comparing_all_pairs_finds(alphabet: list[str], joint: str) -> None:
    texts = varied(alphabet, joint, random.Random(5))
    sets = [shingles(text) for text in texts]
    kept: list[int] = []
    expected: dict[int, int] = {}
    for number, own in enumerate(sets):
        same = next((one for one in kept if len(sets[one] & own) >= 0.8 * len(sets[one] | own)), None)
        if same is None:
            kept.append(number)
        else:
            expected[number] = same
    assert len(expected) > 60
    assert near_duplicates(texts) == expected


def test_texts_without_words_and_longer_than_a_batch_are_compared_too() -> None:
    chance = random.Random(1)
    long = " ".join(f"w{chance.randrange(10**6)}" for _ in range(60_000))
    assert len(long) > 1 << 18
    assert near_duplicates(["", "、。", "、。", long, "short", long + " more", "SHORT!"]) == {5: 3, 6: 4}
    assert near_duplicates([]) == {}


def test_the_memory_that_books_are_compared_in_does_not_grow_with_their_number() -> None:
    length = 500_000
    codes = np.random.default_rng(1).integers(0x4E00, 0x9000, (10, length), np.uint16)
    books = [one.tobytes().decode("utf-16-le") for one in codes for _ in range(2)]
    tracemalloc.start()
    found = near_duplicates(books)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == {number: number - 1 for number in range(1, 20, 2)}
    assert most < 64 * 2**20 + 25 * length


def test_of_near_duplicates_the_first_is_kept() -> None:
    text = "心房細動の患者では脳梗塞を予防するために抗凝固薬を用い、腎機能と年齢に応じて用量を調節する。"
    left, counts = cleaned([text, text.replace("。", "！"), "別の文書です。", text[:-1] + "こと。"], deduplicate="near")
    assert left == [text, "別の文書です。"]
    assert (counts.exact_duplicates, counts.near_duplicates) == (0, 2)


# --- text from PDF ----------------------------------------------------------------------------------------------------

JAPANESE = """第1章　心房細動の治療
心房細動は最も頻度の高い持続性不整脈であり、高齢者ではその有病率が上昇する。脳塞
栓症の予防のために抗凝固療法が行われる。CHADS2スコアを用いて適応を判断し、出血の
危険も合わせて評価する。
　次に心拍数の調節について述べる。β遮断薬が第一選択となることが多いが、気管支喘息
では注意を要する。

・ワルファリン
・直接経口抗凝固薬は腎機能に応じて用量を調節し、定期的に腎機能を確認することが望ま
しい。"""

ENGLISH = """TREATMENT OF ATRIAL FIBRILLATION
Atrial fibrillation is the most common sustained arrhythmia and its treat-
ment depends on the risk of stroke. A well-known score is used. This well-
known score has been validated in many cohorts of patients with this disease.
It ends here.
1. Introduction
The rate is controlled first.
- beta blockers
- calcium channel blockers that are given to patients with asthma, or with
other diseases of the lung
Drug    Dose    Route
A       1       oral"""


def test_japanese_lines_are_joined_without_a_blank() -> None:
    assert join_lines(JAPANESE).text.split("\n") == [
        "第1章　心房細動の治療",
        "心房細動は最も頻度の高い持続性不整脈であり、高齢者ではその有病率が上昇する。脳塞栓症の予防のために抗凝固療法が行われる。"
        "CHADS2スコアを用いて適応を判断し、出血の危険も合わせて評価する。",
        "次に心拍数の調節について述べる。β遮断薬が第一選択となることが多いが、気管支喘息では注意を要する。",
        "",
        "・ワルファリン",
        "・直接経口抗凝固薬は腎機能に応じて用量を調節し、定期的に腎機能を確認することが望ましい。",
    ]


def test_english_lines_are_joined_with_a_blank_and_hyphens_go_where_they_only_broke_a_word() -> None:
    assert join_lines(ENGLISH).text.split("\n") == [
        "TREATMENT OF ATRIAL FIBRILLATION",
        "Atrial fibrillation is the most common sustained arrhythmia and its treatment depends on the risk of stroke. "
        "A well-known score is used. This well-known score has been validated in many cohorts of patients with this "
        "disease. It ends here.",
        "1. Introduction",
        "The rate is controlled first.",
        "- beta blockers",
        "- calcium channel blockers that are given to patients with asthma, or with other diseases of the lung",
        "Drug    Dose    Route",
        "A       1       oral",
    ]


def test_a_sentence_goes_on_across_a_page_and_page_numbers_go() -> None:
    pages = (
        "抗凝固療法の適応は脳塞栓症の危険と出血の危険とを比べて決める。腎機能の低下した患者\n- 12 -\n\f"
        "13\nでは用量を減らし、定期的に腎機能を確認する。\n\f\n次の頁は段落で始まる。\n14 / 20\n"
    )
    found = join_lines(pages)
    assert found.text.split("\n") == [
        "抗凝固療法の適応は脳塞栓症の危険と出血の危険とを比べて決める。腎機能の低下した患者では用量を減らし、定期的に腎機能を確認する。",
        "",
        "次の頁は段落で始まる。",
    ]
    assert (found.joined, found.page_numbers) == (1, 3)


def test_without_pages_a_lone_number_stays_a_line() -> None:
    assert join_lines("検査値を示す。\n12\n基準値の範囲である。").text == "検査値を示す。\n12\n基準値の範囲である。"


@pytest.mark.parametrize(
    ("line", "following"),
    [
        ("The usual starting dose in adults with normal renal function is", "10 mg daily, and it may be increased."),
        ("Antibiotics were given and the patient was treated with several", "i.v. fluids and oxygen."),
        ("The hazard ratio was below one in all elderly patients that had", "3 or more risk factors."),
        ("The results of the trial of the two drugs in the elderly are in", "Table 2 and show a lower rate."),
        ("血圧の管理が重要であり、降圧薬の投与を開始する。通常は一日一回", "10 mgを経口投与する。"),
        ("血圧の管理は重要であり、降圧薬の投与を開始する。投与の方法は本", "第3章を参照する。"),
    ],
)
def test_a_number_at_a_lines_begin_is_no_heading_within_a_sentence(line: str, following: str) -> None:
    blank = "" if line[-1] > "~" else " "
    assert join_lines(f"{line}\n{following}").text == f"{line}{blank}{following}"
    ended = f"{line[:-1]}{'.' if blank else '。'}"
    assert join_lines(f"{ended}\n{following}").text == f"{ended}\n{following}"
    heading = line[: len(line) // 3].rstrip()
    assert join_lines(f"{line}\n{line[:-1]}.\n{heading}\n{following}").text.endswith(f"{heading}\n{following}")


def test_each_joined_line_knows_the_line_that_it_began_with() -> None:
    pages = "\n\n題名\r\n\r\n本文が一行目の終わりまで続くので次の行に折り返\r\nされて終わる。\n- 12 -\n\f"
    pages += "\n13\n\n次の頁。\n終わり。\n"
    lines = pages.replace("\f", "").split("\n")
    found = join_lines(pages)
    texts = found.text.split("\n")
    assert texts == [
        "題名",
        "",
        "本文が一行目の終わりまで続くので次の行に折り返されて終わる。",
        "",
        "次の頁。",
        "終わり。",
    ]
    begins = [lines[number - 1].strip() for number in found.lines]
    assert all(text.startswith(begin) for text, begin in zip(texts, begins, strict=True) if text)
    assert list(found.lines) == [3, 4, 5, 11, 11, 12]


@pytest.mark.parametrize("text", [JAPANESE, ENGLISH])
def test_joining_loses_no_letter_but_hyphens(text: str) -> None:
    def letters(value: str) -> str:
        return "".join(one for one in value if one.isalnum())

    joined = join_lines(text)
    assert letters(joined.text) == letters(text)
    assert joined.text.count("\n") + joined.joined == text.count("\n")
    assert all(one or other for one, other in pairwise(joined.text.split("\n")))
