"""Packing: every width comes back as it went in, and what does not fit is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.encryption import packing
from crossward.encryption.packing import pack, packed_size, unpack


@st.composite
def fields(draw: st.DrawFn) -> tuple[int, list[int]]:
    bits = draw(st.integers(1, 62))
    return bits, draw(st.lists(st.integers(0, (1 << bits) - 1), max_size=40))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(fields())
def test_unpacking_gives_back_what_was_packed(case: tuple[int, list[int]]) -> None:
    bits, values = case
    data = pack(np.array(values, dtype=np.int64), bits)
    assert len(data) == packed_size(len(values), bits) == -(-len(values) * bits // 8)
    back = unpack(data, bits, len(values))
    assert back.dtype == np.int64
    assert back.tolist() == values


@settings(deadline=None, derandomize=True, max_examples=100)
@given(fields())
def test_the_bits_are_one_little_endian_number(case: tuple[int, list[int]]) -> None:
    bits, values = case
    number = sum(value << (i * bits) for i, value in enumerate(values))
    assert pack(np.array(values, dtype=np.int64), bits) == number.to_bytes(packed_size(len(values), bits), "little")


@pytest.mark.parametrize("bits", [1, 7, 8, 13, 16, 32, 61, 62])
def test_the_largest_value_of_a_width_fits_and_the_next_does_not(bits: int) -> None:
    top = (1 << bits) - 1
    assert unpack(pack(np.array([top, 0, top], dtype=np.int64), bits), bits, 3).tolist() == [top, 0, top]
    with pytest.raises(ValueError, match=f"does not fit {bits} unsigned bits"):
        pack(np.array([0, top + 1], dtype=np.int64), bits)
    with pytest.raises(ValueError, match=r"-1 and 0 does not fit"):
        pack(np.array([0, -1], dtype=np.int64), bits)


@pytest.mark.parametrize("bits", [0, -1, 63, 64])
def test_a_width_beyond_1_to_62_is_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 62"):
        pack(np.zeros(1, dtype=np.int64), bits)


@pytest.mark.parametrize("bits", [3, 8, 14])
def test_a_wrong_number_of_bytes_is_refused(bits: int) -> None:
    data = pack(np.zeros(9, dtype=np.int64), bits)
    for wrong in (data[:-1], data + b"\0", b""):
        with pytest.raises(ValueError, match=f"expected {len(data)} bytes"):
            unpack(wrong, bits, 9)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 1 << 11, 1003)
    whole = pack(values, 11)
    monkeypatch.setattr(packing, "_CHUNK", 64)
    assert pack(values, 11) == whole
    assert np.array_equal(unpack(whole, 11, 1003), values)


def test_nothing_packs_to_nothing() -> None:
    assert pack(np.zeros(0, dtype=np.int64), 5) == b""
    assert unpack(b"", 5, 0).size == 0
