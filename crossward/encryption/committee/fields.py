"""Fields of b bits modulo 2^b, back to back: packing, unpacking and weighted sums, fast enough to be no bottleneck.

Unpacked, fields are machine words (uint8, uint16 or uint32, the narrowest that holds b bits), whose own wrap-around is
arithmetic modulo 2^b: whatever lies above b bits is dropped on packing. The packed bytes are those of
:mod:`crossward.encryption.packing`. A block is a range of a vector, packed for itself; blocks share nothing, so they
seal, add and open in any order and in parallel.

Known to both faces: nothing here is secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossward.encryption.packing import Buffer, packed_size

Words = NDArray[np.unsignedinteger[Any]]
MOST_BITS = 32
_CHUNK = 1 << 17  # fields at a time, a multiple of 8: few calls, and what is worked on stays in a cache
_ONES = (1 << 64) - 1
_BEHIND = 9  # bytes that reading a group's last lane may take from behind the group


class FieldError(ValueError):
    """A block's bytes are not what its fields take."""


def word(bits: int) -> np.dtype[Any]:
    """The machine word of a field.

    Raises
    ------
    FieldError
        ``bits`` is not 1 to 32.
    """
    if not 1 <= bits <= MOST_BITS:
        raise FieldError(f"fields of {bits} bits: expected 1 to {MOST_BITS}")
    return np.dtype("<u1" if bits <= 8 else "<u2" if bits <= 16 else "<u4")


def pack(fields: Words, bits: int) -> bytes:
    """Fields [n] of ``word(bits)``, modulo 2^bits, as ``packed_size(n, bits)`` bytes."""
    kind = word(bits)
    if fields.dtype != kind:
        raise FieldError(f"fields of {bits} bits are {kind} words, got {fields.dtype}")
    if 8 * kind.itemsize == bits:
        return fields.tobytes()
    data = b"".join(_pack(fields[start : start + _CHUNK], bits) for start in range(0, fields.size, _CHUNK))
    return data[: packed_size(fields.size, bits)]


def unpack(data: Buffer, bits: int, count: int) -> Words:
    """Undo :func:`pack`: ``word(bits)`` [count], each below 2^bits.

    Raises
    ------
    FieldError
        ``data`` is not exactly ``count`` fields.
    """
    check(data, bits, count)
    out = np.empty(count, dtype=word(bits))
    for start, fields in chunks(data, bits, count):
        out[start : start + fields.size] = fields
    return out


def weighted_sum(parts: Sequence[Buffer], weights: Sequence[int], bits: int, count: int) -> bytes:
    """``sum_k weights[k] * parts[k]`` modulo 2^bits of packed parts of ``count`` fields, packed; weights may be -1.

    Raises
    ------
    FieldError
        a part is not exactly ``count`` fields.
    """
    kind = word(bits)
    factors = [kind.type(weight % (1 << bits)) for weight in weights]
    for data in parts:
        check(data, bits, count)
    out = []
    for same in zip(*(chunks(data, bits, count) for data in parts), strict=True):
        total = np.zeros(same[0][1].size, dtype=kind)
        for (_, fields), factor in zip(same, factors, strict=True):
            total += fields if factor == 1 else fields * factor
        out.append(pack(total, bits))
    return b"".join(out)


def check(data: Buffer, bits: int, count: int) -> None:
    """Refuse bytes that are not exactly ``count`` fields of ``bits`` bits with zeros behind the last.

    Raises
    ------
    FieldError
        saying how many bytes were expected.
    """
    word(bits)
    expected = packed_size(count, bits)
    if len(data) != expected:
        raise FieldError(f"{len(data)} bytes are not {count} fields of {bits} bits (expected {expected} bytes)")
    if (used := count * bits % 8) and data[-1] >> used:
        raise FieldError(f"behind {count} fields of {bits} bits there are bits that are not zero")


