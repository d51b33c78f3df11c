from __future__ import annotations

from collections import Counter

import pytest

from app.core.errors import InputError
from trainer.data.documents import Document, Record
from trainer.data.languages import language_of
from trainer.data.mixture import Mixture, mix, text_amount

RECORDS = [
    *(Record(Document(text=f"English text number {number}."), "en.txt", number, "text", 0) for number in range(100)),
    *(Record(Document(text=f"日本語の文書、{number}番目です。"), "ja.txt", number, "text", 1) for number in range(30)),
    Record(Document(text="1234"), "ja.txt", 31, "text", 1),
]


def mixed(weights: tuple[float, ...] = (), *, balance: bool = False, seed: int = 1) -> Mixture:
    return mix(RECORDS, weights, balance=balance, amount=lambda _: 1, seed=seed)


def test_without_weights_an_epoch_reads_every_record_once_in_its_order() -> None:
    assert mixed().records == mixed((1, 1)).records == RECORDS


def test_a_weight_says_how_often_an_epoch_reads_a_file() -> None:
    times = Counter(record.place for record in mixed((0.25, 2)).records)
    assert sum(times[record.place] for record in RECORDS[:100]) == 25
    assert max(times[record.place] for record in RECORDS[:100]) == 1
    assert all(times[record.place] == 2 for record in RECORDS[100:])


def test_the_seed_alone_decides_what_is_drawn() -> None:
    assert mixed((0.5, 1.5)).records == mixed((0.5, 1.5)).records
    assert mixed((0.5, 1.5)).records != mixed((0.5, 1.5), seed=2).records


def test_balancing_repeats_the_rarer_language_and_drops_nothing() -> None:
    mixture = mixed(balance=True)
    languages = Counter(language_of(record.document) for record in mixture.records)
    assert languages == {"en": 100, "ja": 100, None: 1}
    assert mixture.repeated == {"ja": pytest.approx(100 / 30), "en": 1}
    assert set(map(id, RECORDS)) == set(map(id, mixture.records))


def test_a_corpus_is_balanced_by_the_amount_of_its_text() -> None:
    mixture = mix(RECORDS, (), balance=True, amount=text_amount, seed=1)
    amounts = Counter[str | None]()
    for record in mixture.records:
        amounts[language_of(record.document)] += text_amount(record)
    assert amounts["ja"] == pytest.approx(amounts["en"], rel=0.02)


@pytest.mark.parametrize(("words", "read"), [(8, 1), (10, 1), (13, 2), (16, 2), (20, 2), (21, 3)])
def test_whole_documents_come_as_near_to_balance_as_they_can_and_what_was_reached_is_told(
    words: int, read: int
) -> None:
    japanese = Record(Document(text="これは文書です。"), "ja.txt", 1, "text")  # 24 bytes
    english = Record(Document(text="an " * words), "en.txt", 1, "text")
    mixture = mix([japanese, english], (), balance=True, amount=text_amount, seed=1)
    assert mixture.records.count(japanese) == read
    assert mixture.repeated == {"ja": read, "en": 1}


@pytest.mark.parametrize("seed", range(5))
def test_the_amount_decides_and_not_the_number_of_documents(seed: int) -> None:
    records = [
        *(Record(Document(text="日本語です。" * size), "ja.txt", size, "text") for size in range(1, 60)),
        Record(Document(text="English text. " * 3500), "en.txt", 1, "text"),
    ]
    mixture = mix(records, (), balance=True, amount=text_amount, seed=seed)
    japanese, english = sum(map(text_amount, records[:-1])), text_amount(records[-1])
    read = sum(text_amount(record) for record in mixture.records) - english
    assert read == pytest.approx(english, rel=0.02)
    assert mixture.repeated["ja"] == pytest.approx(read / japanese)


def test_a_language_that_is_not_there_cannot_be_balanced() -> None:
    with pytest.raises(InputError, match="nothing in Japanese"):
        mix(RECORDS[:100], (), balance=True, amount=text_amount, seed=1)
