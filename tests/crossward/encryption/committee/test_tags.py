"""Tags are inner products modulo 2^61 - 1: exact at the extremes, linear, cut as one likes, dependent on the key."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.encryption.committee.fields import word
from crossward.encryption.committee.statements import TAG_PRIME
from crossward.encryption.committee.tags import dot, rho, tag, tag_key

KEY = tag_key(bytes(32), "lineage")


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.integers(1, 32), st.data())
def test_inner_products_are_those_of_integers(bits: int, data: st.DataObject) -> None:
    pairs = data.draw(st.lists(st.tuples(st.integers(0, 2**61 - 1), st.integers(0, (1 << bits) - 1)), max_size=30))
    weights = np.array([w for w, _ in pairs], dtype=np.uint64)
    fields = np.array([f for _, f in pairs], dtype=np.uint64).astype(word(bits))
    assert dot(weights, fields) == sum(w * f for w, f in pairs) % TAG_PRIME


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_nothing_overflows_with_everything_at_its_largest(bits: int) -> None:
    fields = np.full(140_000, (1 << bits) - 1, dtype=np.uint64).astype(word(bits))
    weights = np.full(fields.size, (1 << 61) - 2, dtype=np.uint64)
    assert dot(weights, fields) == fields.size * ((1 << bits) - 1) * ((1 << 61) - 2) % TAG_PRIME


def test_tags_add_with_integer_weights() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, 100_000).astype(np.uint16) for _ in range(2))
    total = 90 * a.astype(np.uint32) + 37 * b
    assert tag(KEY, [(0, total)]) == (90 * tag(KEY, [(0, a)]) + 37 * tag(KEY, [(0, b)])) % TAG_PRIME


def test_however_a_vector_is_cut_its_tag_is_the_same_and_places_count() -> None:
    fields = np.arange(1, 90_001, dtype=np.uint32)
    whole = tag(KEY, [(0, fields)])
    for cut in (1, 8, 65_535, 65_536, 70_000):
        assert tag(KEY, [(cut, fields[cut:]), (0, fields[:cut])]) == whole
    assert tag(KEY, [(1, fields)]) != whole
    assert tag(KEY, [(0, fields[::-1].copy())]) != whole


def test_rho_follows_from_secret_and_lineage() -> None:
    assert int(rho(KEY, 0, 10_000).max()) < 1 << 61
    bits = np.unpackbits(rho(KEY, 0, 10_000).view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")[:, :61]
    assert abs(bits.mean() - 0.5) < 0.005
    for other in (tag_key(bytes(31) + b"\1", "lineage"), tag_key(bytes(32), "another")):
        assert not np.any(rho(other, 0, 64) == rho(KEY, 0, 64))