def chunks(data: Buffer, bits: int, count: int) -> Iterator[tuple[int, Words]]:
    """(start, fields) of consecutive chunks of a block that :func:`check` accepts; fields may be read-only."""
    kind, raw = word(bits), np.frombuffer(data, dtype=np.uint8)
    for start in range(0, count, _CHUNK):
        stop = min(start + _CHUNK, count)
        if 8 * kind.itemsize == bits:
            yield start, raw.view(kind)[start:stop]
        else:
            piece = raw[start * bits // 8 : packed_size(stop, bits) + _BEHIND]
            yield start, _unpack(piece, bits, stop - start)


# Eight fields are ``bits`` whole bytes. Within a 64-bit word, neighbours are first moved together (from a spacing of a
# machine word to one of ``bits``); such a lane is then shifted to its place among the group's bytes.


def _merges(bits: int) -> list[tuple[int, int, int]]:
    """(spacing, bits held, mask of the lower ones of each pair), from single fields to a whole 64-bit word."""
    out, spacing, held = [], 8 * word(bits).itemsize, bits
    while spacing < 64:
        low = sum(((1 << held) - 1) << at for at in range(0, 64, 2 * spacing))
        out.append((spacing, held, low))
        spacing, held = 2 * spacing, 2 * held
    return out


def _places(bits: int) -> list[tuple[int, int, int, int]]:
    """(lane, 64-bit word of the group, shift within it, bits that spill into the next) of each lane of 8 fields."""
    lanes = word(bits).itemsize
    size = 8 * bits // lanes
    return [(lane, *divmod(lane * size, 64), max(0, lane * size % 64 + size - 64)) for lane in range(lanes)]


def _rows(groups: int, bits: int) -> tuple[NDArray[np.uint64], NDArray[Any]]:
    """Zeroed 64-bit words of every group, and their first ``bits`` bytes as one item each."""
    rows = np.zeros((groups, -(-bits // 8)), dtype="<u8")
    return rows, np.ndarray((groups,), dtype=f"V{bits}", buffer=rows, strides=(rows.strides[0],))


def _pack(fields: Words, bits: int) -> bytes:
    groups = -(-fields.size // 8)
    if fields.size % 8 or not fields.flags.c_contiguous:
        padded = np.zeros(8 * groups, dtype=fields.dtype)
        padded[: fields.size] = fields
        fields = padded
    lanes = fields.view("<u8")
    for spacing, held, low in _merges(bits):
        lanes = (lanes & np.uint64(low)) | ((lanes >> np.uint64(spacing - held)) & np.uint64((low << held) & _ONES))
    lanes = lanes.reshape(groups, -1)
    rows, items = _rows(groups, bits)
    for lane, place, shift, spill in _places(bits):
        rows[:, place] |= lanes[:, lane] << np.uint64(shift)
        if spill:
            rows[:, place + 1] |= lanes[:, lane] >> np.uint64(64 - shift)
    return items.tobytes()


def _unpack(raw: NDArray[np.uint8], bits: int, count: int) -> Words:
    """The first ``count`` fields; what lies behind them in ``raw`` is not looked at."""
    groups = -(-count // 8)
    if raw.size < (needed := groups * bits + _BEHIND):
        raw = np.concatenate([raw, np.zeros(needed - raw.size, dtype=np.uint8)])
    places = _places(bits)
    lanes = np.empty((groups, len(places)), dtype="<u8")
    for lane, place, shift, _ in places:
        byte, shift = divmod(64 * place + shift, 8)
        at = np.ndarray((groups,), dtype="<u8", buffer=raw, offset=byte, strides=(bits,))
        np.right_shift(at, np.uint64(shift), out=lanes[:, lane])
        if 64 - shift < 8 * bits // len(places):
            last = np.ndarray((groups,), dtype="u1", buffer=raw, offset=byte + 8, strides=(bits,))
            lanes[:, lane] |= last.astype("<u8") << np.uint64(64 - shift)
    found = lanes.reshape(-1)
    for spacing, held, low in reversed(_merges(bits)):
        upper = found & np.uint64((low << held) & _ONES)
        upper <<= np.uint64(spacing - held)
        found &= np.uint64(low)
        found |= upper
    return found.view(word(bits))[:count]
