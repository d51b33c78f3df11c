"""Whole characters, and nothing from a stop string onwards, however the bytes are cut."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from app.core.engine.generation import TextStream


def shown(stream: TextStream, data: bytes, cuts: list[int]) -> list[str]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [stream.push(data[start:end]) for start, end in itertools.pairwise(edges)]
    return [*pieces, stream.finish()]


@given(st.text(), st.lists(st.integers(min_value=0)))
def test_text_arrives_whole_however_its_bytes_are_cut(text: str, cuts: list[int]) -> None:
    assert "".join(shown(TextStream(), text.encode(), cuts)) == text


@given(
    st.text(alphabet="ab薬💊", max_size=30), st.text(alphabet="ab薬", min_size=1, max_size=3), st.lists(st.integers(0))
)
def test_nothing_from_a_stop_string_onwards_is_shown(text: str, stop: str, cuts: list[int]) -> None:
    stream = TextStream([stop])
    pieces = shown(stream, text.encode(), cuts)
    assert "".join(pieces) == text.partition(stop)[0]
    assert stream.stopped == (stop in text)


def test_a_broken_character_at_the_end_is_marked_and_not_lost() -> None:
    stream = TextStream()
    assert stream.push("薬".encode()[:2]) == ""
    assert stream.finish() == "\N{REPLACEMENT CHARACTER}"
