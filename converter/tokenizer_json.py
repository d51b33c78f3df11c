"""tokenizer.json of the `tokenizers` library; only what llama.cpp's byte-level BPE does the same way passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from app.core.errors import InputError

_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")

# Regular expression → llama.cpp's name for it, and whether a whole word in the vocabulary is taken before merging.
_PRE_TOKENIZERS = {_QWEN2: ("qwen2", False), _LLAMA3: ("llama-bpe", True)}
_GPT2 = ("gpt-2", False)  # ByteLevel's built-in expression


class AddedToken(msgspec.Struct, frozen=True):
    id: int
    content: str
    special: bool = False
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False


class _Model(msgspec.Struct, frozen=True):
    type: str = "BPE"
    vocab: dict[str, int] = {}
    merges: tuple[str | tuple[str, str], ...] = ()
    dropout: float | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    byte_fallback: bool = False
    ignore_merges: bool = False


class _File(msgspec.Struct, frozen=True):
    model: msgspec.Raw
    added_tokens: tuple[AddedToken, ...] = ()
    normalizer: dict[str, Any] | None = None
    pre_tokenizer: dict[str, Any] | None = None
    post_processor: dict[str, Any] | None = None


class _Kind(msgspec.Struct, frozen=True):
    type: str = "BPE"


@dataclass(frozen=True)
class TokenizerJson:
    """`pre` is llama.cpp's name of the pre-tokenizer, `prefix` the id of a token put before every text."""

    vocab: Mapping[str, int]
    merges: tuple[str, ...]
    added: tuple[AddedToken, ...]
    pre: str
    prefix: int | None
    composes: bool


def read_tokenizer_json(path: Path) -> TokenizerJson:
    """Raises InputError, with the reason, for a tokenizer that llama.cpp would not reproduce."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        if (kind := msgspec.json.decode(file.model, type=_Kind).type) != "BPE":
            raise _refusal(path, f"its model is {kind}; only byte-level BPE is supported")
        model = msgspec.json.decode(file.model, type=_Model)
    except FileNotFoundError:
        raise InputError(f"{path.parent} holds no {path.name}.") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    _check_added(path, file.added_tokens)
    return TokenizerJson(
        vocab=model.vocab,
        merges=_merges(path, model),
        added=file.added_tokens,
        pre=_pre_tokenizer(path, file.pre_tokenizer or {}, model.ignore_merges),
        prefix=_prefix(path, file),
        composes=_composes(path, file.normalizer),
    )


def _refusal(path: Path, why: str) -> InputError:
    return InputError(f"{path} cannot be converted: {why}.")


def _check_added(path: Path, tokens: tuple[AddedToken, ...]) -> None:
    for token in tokens:
        if token.single_word or token.lstrip or token.rstrip:
            raise _refusal(path, f"the added token {token.content!r} takes the space around it, which is not supported")


def _merges(path: Path, model: _Model) -> tuple[str, ...]:
    if model.dropout or model.byte_fallback or model.continuing_subword_prefix or model.end_of_word_suffix:
        raise _refusal(path, "its BPE has dropout, byte fallback, a subword prefix or a word suffix")
    missing = [character for character in byte_alphabet() if character not in model.vocab]
    if missing:
        raise _refusal(path, f"it is not byte-level: {len(missing)} of the 256 bytes are not in its vocabulary")
    merges = tuple(merge if isinstance(merge, str) else " ".join(merge) for merge in model.merges)
    for merge in merges:
        parts = merge.split(" ")
        if len(parts) != 2 or "".join(parts) not in model.vocab:
            raise _refusal(path, f"the merge {merge!r} does not give a token of its vocabulary")
    return merges


def byte_alphabet() -> tuple[str, ...]:
    """The printable stand-in of each byte in byte-level BPE (GPT-2's `bytes_to_unicode`), by byte value."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(256, 512))
    return tuple(chr(byte) if byte in printable else chr(next(spare)) for byte in range(256))


def _pre_tokenizer(path: Path, settings: Mapping[str, Any], ignore_merges: bool) -> str:
    parts = settings.get("pretokenizers", []) if settings.get("type") == "Sequence" else [settings]
    kinds = [part.get("type") for part in parts]
    if not kinds or kinds[-1] != "ByteLevel" or parts[-1].get("add_prefix_space"):
        raise _refusal(path, "it does not split text as byte-level BPE does")
    built_in = parts[-1].get("use_regex", True)
    if kinds == ["ByteLevel"] and built_in:
        pre, whole_words = _GPT2
    elif kinds == ["Split", "ByteLevel"] and not built_in:
        pre, whole_words = _known_split(path, parts[0])
    else:
        raise _refusal(path, f"its pre-tokenizer ({', '.join(map(str, kinds))}) is not known")
    if whole_words != ignore_merges:
        raise _refusal(path, f"ignore_merges is {str(ignore_merges).lower()}, other than llama.cpp's {pre} has it")
    return pre


def _known_split(path: Path, split: Mapping[str, Any]) -> tuple[str, bool]:
    pattern = split.get("pattern") or {}
    known = _PRE_TOKENIZERS.get(pattern.get("Regex", ""))
    if known is None or split.get("behavior") != "Isolated" or split.get("invert"):
        raise _refusal(path, f"llama.cpp has no pre-tokenizer for the way it splits text: {pattern}")
    return known


def _composes(path: Path, normalizer: Mapping[str, Any] | None) -> bool:
    kind = (normalizer or {}).get("type")
    if kind not in (None, "NFC"):
        raise _refusal(path, f"it changes text before splitting it ({kind}), which llama.cpp does not do")
    return kind == "NFC"


def _prefix(path: Path, file: _File) -> int | None:
    """The token that the post-processor puts before every text, if it does."""
    settings = file.post_processor or {}
    parts = settings.get("processors", []) if settings.get("type") == "Sequence" else [settings]
    for part in parts:
        if part.get("type") in (None, "ByteLevel"):
            continue
        if part.get("type") != "TemplateProcessing":
            raise _refusal(path, f"its post-processor {part.get('type')} is not known")
        pieces = [piece.get("SpecialToken", {}).get("id") for piece in part.get("single", [])]
        if not any(pieces):
            continue
        if len(pieces) != 2 or pieces[0] is None or pieces[1] is not None:
            raise _refusal(path, "its post-processor does more than put one token before the text")
        by_text = {token.content: token.id for token in file.added_tokens}
        if pieces[0] not in by_text:
            raise _refusal(path, f"its post-processor adds {pieces[0]!r}, which is no added token")
        return by_text[pieces[0]]
    return None
