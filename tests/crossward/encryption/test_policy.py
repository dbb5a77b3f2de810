"""Pieces: every value in exactly one part, sealed ones packed back to back, clear ones block by block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.encryption.policy import pieces, sealed_layout

BLOCKS = st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=12)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(BLOCKS, st.integers(1, 50))
def test_every_value_is_in_one_part_of_its_kind(blocks: list[tuple[int, bool]], chunk: int) -> None:
    sizes, sealed = [size for size, _ in blocks], [hidden for _, hidden in blocks]
    made = pieces(sizes, sealed, chunk)
    vector = np.arange(sum(sizes), dtype=np.int32)
    marks = np.repeat(np.array(sealed, dtype=bool), sizes) if sizes else np.zeros(0, dtype=bool)
    hidden = [p.gather(vector) for p in made if p.sealed]
    plain = [p.gather(vector) for p in made if not p.sealed]
    assert np.concatenate([*hidden, np.zeros(0, np.int32)]).tolist() == vector[marks].tolist()
    assert np.concatenate([*plain, np.zeros(0, np.int32)]).tolist() == vector[~marks].tolist()
    assert [p.length for p in made] == [len(v) for v in (*hidden, *plain)]
    assert all(len(v) == chunk for v in hidden[:-1]) and all(0 < len(v) <= chunk for v in hidden)
    assert [len(v) for v in plain] == [size for size, mark in blocks if size and not mark]
    assert [p.sealed for p in made] == sorted((p.sealed for p in made), reverse=True)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(BLOCKS, st.integers(1, 50))
def test_what_was_gathered_is_spread_to_where_it_came_from(blocks: list[tuple[int, bool]], chunk: int) -> None:
    sizes, sealed = [size for size, _ in blocks], [hidden for _, hidden in blocks]
    vector = np.random.default_rng(0).integers(-9, 9, sum(sizes))
    back = np.full(sum(sizes), 99)
    for piece in pieces(sizes, sealed, chunk):
        before = vector.copy()
        for place, values in piece.spread(piece.gather(vector)):
            assert (back[place] == 99).all()
            back[place] = values
        assert np.array_equal(vector, before)
    assert np.array_equal(back, vector)


@pytest.mark.parametrize("sealed", [(), (True,), (True, False, True)])
def test_marks_that_do_not_fit_the_layout_are_refused(sealed: tuple[bool, ...]) -> None:
    with pytest.raises(ValueError, match=f"{len(sealed)} blocks are marked sealed or clear, the layout has 2"):
        pieces((3, 4), sealed, 8)


def test_neighbours_in_a_part_are_one_range() -> None:
    (piece,) = pieces((3, 0, 4), (True, True, True), 8)
    assert piece.ranges == ((0, 7),)
    first, second, clear = pieces((5, 2, 5), (True, False, True), 8)
    assert (first.ranges, second.ranges, clear.ranges) == (((0, 5), (7, 10)), ((10, 12),), ((5, 7),))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.booleans(), max_size=8), st.lists(st.booleans(), max_size=8))
def test_a_layout_tells_policies_apart(one: list[bool], two: list[bool]) -> None:
    assert (sealed_layout("x", "bfv", one) == sealed_layout("x", "bfv", two)) == (one == two)
    assert (sealed_layout("x", "bfv", one) == sealed_layout("x", "ckks", one)) == (not any(one))
    assert sealed_layout("x", "bfv", one) != sealed_layout("y", "bfv", one)
    assert len(sealed_layout("x", "bfv", one)) == 64
