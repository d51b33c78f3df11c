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
        ("電話は０３−１２３４−５６７８", "telephone", "##-####-####"),
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


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("田中　太郎　様", "●● ●● 様"),
        ("山田 花子 殿", "●● ●● 殿"),
        ("山田　はなこ　さん", "●● ●●● さん"),
        ("林 太郎 様", "● ●● 様"),
        ("患者 田中 様", "●● 様"),
        ("本日田中様来院", "●●様"),
        ("患者田中様", "●●様"),
        ("患者田中誠様", "●●●様"),
        ("昨日佐藤様より電話", "●●様"),
        ("小泉様が来院", "●●様"),
        ("髙橋様、山﨑様と𠮷田様", "●●様"),
        ("スミス様", "●●●様"),
        ("メアリー・スミス様の検査", "●●●●・●●●様"),
        ("名前：山田太郎", "名前:●●●●"),
        ("お名前：小鳥遊太郎", "お名前:●●●●●"),
        ("氏名　山田太郎", "氏名 ●●●●"),
        ("氏名\t小鳥遊太郎", "氏名 ●●●●●"),
        ("氏名\t山田　太郎\t男", "氏名 ●● ●●"),
        ("患者：山田太郎", "患者:●●●●"),
        ("フリガナ：ヤマダ タロウ", "フリガナ:●●● ●●●"),
        ("氏名：山田　太郎　性別：男", "氏名:●● ●●"),
        ("Mr. J. Smith", "Mr. ●. ●●●●●"),
        ("MR. SMITH", "MR. ●●●●●"),
        ("Dr.Smith", "Dr.●●●●●"),
        ("Mr. Müller", "Mr. ●●●●●●"),
        ("Mrs. Mu\u0308ller", "Mrs. ●●●●●●"),
        ("Mr. O'Brien", "Mr. ●'●●●●●"),
        ("Ms. Smith-Jones", "Ms. ●●●●●-●●●●●"),
        ("Dr. van der Berg", "Dr. ●●● ●●● ●●●●"),
        ("Prof. Dr. Schmidt", "Prof. Dr. ●●●●●●●"),
    ],
)
def test_a_name_is_found_however_it_is_written(text: str, masked: str) -> None:
    assert [one.masked for one in found(text)][:1] == [masked]
    assert {one.kind for one in found(text)} == {"name"}


@pytest.mark.parametrize("dash", ["-", "−", "‐", "‑", "–", "—", "ー", "－", "ｰ"])
def test_a_number_is_found_with_every_dash_that_is_typed_for_a_hyphen(dash: str) -> None:
    for number, kind in (("03-1234-5678", "telephone"), ("〒113-8655", "postal code"), ("1234-5678-9018", "my number")):
        for text in (number, number.translate(str.maketrans("0123456789", "０１２３４５６７８９"))):
            assert [one.kind for one in found(text.replace("-", dash))] == [kind]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("TEL 0312345678", "telephone"),
        ("電話：0312345678", "telephone"),
        ("03 1234 5678", "telephone"),
        ("090 1234 5678。", "telephone"),
        ("03(1234)5678", "telephone"),
        ("(03)1234-5678", "telephone"),
        ("+81-3-1234-5678", "telephone"),
        ("+81 (0)3-1234-5678", "telephone"),
        ("+1 301 496 5248", "telephone"),
        ("Phone: 301 496 5248", "telephone"),
        ("301-496-5248.", "telephone"),
        ("郵便番号 113-8655", "postal code"),
        ("My number: 123456789018.", "my number"),
        ("個人番号は1234 5678 9018です。", "my number"),
        ("カルテNO:1234567", "record number"),
        ("カルテＮｏ．1234567", "record number"),
        ("診療録番号 1234567", "record number"),
        ("患者ID A-12345", "record number"),
        ("ID：12345678", "record number"),
        ("Medical record number (MRN): 1234567", "record number"),
        ("昭和32年4月5日出生", "birth"),
        ("平成3年6月12日に生まれた", "birth"),
        ("S32.4.5生", "birth"),
        ("令和元年5月1日生、女児", "birth"),
        ("2021年4月1日生(3歳)", "birth"),
        ("生年月日：西暦1957年4月5日", "birth"),
        ("DOB: 5-Apr-1957", "birth"),
        ("DOB: 19570405", "birth"),
        ("D.O.B.: 04/05/1957", "birth"),
        ("Date of birth is 4/5/1957", "birth"),
        ("born on the 4th of May, 1957", "birth"),
    ],
)
def test_numbers_and_dates_of_birth_are_found_however_they_are_written(text: str, kind: str) -> None:
    assert [one.kind for one in found(text)] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "川崎病様の発疹、橋本病様、原田病様所見、木村氏病、加藤氏法",
        "石川県様式、大出血様、ランゲルハンス島様細胞、類上皮様、敷石様",
        "クッシング様顔貌、アトピー様皮膚炎、スミス様骨折",
        "1型糖尿病さん、糖尿病患者さん、ドナーさん",
        "氏名　年齢　性別　住所",
        "氏名\t生年月日\t電話番号",
        "氏名：＿＿＿＿　氏名：　　氏名 の記載",
        "薬の名前：アスピリン",
        "FileName: abc.txt",
        "severe MR. LVEF was 50%, and DR. MRI, then MS. These",
    ],
)
def test_what_only_resembles_a_name_is_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "2021/4/1 生食500mlを点滴",
        "2020年5月1日生ワクチン接種",
        "2021年4月1日生菌製剤、2021年3月1日生じた、2010年4月1日生後3日、2021年4月1日生牡蠣、2020年1月1日に生検",
        "2020年4月1日に出生前診断",
        "every 01-02-2020",
        "250 500 1000 mg",
        "CD4 350 500 2000",
        "doi:10.1000/200-300-4000",
        "https://doi.org/10.1016/j.jacc.03-1234-5678",
        "0-306-40615-2",
        "PMID: 12345678, Article ID: 1234567, 論文ID:1234567",
        "(0120)12-3456",
    ],
)
def test_numbers_of_other_things_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_name_that_two_rules_find_is_one() -> None:
    assert [one.masked for one in found("患者氏名：田中太郎様")] == ["患者氏名:●●●●●"]


def test_the_line_within_a_text_is_told() -> None:
    assert [one.line_breaks for one in found("一行目\n二行目\n田中様")] == [2]


def test_every_line_of_a_long_text_is_told() -> None:
    text = "患者の田中さんは発熱で受診し、採血を行った。電話は03-1234-5678。\n" * 20_000
    for kind in ("name", "telephone"):
        assert [one.line_breaks for one in found(text) if one.kind == kind] == list(range(20_000))
