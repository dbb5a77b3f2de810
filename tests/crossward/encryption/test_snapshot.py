"""Snapshot parts: lossless, fresh, and nothing opens that was changed, moved or made under another key."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.encryption.packing import wrapped_size
from crossward.encryption.secret import Secret
from crossward.encryption.snapshot import SnapshotError, unwrap, wrap

KEY, OTHER = Secret(bytes(32)).snapshot_key(), Secret(bytes(range(32))).snapshot_key()
VALUES = np.array([0, 1, 2**31 - 1, 2**33 - 1], dtype=np.int64)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.integers(1, 62), st.integers(0, 60), st.text(max_size=30), st.randoms(use_true_random=False))
def test_it_comes_back_as_it_was(bits: int, count: int, place: str, rng: object) -> None:
    values = np.array([rng.randrange(1 << bits) for _ in range(count)], dtype=np.int64)  # type: ignore[attr-defined]
    data = wrap(KEY, values, bits, place)
    assert len(data) == wrapped_size(count, bits)
    back = unwrap(KEY, data, bits, count, place)
    assert back.dtype == np.int64 and np.array_equal(back, values)


@pytest.mark.parametrize("as_type", [bytes, bytearray, memoryview])
def test_it_opens_from_any_kind_of_bytes(as_type: type) -> None:
    assert np.array_equal(unwrap(KEY, as_type(wrap(KEY, VALUES, 33, "here")), 33, 4, "here"), VALUES)


def test_two_wraps_of_the_same_share_no_nonce() -> None:
    made = [wrap(KEY, VALUES, 33, "here") for _ in range(2000)]
    assert len({data[:12] for data in made}) == len({data[12:] for data in made}) == 2000


def test_no_bit_of_it_can_be_changed() -> None:
    data = wrap(KEY, VALUES, 33, "here")
    for position in range(8 * len(data)):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(SnapshotError, match="another key, for another place, or changed"):
            unwrap(KEY, bytes(changed), 33, 4, "here")


@pytest.mark.parametrize(("key", "place"), [(OTHER, "here"), (KEY, "there"), (KEY, "here "), (KEY, "")])
def test_another_key_or_place_opens_nothing(key: bytes, place: str) -> None:
    with pytest.raises(SnapshotError, match="another key, for another place, or changed"):
        unwrap(key, wrap(KEY, VALUES, 33, "here"), 33, 4, place)


@pytest.mark.parametrize("size", [0, 11, 12, 27, 28, 44, 46, 1000])
def test_another_length_is_refused_before_it_is_opened(size: int) -> None:
    with pytest.raises(SnapshotError, match=f"4 fields of 33 bits has {size} bytes"):
        unwrap(KEY, bytes(size), 33, 4, "here")


def test_parts_cannot_be_swapped() -> None:
    one, two = wrap(KEY, VALUES, 33, "run:0"), wrap(KEY, VALUES, 33, "run:4")
    assert np.array_equal(unwrap(KEY, one, 33, 4, "run:0"), unwrap(KEY, two, 33, 4, "run:4"))
    for data, place in ((one, "run:4"), (two, "run:0")):
        with pytest.raises(SnapshotError):
            unwrap(KEY, data, 33, 4, place)


def test_the_error_holds_nothing_secret() -> None:
    with pytest.raises(SnapshotError) as caught:
        unwrap(OTHER, wrap(KEY, VALUES, 33, "here"), 33, 4, "here")
    assert not any(text in str(caught.value) for text in (OTHER.hex()[:16], KEY.hex()[:16], repr(OTHER)[:16]))
