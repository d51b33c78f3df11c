from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.core.engine.branches import Tree, packed

PATHS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple), min_size=1, max_size=8)


@given(PATHS)
def test_every_path_can_be_read_back_from_the_nodes(paths: list[tuple[int, ...]]) -> None:
    found: dict[int, dict[int, int]] = {number: {} for number in range(len(paths))}
    for node in Tree(paths, 0).nodes():
        for path in node.paths:
            found[path][node.position] = node.token
    assert [tuple(tokens[i] for i in sorted(tokens)) for tokens in found.values()] == paths


@given(PATHS)
def test_a_shared_beginning_is_one_node(paths: list[tuple[int, ...]]) -> None:
    beginnings = {path[: length + 1] for path in paths for length in range(len(path))}
    assert len(list(Tree(paths, 0).nodes())) == len(beginnings)


@given(PATHS)
def test_cut_anywhere_sequences_that_share_a_token_are_evaluated_equally_far(paths: list[tuple[int, ...]]) -> None:
    # llama.cpp refuses a batch otherwise, and a batch may be cut before any node.
    done = dict.fromkeys(range(len(paths)), 0)
    for node in Tree(paths, 0).nodes():
        assert {done[path] for path in node.paths} == {node.position}
        for path in node.paths:
            done[path] += 1


def test_the_prefix_is_in_no_node() -> None:
    nodes = list(Tree([(7, 8, 1), (7, 8, 2, 3)], 2).nodes())
    assert [(node.token, node.position, node.paths) for node in nodes] == [(1, 2, [0]), (2, 2, [1]), (3, 3, [1])]


@given(PATHS, st.integers(1, 12), st.integers(1, 4), st.integers(0, 4))
def test_groups_hold_all_paths_in_order_within_their_limits(
    paths: list[tuple[int, ...]], most_tokens: int, most_paths: int, more: int
) -> None:
    room = most_tokens + more
    groups = list(packed(paths, 0, most_tokens, most_paths, room))
    assert [number for group in groups for number in group] == list(range(len(paths)))
    for group in groups:
        own = [paths[number] for number in group]
        assert len(own) <= most_paths
        assert len(list(Tree(own, 0).nodes())) <= room or len(own) == 1


def test_a_shared_beginning_counts_once_for_a_groups_size() -> None:
    paths = [(1, 2, 3, 4, 5), (1, 2, 3, 4, 6), (9, 9, 9)]
    assert list(packed(paths, 0, most_tokens=6, most_paths=10, room=6)) == [range(2), range(2, 3)]


def test_a_long_beginning_is_evaluated_once_though_it_fills_a_group_alone() -> None:
    paths = [(*range(9), 50), (*range(9), 60, 61), (*range(9), 70), (80, 81)]
    assert list(packed(paths, 0, most_tokens=6, most_paths=10, room=20)) == [range(3), range(3, 4)]
    assert list(packed(paths, 0, most_tokens=6, most_paths=10, room=12)) == [range(2), range(2, 3), range(3, 4)]
