"""Fields are packed as everywhere else, add modulo 2^b, and blocks share nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.encryption import packing
from crossward.encryption.committee.fields import FieldError, pack, unpack, weighted_sum, word
from tests.crossward.encryption.committee.consortium import words


@st.composite
def fields(draw: st.DrawFn) -> tuple[int, list[int]]:
    bits = draw(st.integers(1, 32))
    return bits, draw(st.lists(st.integers(0, (1 << bits) - 1), max_size=70))


@settings(deadline=None, derandomize=True, max_examples=300)
@given(fields())
def test_bytes_are_those_of_packing_and_come_back(case: tuple[int, list[int]]) -> None:
    bits, values = case
    data = pack(words(values, bits), bits)
    assert data == packing.pack(np.array(values, dtype=np.int64), bits)
    back = unpack(data, bits, len(values))
    assert back.dtype == word(bits) and back.tolist() == values


@pytest.mark.parametrize("bits", [1, 7, 8, 13, 15, 16, 20, 22, 31, 32])
def test_long_vectors_as_short_ones(bits: int) -> None:
    values = np.random.default_rng(bits).integers(0, 1 << bits, 140_003, dtype=np.uint64).astype(word(bits))
    data = pack(values, bits)
    assert data == packing.pack(values.astype(np.int64), bits)
    assert np.array_equal(unpack(memoryview(data), bits, values.size), values)


def test_what_lies_above_the_bits_is_dropped() -> None:
    assert unpack(pack(words([0b1_000_101, 7], 3), 3), 3, 2).tolist() == [5, 7]


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.integers(1, 32), st.integers(1, 40), st.lists(st.integers(-1, 2**20), min_size=1, max_size=5), st.integers(0))
def test_weighted_sums_are_those_of_integers_modulo_2_to_the_bits(
    bits: int, count: int, weights: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = [[int(v) for v in rng.integers(0, 1 << bits, count)] for _ in weights]
    total = weighted_sum([pack(words(vector, bits), bits) for vector in vectors], weights, bits, count)
    expected = [
        sum(w * v for w, v in zip(weights, column, strict=True)) % (1 << bits) for column in zip(*vectors, strict=True)
    ]
    assert unpack(total, bits, count).tolist() == expected


def test_a_sum_longer_than_a_chunk() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 1 << 15, 140_001).astype(np.uint16) for _ in range(2))
    total = unpack(weighted_sum([pack(a, 15), pack(b, 15)], [100, 27], 15, a.size), 15, a.size)
    assert np.array_equal(total, (100 * a.astype(np.int64) + 27 * b) % (1 << 15))


def test_blocks_are_independent() -> None:
    values = np.arange(1000, dtype=np.uint16)
    for cut in (0, 1, 13, 999):
        first, rest = pack(values[:cut], 15), pack(values[cut:], 15)
        joined = np.concatenate([unpack(first, 15, cut), unpack(rest, 15, 1000 - cut)])
        assert np.array_equal(joined, values)


@pytest.mark.parametrize(
    ("data", "bits", "count", "reason"),
    [
        (bytes(3), 15, 2, r"3 bytes are not 2 fields of 15 bits \(expected 4 bytes\)"),
        (bytes(5), 15, 2, "5 bytes are not 2 fields"),
        (b"\0\0\0\x40", 15, 2, "behind 2 fields of 15 bits there are bits that are not zero"),
        (bytes(8), 33, 1, "fields of 33 bits: expected 1 to 32"),
        (bytes(8), 0, 1, "fields of 0 bits"),
    ],
)
def test_bytes_that_are_not_these_fields_are_refused(data: bytes, bits: int, count: int, reason: str) -> None:
    with pytest.raises(FieldError, match=reason):
        unpack(data, bits, count)
    with pytest.raises(FieldError, match=reason):
        weighted_sum([data], [1], bits, count)


def test_words_of_another_size_are_refused() -> None:
    with pytest.raises(FieldError, match="fields of 15 bits are uint16 words, got uint32"):
        pack(np.zeros(4, dtype=np.uint32), 15)
