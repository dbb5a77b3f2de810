"""Matrices of ciphertexts as bytes: numbers below n of fixed width, little-endian, column by column, and nothing else.

The receiver knows the shape from the plan. What arrives is checked before the library sees any of it: the length, that
every number is above 0 and below n, and that none shares a factor with n, which a ciphertext never does.
"""

from __future__ import annotations

import math
from typing import Any

from crossward.encryption.forward.keys import SCHEMA, WIDTH, ForwardPublic, framed
from crossward.encryption.forward.library import ForwardError, heu

_CELL = b"\xda\x01\x0d\x91"  # a msgpack string of 269 bytes, with an array of one number in it


def to_bytes(ciphertexts: Any) -> bytes:
    """A matrix of the library's ciphertexts, ``WIDTH`` bytes each."""
    written = ciphertexts.serialize()
    count, at, out = ciphertexts.size, _header(ciphertexts.rows, ciphertexts.cols), []
    position = len(at)
    for _ in range(count):
        size = int.from_bytes(written[position + 1 : position + 3], "big")
        cell = written[position + 3 : position + 3 + size]
        length = int.from_bytes(cell[2:4], "big")
        if cell[:2] != b"\x91\xda" or cell[4 + length :] != SCHEMA or length > WIDTH:
            raise ForwardError("sf-heu writes ciphertexts in another form than version 0.5.2b0 does; install that one")
        out.append(cell[4 : 4 + length].ljust(WIDTH, b"\0"))
        position += 3 + size
    return b"".join(out)


def from_bytes(public: ForwardPublic, data: bytes, rows: int, columns: int, what: str) -> Any:
    """The matrix [rows, columns] in ``data``; ``what`` names it in messages.

    Raises
    ------
    ForwardError
        it has another length, or numbers that are no ciphertexts under this key.
    """
    count = rows * columns
    if len(data) != count * WIDTH:
        raise ForwardError(
            f"{what}: {len(data)} bytes; expected {count * WIDTH} for {rows} x {columns} ciphertexts. Both parties "
            "must use the same plan and the same patients"
        )
    n, product, out = public.numbers[0], 1, [_header(rows, columns)]
    for at in range(0, len(data), WIDTH):
        number = int.from_bytes(data[at : at + WIDTH], "little")
        if not 0 < number < n:
            raise ForwardError(f"{what}: number {at // WIDTH} is no ciphertext under this key; send it again")
        product = product * number % n
        out += (_CELL, framed(number), SCHEMA)
    if math.gcd(product, n) != 1:
        raise ForwardError(f"{what}: a number shares a factor with the key's modulus, as no ciphertext does")
    return heu("numpy").CiphertextArray.load_from(b"".join(out))


def _header(rows: int, columns: int) -> bytes:
    return b"\x94" + _integer(rows) + _integer(columns) + b"\x02" + _array(rows * columns)


def _integer(value: int) -> bytes:
    """msgpack's shortest form."""
    if value < 1 << 7:
        return bytes([value])
    for marker, size in ((b"\xcc", 1), (b"\xcd", 2), (b"\xce", 4)):
        if value < 1 << (8 * size):
            return marker + value.to_bytes(size, "big")
    raise ForwardError(f"a matrix of ciphertexts with a side of {value} is too large")


def _array(count: int) -> bytes:
    if count < 16:
        return bytes([0x90 | count])
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")
