from __future__ import annotations

import pytest

from trainer.data.personal import Detector, Suspicion

DETECTOR = Detector()


def found(text: str) -> list[Suspicion]:
    return list(DETECTOR.suspicions(text))


@pytest.mark.parametrize(
    ("text", "kind", "masked"),
    [
        ("田中様が来院した。", "name", "●●様"),
        ("山田花子さんは", "name", "●●●●さん"),
        ("担当は鈴木先生", "name", "●●先生"),
        ("ジョンソンさんの", "name", "●●●●●さん"),
        ("seen by Dr. Jane Doe today", "name", "Dr. ●●●● ●●●"),
        ("氏名：山田太郎", "name", "氏名:●●●●"),
        ("生年月日：昭和３２年４月５日", "birth", "生年月日:●●##●#●#●"),
        ("1957年4月5日生まれの男性", "birth", "####●#●#●生まれ"),
        ("DOB: 04/05/1957", "birth", "DOB: ##/##/####"),
        ("born on 4 May 1957", "birth", "born on # ●●● ####"),
        ("電話は０３−１２３４−５６７８".replace("−", "-"), "telephone", "##-####-####"),
        ("090-1234-5678", "telephone", "###-####-####"),
        ("call (301) 496-5248", "telephone", "(###) ###-####"),
        ("taro.yamada@example.ac.jp", "e-mail", "●●●●.●●●●●●@●●●●●●●.●●.●●"),
        ("〒113-8655", "postal code", "〒###-####"),
        ("カルテ番号：1234567", "record number", "カルテ番号:#######"),
        ("MRN: 00123456", "record number", "MRN: ########"),
        ("個人番号 1234 5678 9018", "my number", "#### #### ####"),
    ],
)
def test_what_looks_like_a_person_is_found_and_masked(text: str, kind: str, masked: str) -> None:
    assert [(one.kind, one.masked) for one in found(text)] == [(kind, masked)]


@pytest.mark.parametrize(
    "text",
    [
        "患者さん、お母さん、看護師さん、息子さん、赤ちゃん",
        "眼瞼結膜は貧血様で、感冒様症状があり、苦悶様顔貌である。",
        "同様に、皆様の多様な仕様",
        "大殿筋と中殿筋、臀部",
        "摂氏37度、氏族",
        "5年生存率、2010年10月1日生検",
        "0120-123-456 or 1-800-422-6237",
        "1234 5678 9012",  # another check digit
        "Brand Name: Lasix",
        "血圧 120-80, 2010-2020",
        "Down syndrome was described by a doctor.",
    ],
)
def test_what_is_no_person_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_the_line_within_a_text_is_told() -> None:
    assert [one.line_breaks for one in found("一行目\n二行目\n田中様")] == [2]
