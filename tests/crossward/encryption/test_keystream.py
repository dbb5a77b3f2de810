"""Keystreams are AES-256-CTR, any range of one is made by itself, and threads do not disturb each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from crossward.encryption.keystream import PIECE, add_keystream, keystream


@pytest.mark.parametrize("kind", ["<u1", "<u2", "<u4", "<u8"])
def test_a_range_of_a_keystream_is_that_part_of_it(kind: str) -> None:
    whole = keystream(bytes(32), np.dtype(kind), 0, 1000)
    for first, count in ((0, 0), (1, 1), (7, 3), (8, 992), (999, 1)):
        assert np.array_equal(keystream(bytes(32), np.dtype(kind), first, count), whole[first : first + count])


def test_keystreams_are_aes_256_ctr() -> None:
    """First block of AES-256 under the zero key on the zero block (NIST's known answer)."""
    assert keystream(bytes(32), np.dtype("<u1"), 0, 16).tobytes().hex() == "dc95c078a2408989ad48a21492842087"


@pytest.mark.parametrize(("kind", "first"), [("<u1", 0), ("<u2", 3), ("<u4", PIECE - 1), ("<u8", 1)])
def test_adding_in_pieces_is_adding_the_whole(kind: str, first: int) -> None:
    size = 2 * PIECE + 5
    words = np.arange(size).astype(kind)
    added = words.copy()
    add_keystream(added, bytes(32), first)
    assert np.array_equal(added, words + keystream(bytes(32), np.dtype(kind), first, size))


def test_threads_add_keystreams_at_once() -> None:
    def add(number: int) -> bool:
        words = np.zeros(20 * PIECE, dtype="<u2")
        add_keystream(words, bytes([number]) * 32, 0)
        return np.array_equal(words, keystream(bytes([number]) * 32, words.dtype, 0, words.size))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(add, range(40)))
