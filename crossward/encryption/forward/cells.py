"""Matrices of ciphertexts as bytes: numbers below n of fixed width, little-endian, column by column, and nothing else.

The receiver knows the shape from the plan. What arrives is checked before the library sees any of it: the length, that
every number is above 0 and below n, and that none shares a factor with n, which a ciphertext never does.
"""

from __future__ import annotations

import math
from typing import Any

from crossward.encryption.forward.frames import SCHEMA, WIDTH, array, framed, integer, other_version, string
from crossward.encryption.forward.keys import ForwardPublic
from crossward.encryption.forward.library import ForwardError, heu

_ONE_NUMBER = b"\x91"  # an array of one
_CELL = b"\xda" + (len(_ONE_NUMBER) + 3 + WIDTH + len(SCHEMA)).to_bytes(2, "big") + _ONE_NUMBER


def to_bytes(ciphertexts: Any) -> bytes:
    """A matrix of the library's ciphertexts, ``WIDTH`` bytes each."""
    written, out = ciphertexts.serialize(), []
    position = len(_header(ciphertexts.rows, ciphertexts.cols))
    for _ in range(ciphertexts.size):
        cell, position = string(written, position)
        number, end = string(cell, len(_ONE_NUMBER))
        if cell[end:] != SCHEMA or len(number) > WIDTH:
            raise other_version()
        out.append(number.ljust(WIDTH, b"\0"))
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
    return b"\x94" + integer(rows) + integer(columns) + b"\x02" + array(rows * columns)
