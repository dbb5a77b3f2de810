"""Which updates of several ranks make a version, and what each may weigh in every component."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossward.encryption.committee.statements import holders
from strategies.aggregation.ranks import chosen_of, missing, within_share

FEWEST = 3


def group(*ranks: int) -> Any:
    return [SimpleNamespace(rank=rank, task=task) for task, rank in enumerate(ranks)]


@pytest.mark.parametrize(
    ("ranks", "tasks"),
    [
        ((0, 0, 0, 0), [0, 1, 2]),  # all the same: the first buffer full
        ((0, 0), []),
        ((2, 2, 2, 2), [0, 1, 2]),
        ((0, 0, 2), []),  # two are no sum of three
        ((0, 0, 2, 2), []),
        ((0, 0, 2, 2, 2), [2, 3, 4]),  # meanwhile the others
        ((2, 0, 0, 2, 0), [0, 1, 2, 3, 4]),
        ((2, 0, 2, 0, 2, 2, 2, 0), [0, 1, 2, 3, 4, 7]),  # up to two buffers full
        ((0, 4, 4, 2), []),
        ((0, 4, 4, 4), [1, 2, 3]),
        ((4, 0, 4, 0, 0), [0, 1, 2, 3, 4]),
    ],
)
def test_what_becomes_a_version(ranks: tuple[int, ...], tasks: list[int]) -> None:
    assert [update.task for update in chosen_of(group(*ranks), 3, 3, FEWEST)] == tasks


def test_a_buffer_larger_than_the_fewest_is_filled() -> None:
    assert chosen_of(group(0, 0, 0, 2), 5, 5, FEWEST) == []
    assert len(chosen_of(group(0, 0, 0, 2, 2), 5, 5, FEWEST)) == 5


RANKS = st.lists(st.sampled_from([0, 8, 4, 1]), min_size=1, max_size=12)


@given(RANKS, st.integers(1, 4), st.integers(0, 4))
def test_every_component_of_a_version_is_of_enough_hospitals(ranks: list[int], fewest: int, more: int) -> None:
    most = fewest + more
    chosen = chosen_of(group(*ranks), most, most, fewest)
    assert not chosen or most <= len(chosen) <= 2 * most
    assert all(len(level) >= fewest for level in holders([update.rank for update in chosen]).values())
    if len(chosen_of(group(*[0] * len(ranks)), most, most, fewest)) and ranks.count(0) >= fewest:
        assert chosen  # enough that train all, and enough in all


@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from([0, 8, 4])), min_size=3, max_size=9), st.floats(0.2, 1.0))
def test_nobody_has_more_than_the_largest_share_of_any_component(rows: list[tuple[int, int]], most: float) -> None:
    weights, ranks = [weight for weight, _ in rows], [rank for _, rank in rows]
    out = within_share(weights, [1] * len(rows), most, ranks)
    assert all(1 <= new <= old for new, old in zip(out, weights, strict=True))
    for level in holders(ranks).values():
        mine = [out[k] for k in level]
        assert max(mine) <= math.ceil(max(most, 1 / len(mine)) * sum(mine))


def test_weights_are_lowered_among_those_that_have_a_component() -> None:
    assert within_share([30, 30, 30, 10], [1] * 4, 0.45) == [30, 30, 30, 10]
    assert within_share([50, 10, 10, 30], [1] * 4, 0.5, [0, 0, 0, 2]) == [21, 10, 10, 30]  # ceil(0.5 * 41)
    assert within_share([50, 10, 10, 30], [1] * 4, 0.5, [0, 0, 0, 0]) == [50, 10, 10, 30]


def test_holders_train_as_many_components_or_more() -> None:
    assert holders([0, 2, 4, 0, 2]) == {2: [0, 1, 2, 3, 4], 4: [0, 2, 3], 0: [0, 3]}
    assert holders([0, 0]) == {0: [0, 1]} and holders([2, 2]) == {2: [0, 1]}


def test_what_is_waited_for_is_said() -> None:
    assert missing(group(0, 0, 2), FEWEST) == ", 2 of 3 that train the highest rank among them"
    assert missing(group(0, 0, 0, 2), FEWEST) == missing(group(0, 0), FEWEST) == missing([], FEWEST) == ""
