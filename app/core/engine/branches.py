"""Token sequences as a tree, so that what they begin with alike is evaluated once. Pure: no model, no llama.cpp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass
class Node:
    """One token of one or more paths."""

    token: int
    position: int
    """In its paths, from 0, the prefix included."""
    paths: list[int] = field(default_factory=list)
    children: dict[int, Node] = field(default_factory=dict)


class Tree:
    """Paths (token sequences) that begin with the same `skip` tokens, from there on.

    A path may be there twice: both belong to the same nodes, up to the last.
    """

    def __init__(self, paths: Sequence[Sequence[int]], skip: int) -> None:
        self._root: dict[int, Node] = {}
        for number, path in enumerate(paths):
            children = self._root
            for position in range(skip, len(path)):
                token = path[position]
                node = children.get(token)
                if node is None:
                    node = children[token] = Node(token, position)
                node.paths.append(number)
                children = node.children

    def nodes(self) -> Iterator[Node]:
        """Each node once, parents first, and a node's whole subtree before its next sibling.

        In this order llama.cpp takes them in batches cut anywhere: sequences that share a token have always been
        evaluated equally far (llama-batch.cpp: "coupled, but have diverged").
        """
        stack = [iter(self._root.values())]
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
            else:
                yield node
                stack.append(iter(node.children.values()))


def packed(paths: Sequence[Sequence[int]], skip: int, most_tokens: int, most_paths: int, room: int) -> Iterator[range]:
    """Neighbouring paths in groups, each of at most so many tokens after `skip` (a shared one counts once) and paths.

    A group has more tokens, up to `room`, where a path would else evaluate again more than it adds, and beyond that
    only if one path is too long by itself. The groups depend on the arguments alone.
    """
    start, tokens = 0, 0
    for number, path in enumerate(paths):
        shared = _common(path, paths[number - 1]) if number > start else skip
        # Sharing with the path before only: a bound from above, since it may share more with an earlier one.
        more = len(path) - max(skip, shared)
        most = room if shared - skip > more else most_tokens
        if number > start and (tokens + more > most or number - start == most_paths):
            yield range(start, number)
            start, tokens, more = number, 0, len(path) - skip
        tokens += more
    if start < len(paths):
        yield range(start, len(paths))


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    length = min(len(one), len(other))
    for position in range(length):
        if one[position] != other[position]:
            return position
    return length
