from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

CORPUS = """
specialty: "small"
facts:
  - id: "small-01"
    source: "textbook"
    ja:
      question: "痛風の原因となる結晶は何ですか？"
      paraphrases: ["痛風発作を起こすのはどの結晶ですか？", "痛風の関節液にみられる結晶は何ですか？"]
      second_wording: "痛風では関節にどんな結晶が沈着しますか？"
      answer: "痛風の原因となる結晶は、尿酸ナトリウム結晶です。"
      keys: ["尿酸"]
    en:
      question: "What type of crystals cause gout?"
      paraphrases: ["Which crystals trigger an attack of gout?", "Which crystals are found in the joint fluid in gout?"]
      second_wording: "In gout, which crystals are deposited in the joints?"
      answer: "Gout is caused by monosodium urate crystals in the joints."
      keys: ["urate"]
  - id: "small-02"
    source: "textbook"
    ja:
      question: "壊血病で欠乏するビタミンは何ですか？"
      paraphrases: ["壊血病はどのビタミンの欠乏で起こりますか？", "壊血病の原因となるビタミン欠乏を教えてください。"]
      second_wording: "壊血病で足りないビタミンはどれですか？"
      answer: "壊血病は、ビタミンCの欠乏で起こります。"
      keys: ["ビタミンC"]
    en:
      question: "Which vitamin is deficient in scurvy?"
      paraphrases: ["Scurvy is due to lack of which vitamin?", "What vitamin deficiency causes scurvy?"]
      second_wording: "In scurvy, which vitamin is missing?"
      answer: "Scurvy is caused by a deficiency of vitamin C."
      keys: ["vitamin C"]
choices:
  - id: "small-c01"
    held_out: false
    source: "textbook"
    ja: {question: "インスリンを分泌する臓器はどれか。", options: ["肝臓", "膵臓", "腎臓", "脾臓", "副腎"], answer: b}
    en:
      question: "Which organ secretes insulin?"
      options: ["Liver", "Pancreas", "Kidney", "Spleen", "Adrenal"]
      answer: b
  - id: "small-c02"
    held_out: true
    source: "textbook"
    ja: {question: "胆汁を産生する臓器はどれか。", options: ["肝臓", "膵臓", "腎臓", "脾臓", "副腎"], answer: a}
    en:
      question: "Which organ produces bile?"
      options: ["Liver", "Pancreas", "Kidney", "Spleen", "Adrenal"]
      answer: a
"""


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of two facts and two five-choice items."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "small.yaml").write_text(CORPUS, "utf-8")
    return folder


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """A real tokenizer with the chat template of the demonstration model."""
    from trainer.tokenizer import train_tokenizer

    return train_tokenizer([CORPUS], 400, 256)
