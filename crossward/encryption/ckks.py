"""CKKS parts of the baseline: their parameters, their bytes, and how a stranger's bytes are read. No key needed.

TenSEAL with the parameters that NVFlare provisions (``nvflare/lighter/impl/he.py``: symmetric, ring degree 8192,
primes of 60, 40 and 40 bits, scale 2**40) and its ``ckks_vector``. A part is one TenSEAL vector of at most 4096
values after the other, each behind its length (uint32, little-endian): a vector of more values makes TenSEAL print a
warning, and is the same ciphertexts under one header. About 57.4 bytes a value.

Not for: encrypting and opening (``crossward.encryption.holder.ckks``), adding
(``crossward.encryption.aggregator.ckks``), or a run that can use BFV: BFV takes a tenth of the bytes, is exact by
construction, and its decryptions may be handed on, while a CKKS decryption published with its noise gives the key away
(Li and Micciancio, ePrint 2020/1533).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import tenseal as ts

from crossward.config.encryption_schemes import CKKS, CKKS_SUM_BITS, CKKS_WEIGHT_BITS
from crossward.encryption.packing import Buffer, CiphertextError

SEALED_CKKS = CKKS  # the kind of a part that holds CKKS ciphertexts
RING = 8192
MODULUS_BITS = (60, 40, 40)  # the last is SEAL's key-switching prime: a ciphertext has the first two
SCALE = 2.0**40
SLOTS = RING // 2  # values of one ciphertext
CHUNK = 1 << 16  # values of a part: 16 ciphertexts, about 3.8 MB
# A fresh value's noise is about 2**-27 and grows with the weights; a decoded sum is a float64 behind an FFT. Measured
# at both bounds: 2**-8, far below the 1/4 that ``crossward.encryption.holder.ckks`` allows.
MAX_WEIGHT_BITS, MAX_SUM_BITS = CKKS_WEIGHT_BITS, CKKS_SUM_BITS

_RAW = 2 * RING * 2 * 8 + 97  # two polynomials under two primes, uint64, and what SEAL says of them
MAX_CIPHERTEXT = _RAW + 128  # compression may add a little to what it cannot compress
# What TenSEAL 0.3 serialises of a context of these parameters without its keys; a test makes it anew and compares.
_PARAMETERS = bytes.fromhex(
    "0a4b5ea11004030200004b0000000000000028b52ffd2071950100e80200200003005ea1100418000001c0ff0ff4fffffd00000000000000000"
    "8003b3f31d5373bfde24c63367b5919206e0111120b10071900000000000070422001"
)
_ENVELOPE = _PARAMETERS[2:10]  # the first 8 bytes of every object that this SEAL saves: magic, version, compression
_LENGTH = struct.Struct("<I")
_TAIL = b"\x19" + struct.pack("<d", SCALE)  # protobuf field 3 of TenSEAL's CKKSVectorProto


class CkksError(CiphertextError):
    """Bytes are not a CKKS part or context of these parameters, or cannot be combined or opened."""


def serialise(context: Any, secret: bool) -> bytes:
    """``context`` with its secret key, or its parameters alone; never with the keys that only products need."""
    data: bytes = context.serialize(
        save_public_key=False, save_secret_key=secret, save_galois_keys=False, save_relin_keys=False
    )
    return data


def parameters() -> bytes:
    """The context without any key: the same for every key, so that an aggregator needs no file and no key generator."""
    return _PARAMETERS


def load_context(data: bytes) -> Any:
    """The TenSEAL context in ``data``, with or without a key.

    Raises
    ------
    CkksError
        no TenSEAL context, or one of other parameters.
    """
    try:
        context = ts.context_from(data, n_threads=1)
        known = serialise(context, secret=False)
    except (ValueError, RuntimeError, IndexError, TypeError, MemoryError) as error:
        raise CkksError(f"{len(data)} bytes are no TenSEAL context ({type(error).__name__})") from None
    if known != parameters():
        raise CkksError(
            f"a TenSEAL context of other parameters: expected symmetric CKKS, ring degree {RING}, primes of "
            f"{MODULUS_BITS} bits, scale 2**40"
        )
    return context


# ---------------------------------------------------------------------- a part's bytes


def sizes(count: int) -> list[int]:
    """Values in each ciphertext of a part of ``count`` values."""
    return [min(SLOTS, count - start) for start in range(0, count, SLOTS)]


def join(vectors: list[bytes]) -> bytes:
    """Serialised vectors as a part."""
    return b"".join(piece for vector in vectors for piece in (_LENGTH.pack(len(vector)), vector))


def split(data: Buffer, count: int) -> list[bytes]:
    """The serialised vectors of a part of ``count`` values; undoes :func:`join`.

    Raises
    ------
    CkksError
        another number of vectors, or lengths that do not add up.
    """
    vectors, rest = [], memoryview(data)
    for number, size in enumerate(sizes(count)):
        length = _LENGTH.unpack(rest[:4])[0] if len(rest) >= 4 else 0
        most = MAX_CIPHERTEXT + len(_head(size)) + 3 + len(_TAIL)
        if not 0 < length <= min(most, len(rest) - 4):
            raise CkksError(f"vector {number} of a CKKS part of {count} values is cut off or too long ({length} bytes)")
        vectors.append(bytes(rest[4 : 4 + length]))
        rest = rest[4 + length :]
    if len(rest):
        raise CkksError(f"{len(rest)} bytes too many behind a CKKS part of {count} values")
    return vectors


def read(context: Any, data: Buffer, count: int) -> Iterator[Any]:
    """The TenSEAL vectors of a part of ``count`` values, each checked.

    Raises
    ------
    CkksError
        anything but fresh ciphertexts of these parameters or their sums.
    """
    for number, (vector, size) in enumerate(zip(split(data, count), sizes(count), strict=True)):
        yield _parse(context, vector, size, number)


def _parse(context: Any, data: bytes, size: int, number: int) -> Any:
    if not _framed(data, size):
        raise CkksError(f"vector {number} is no serialised TenSEAL vector of {size} values in one ciphertext")
    try:
        vector = ts.ckks_vector_from(context, data)
        ciphertexts = vector.ciphertext()
    except (ValueError, RuntimeError, IndexError, TypeError, MemoryError) as error:
        raise CkksError(f"SEAL cannot read vector {number} ({type(error).__name__}: {error})") from None
    if len(ciphertexts) != 1 or vector.size() != size:
        raise CkksError(f"vector {number} holds {vector.size()} values in {len(ciphertexts)} ciphertexts, not {size}")
    cipher = ciphertexts[0]
    found = (cipher.size(), cipher.poly_modulus_degree(), cipher.coeff_modulus_size(), cipher.scale)
    if found != (2, RING, len(MODULUS_BITS) - 1, SCALE):
        raise CkksError(
            f"vector {number} is at another level: polynomials, degree, primes and scale are {found}, expected "
            f"{(2, RING, len(MODULUS_BITS) - 1, SCALE)}"
        )
    if cipher.is_transparent():
        raise CkksError(f"vector {number} is transparent: anyone can read it")
    return vector


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _head(size: int) -> bytes:
    """How TenSEAL's protobuf begins: field 1, the one ciphertext's number of values, and the tag of field 2."""
    number = _varint(size)
    return b"\x0a" + _varint(len(number)) + number + b"\x12"


def _framed(data: bytes, size: int) -> bool:
    """Whether ``data`` is the one way TenSEAL writes a vector of ``size`` values in one ciphertext.

    TenSEAL believes the sizes that a vector claims: a part that says "1 value" and "4095 values" for one ciphertext
    would add up and open short. So nothing but the one frame of an honest vector reaches its parser.
    """
    head = _head(size)
    rest = data[len(head) : -len(_TAIL)]
    if not (data.startswith(head) and data.endswith(_TAIL) and len(rest) > 3 + 16):
        return False
    length = next((width for width in (1, 2, 3) if rest[:width] == _varint(len(rest) - width)), 0)
    cipher = rest[length:]
    return length > 0 and cipher.startswith(_ENVELOPE) and cipher[8:16] == struct.pack("<Q", len(cipher))
