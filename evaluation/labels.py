"""The letters that stand before the options of a question, and a grammar that lets a model write nothing else."""

from __future__ import annotations

from collections.abc import Sequence

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def letters(count: int) -> tuple[str, ...]:
    """`a`, `b`, … for so many options. Raises ValueError unless 1 <= count <= 26."""
    if not 1 <= count <= len(_LETTERS):
        raise ValueError(f"{count} options cannot be lettered")
    return tuple(_LETTERS[:count])


def written(positions: Sequence[int], options: int) -> str:
    """Positions as a valid answer is written: `a` or `a,c`, ascending."""
    names = letters(options)
    return ",".join(names[position] for position in sorted(positions))


def grammar(labels: Sequence[str], count: int | None = None, *, after_blank: bool = False) -> str:
    """GBNF that allows exactly the valid answers: labels in their order, none twice, joined by commas, no blanks.

    With `count`, exactly so many of them; without, at least one. With `after_blank` one blank may stand before them, as
    a model writes it after "Answer:". The text is linear in the number of labels times `count`. Format: llama.cpp,
    grammars/README.md. Raises ValueError if no answer would be valid.
    """
    _check(labels, count)
    text = _any_number(labels) if count is None else _exactly(labels, count)
    return text.replace("root ::= ", 'root ::= " "? ', 1) if after_blank else text


def _check(labels: Sequence[str], count: int | None) -> None:
    if not labels or len(set(labels)) != len(labels):
        raise ValueError("labels must be there and differ")
    if any(not label.isascii() or not label.isalnum() for label in labels):
        raise ValueError("a label is made of letters and digits only")
    if count is not None and not 1 <= count <= len(labels):
        raise ValueError(f"{count} of {len(labels)} labels")


def _any_number(labels: Sequence[str]) -> str:
    # Rule from-i: a list that begins with label i or a later one.
    last = len(labels) - 1
    rules = ["root ::= from-0"]
    rules += [f'from-{i} ::= "{labels[i]}" ("," from-{i + 1})? | from-{i + 1}' for i in range(last)]
    rules.append(f'from-{last} ::= "{labels[last]}"')
    return "\n".join(rules) + "\n"


def _exactly(labels: Sequence[str], count: int) -> str:
    # Rule from-i-of-k: k labels, of which the first is label i or a later one.
    rules = [f"root ::= from-0-of-{count}"]
    for wanted in range(count, 0, -1):
        taken = count - wanted
        for i in range(taken, len(labels) - wanted + 1):
            here = f'"{labels[i]}"' + (f' "," from-{i + 1}-of-{wanted - 1}' if wanted > 1 else "")
            later = f" | from-{i + 1}-of-{wanted}" if i + 1 <= len(labels) - wanted else ""
            rules.append(f"from-{i}-of-{wanted} ::= {here}{later}")
    return "\n".join(rules) + "\n"
