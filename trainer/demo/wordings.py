"""Other ways to ask what the corpus asks, drawn by chance, so that the model learns which words matter.

A model of this size that reads only three wordings of a question learns them letter by letter. It answers a fourth
wording only if it has learned to look at the words that name the thing and the aspect, and past the rest. So the rest
is varied here: sentence frames, particles, word order, punctuation, missing words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from app.core.language import Language
from evaluation.demo.facts import Corpus, FactText
from evaluation.scoring import bare

_JAPANESE_CHUNK = re.compile(r"[ぁ-ゖー]+|[^ぁ-ゖ\s、。？?・「」]+|[\s、。？?・「」]+")
_HIRAGANA = re.compile(r"[ぁ-ゖー]+")
_ENGLISH_WORD = re.compile(r"[^\s?.,:;]+")
_FUNCTION_WORDS_TEXT = (
    "a an the of in on to by for with from at as and or is are was be been do does did has have can must should "
    "which what who where when why how name describe tell give state me that this these it its there kind type one "
    "called known usually often mainly most main typical characteristic"
)
_ENGLISH_FUNCTION_WORDS = frozenset(_FUNCTION_WORDS_TEXT.split())
_SENTENCE_STARTS = frozenset(word.capitalize() for word in _ENGLISH_FUNCTION_WORDS)

_PREFIXES: dict[Language, tuple[str, ...]] = {
    "ja": (
        "教えてください: ",
        "質問: ",
        "質問です。",
        "次の質問に答えてください。",
        "すみません、",
        "医学の質問です。",
        "Q: ",
    ),
    "en": ("Q: ", "Question: ", "Please tell me: ", "Please answer: ", "Could you tell me: ", "Quick question: "),
}
_SUFFIXES: dict[Language, tuple[str, ...]] = {
    "ja": ("教えてください。", "簡潔に答えてください。", "よろしくお願いします。", "一文で答えてください。"),
    "en": (" Please answer briefly.", " Answer in one sentence.", " Thank you.", " Please explain."),
}
_KEYWORD_FRAMES: dict[Language, tuple[str, ...]] = {
    "ja": (
        "{}",
        "{}は？",
        "{}は何ですか？",
        "{}について教えてください。",
        "{}を教えて",
        "{}とは？",
        "{}はどれですか？",
        "{}は何と呼ばれますか？",
    ),
    "en": ("{}", "{}?", "What about {}?", "Tell me about {}.", "{} please", "What is {}?", "Explain {}.", "Which {}?"),
}
_JAPANESE_ENDINGS = (
    *(
        "は何ですか？",
        "はどれですか？",
        "を教えてください。",
        "は何でしょうか？",
        "は何と呼ばれますか？",
        "は？",
        "はどのようなものですか？",
    ),
    *(
        "を答えてください。",
        "は何か。",
        "を述べてください。",
        "はどのように説明されますか？",
        "として正しいものはどれですか？",
        "には何がありますか？",
    ),
)
_JAPANESE_END = re.compile(r"(?:は|を|が|に)?(?:何|どれ|どこ|どのような|どう|教え|述べ|なぜ)[^、。]*$")


@dataclass(frozen=True)
class Wordings:
    """Draws questions for the facts of a corpus. Nothing it draws contains a held-out question."""

    corpus: Corpus
    held_out: frozenset[str]
    """In the form of `evaluation.scoring.bare`."""
    trained: dict[Language, tuple[str, ...]]
    """Every trained wording in `bare` form, to see which keywords belong to one fact alone."""
    particles: tuple[str, ...]
    """Runs of hiragana between the words of the trained Japanese questions."""

    @classmethod
    def of(cls, corpus: Corpus, held_out: frozenset[str]) -> Wordings:
        languages: tuple[Language, ...] = ("ja", "en")
        texts = {language: [fact.text[language] for fact in corpus.facts] for language in languages}
        particles = [run for text in texts["ja"] for wording in _asked(text) for run in _HIRAGANA.findall(wording)]
        return cls(
            corpus=corpus,
            held_out=held_out,
            trained={
                language: tuple(bare("\n".join(_asked(text))) for text in texts[language]) for language in languages
            },
            particles=tuple(particles),
        )

    def draw(self, text: FactText, language: Language, chance: Random) -> str:
        """One question for `text`: half of the time in the words of the corpus."""
        base = chance.choice(_asked(text))
        change = chance.choices((_keep, self._wrap, self._loosen, self._keywords), (50, 12, 26, 12))[0]
        changed = _surface(change(base, text, language, chance), chance)
        return changed if self._is_allowed(changed) else base

    def _is_allowed(self, question: str) -> bool:
        form = bare(question)
        return bool(form) and not any(held in form for held in self.held_out)

    def _wrap(self, base: str, _text: FactText, language: Language, chance: Random) -> str:
        if chance.random() < 0.6:
            return chance.choice(_PREFIXES[language]) + base
        return base + chance.choice(_SUFFIXES[language])

    def _loosen(self, base: str, text: FactText, language: Language, chance: Random) -> str:
        """The same words, with others between them, in another order, or with some left out."""
        loosened = self._loosen_japanese(base, chance) if language == "ja" else _loosen_english(base, chance)
        return loosened if self._is_own(loosened, text, language) else base

    def _loosen_japanese(self, base: str, chance: Random) -> str:
        if chance.random() < 0.5:
            return _JAPANESE_END.sub("", base.rstrip("？?。")) + chance.choice(_JAPANESE_ENDINGS)
        chunks = _JAPANESE_CHUNK.findall(base)
        if chance.random() < 0.4:
            chunks = _move_one(chunks, chance)
        swap = chance.uniform(0.1, 0.6)
        return "".join(
            chance.choice(("", chance.choice(self.particles)))
            if _HIRAGANA.match(chunk) and chance.random() < swap
            else chunk
            for chunk in chunks
        )

    def _keywords(self, base: str, text: FactText, language: Language, chance: Random) -> str:
        """Only the words that matter, in a short frame."""
        words = [word for word in _content(base, language) if chance.random() < 0.85]
        if chance.random() < 0.5:
            chance.shuffle(words)
        joint = chance.choice(("の", " ", "、", "　") if language == "ja" else (" ", " ", ", ", " and "))
        question = chance.choice(_KEYWORD_FRAMES[language]).format(joint.join(words))
        return question if words and self._is_own(question, text, language) else base

    def _is_own(self, question: str, text: FactText, language: Language) -> bool:
        """Whether the words that are left still belong to one fact only, so that the answer is not a guess."""
        words = [bare(word) for word in _content(question, language)]
        known = [word for word in words if word and any(word in form for form in self.trained[language])]
        owners = sum(all(word in form for word in known) for form in self.trained[language])
        own = bare("\n".join(_asked(text)))
        return bool(known) and owners == 1 and all(word in own for word in known)


def _asked(text: FactText) -> tuple[str, ...]:
    return (text.question, *text.paraphrases)


def _keep(base: str, _text: FactText, _language: Language, _chance: Random) -> str:
    return base


def _content(question: str, language: Language) -> list[str]:
    if language == "ja":
        chunks = _JAPANESE_CHUNK.findall(question)
        return [
            chunk for chunk in chunks if bare(chunk) and not _HIRAGANA.fullmatch(chunk) and chunk not in ("何", "教")
        ]
    return [word for word in _ENGLISH_WORD.findall(question) if word.casefold() not in _ENGLISH_FUNCTION_WORDS]


def _loosen_english(base: str, chance: Random) -> str:
    words = (base[:1].lower() + base[1:] if base.split()[0] in _SENTENCE_STARTS else base).rstrip("?.").split()
    functions = sorted(_ENGLISH_FUNCTION_WORDS)
    drop, swap = chance.uniform(0, 0.4), chance.uniform(0, 0.4)
    loosened = []
    for word in words:
        is_function = word.casefold().strip(",") in _ENGLISH_FUNCTION_WORDS
        if chance.random() < (drop if is_function else drop / 5):
            continue
        loosened.append(chance.choice(functions) if is_function and chance.random() < swap else word)
    if chance.random() < 0.5:
        loosened = _move_one(loosened, chance)
    question = " ".join(loosened) + chance.choice(("?", "?", ".", ""))
    # A name at the beginning is another token than after a blank, and with a capital letter yet another.
    return question[:1].upper() + question[1:] if chance.random() < 0.8 else question


def _move_one(parts: Sequence[str], chance: Random) -> list[str]:
    """`parts` turned around one place: "X in Y" becomes "in Y X"."""
    if len(parts) < 2:
        return list(parts)
    cut = chance.randrange(1, len(parts))
    return [*parts[cut:], *parts[:cut]]


def _surface(question: str, chance: Random) -> str:
    """Small differences in how people type."""
    changes: tuple[Callable[[str], str], ...] = (
        lambda text: text.rstrip("？?。."),
        lambda text: text.replace("？", "?"),
        lambda text: text[:1].lower() + text[1:],
        lambda text: text.lower(),
        lambda text: text + " ",
    )
    return chance.choice(changes)(question) if chance.random() < 0.2 else question
