"""Unsigned integers <-> a tight bit string, little-endian, ``bits`` bits each.

Not for: signs, offsets and ranges (``crossward.encryption.holder``), nor ciphertexts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Buffer = bytes | bytearray | memoryview
CLEAR = "clear"  # the kind of a part whose fields are packed by this module, unencrypted
WRAPPED = "aes-gcm"  # the kind of a snapshot's part: packed fields under an authenticated cipher
_CHUNK = 1 << 18
_WHOLE = {8: "<u1", 16: "<u2", 32: "<u4", 64: "<u8"}


class CiphertextError(ValueError):
    """Bytes are not ciphertexts of these parameters, or do not open to what a sum can be."""

    tellable = True  # see client_app.guard.refusals


def packed_size(count: int, bits: int) -> int:
    """Bytes that ``count`` fields of ``bits`` bits take."""
    return (count * bits + 7) // 8


def wrapped_size(count: int, bits: int) -> int:
    """Bytes of a wrapped part: nonce (12), packed fields, tag (16)."""
    return packed_size(count, bits) + 28


def pack(values: NDArray[np.int64], bits: int) -> bytes:
    """Pack ``values`` (int64 [n], each 0 <= v < 2**bits, 1 <= bits <= 62) into ``packed_size(n, bits)`` bytes.

    Raises
    ------
    ValueError
        a value does not fit.
    """
    if not 1 <= bits <= 62:
        raise ValueError(f"cannot pack fields of {bits} bits: expected 1 to 62")
    if values.size and (int(values.min()) < 0 or int(values.max()) >> bits):
        raise ValueError(
            f"a value between {int(values.min())} and {int(values.max())} does not fit {bits} unsigned bits"
        )
    if bits in _WHOLE:
        return values.astype(_WHOLE[bits]).tobytes()
    out = []
    for start in range(0, values.size, _CHUNK):  # _CHUNK is a multiple of 8, so chunks end on whole bytes
        rows = np.ascontiguousarray(values[start : start + _CHUNK], dtype="<u8").view(np.uint8).reshape(-1, 8)
        flags = np.unpackbits(rows, axis=1, count=bits, bitorder="little")
        out.append(np.packbits(flags.reshape(-1), bitorder="little").tobytes())
    return b"".join(out)


def unpack(data: Buffer, bits: int, count: int) -> NDArray[np.int64]:
    """Undo :func:`pack`: int64 [count].

    Raises
    ------
    ValueError
        ``data`` has not exactly the bytes that ``count`` fields take.
    """
    if len(data) != packed_size(count, bits):
        raise ValueError(
            f"{len(data)} bytes are not {count} fields of {bits} bits (expected {packed_size(count, bits)} bytes)"
        )
    raw = np.frombuffer(data, dtype=np.uint8)
    if bits in _WHOLE:
        return raw.view(_WHOLE[bits]).astype(np.int64)
    out = np.empty(count, dtype=np.int64)
    powers = np.int64(1) << np.arange(bits, dtype=np.int64)
    for start in range(0, count, _CHUNK):
        stop = min(start + _CHUNK, count)
        piece = raw[start * bits // 8 : packed_size(stop, bits)]
        flags = np.unpackbits(piece, count=(stop - start) * bits, bitorder="little").reshape(-1, bits)
        out[start:stop] = flags @ powers
    return out
