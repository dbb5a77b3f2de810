"""Identifiers as points of ristretto255 (RFC 9496), and points raised to a secret scalar, many at once.

An identifier becomes HMAC-SHA512 under the parties' pepper, of the run's lineage and the identifier's spelling: 64
bytes, which libsodium maps to a point (RFC 9496, 4.3.4). The group has prime order, and a point one encoding; decoding
refuses everything else, and a product that is the identity is refused too, so no point of small order exists to inject.

libsodium's calls through ctypes release the interpreter's lock: threads share the work, and need no copies of it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from crossward.alignment.errors import AlignmentError
from crossward.internals.rbcl import ristretto
from crossward.machine.cores import cores

POINT_BYTES = SCALAR_BYTES = SEED_BYTES = 32
PEPPER_BYTES = 16  # at least
_HASH_BYTES = 64
_CHUNK = 512  # points that a thread takes at once
_DOMAIN = b"crossward alignment 1"


def keyed(pepper: bytes, use: bytes, lineage: str, *parts: bytes) -> bytes:
    """HMAC-SHA512 under ``pepper`` (64 bytes), for one use, of a run's lineage and ``parts``, each with its length.

    Raises
    ------
    AlignmentError
        the pepper is too short to be a key.
    """
    if len(pepper) < PEPPER_BYTES:
        raise AlignmentError(f"a pepper of {len(pepper)} bytes: expected {PEPPER_BYTES} or more, from a random source")
    said = b"".join(len(part).to_bytes(4, "big") + part for part in (_DOMAIN, use, lineage.encode(), *parts))
    return hmac.digest(pepper, said, "sha512")


def scalar() -> bytes:
    """A fresh secret scalar, uniform over 1 .. order - 1 (32 bytes)."""
    return bytes(ristretto().crypto_core_ristretto255_scalar_random())


def identifier_points(names: Sequence[str], pepper: bytes, lineage: str) -> bytes:
    """A point (32 bytes) of each name, back to back."""
    to_point = ristretto().crypto_core_ristretto255_from_hash
    return b"".join(to_point(keyed(pepper, b"identifier", lineage, name.encode())) for name in names)


def random_points(seed: bytes, count: int) -> bytes:
    """``count`` random points that follow from ``seed`` (32 bytes): nobody has an identifier of one."""
    rbcl = ristretto()
    drawn = rbcl.randombytes_buf_deterministic(_HASH_BYTES * count, seed) if count else b""
    to_point = rbcl.crypto_core_ristretto255_from_hash
    return b"".join(to_point(drawn[at : at + _HASH_BYTES]) for at in range(0, len(drawn), _HASH_BYTES))


def raised(points: bytes, secret: bytes, threads: int = 0) -> bytes:
    """Every point times the scalar ``secret``, in the same order, computed by ``threads`` (0: one a core).

    Raises
    ------
    AlignmentError
        a point is not the one encoding of a point of the group, or is the identity.
    """
    multiply = ristretto().crypto_scalarmult_ristretto255

    def one(at: int) -> bytes:
        found = []
        for start in range(at, min(at + _CHUNK * POINT_BYTES, len(points)), POINT_BYTES):
            try:
                found.append(multiply(secret, points[start : start + POINT_BYTES]))
            except (RuntimeError, ValueError):  # ValueError: the last one is too short
                raise _refused(start) from None
        return b"".join(found)

    return _in_threads(one, len(points), threads)


def check_points(points: bytes, threads: int = 0) -> None:
    """Refuse what :func:`raised` would, for points that come back and are raised no more."""
    valid, identity = ristretto().crypto_core_ristretto255_is_valid_point, bytes(POINT_BYTES)

    def one(at: int) -> bytes:
        for start in range(at, min(at + _CHUNK * POINT_BYTES, len(points)), POINT_BYTES):
            point = points[start : start + POINT_BYTES]
            if len(point) != POINT_BYTES or point == identity or not valid(point):
                raise _refused(start)
        return b""

    _in_threads(one, len(points), threads)


def _in_threads(work: Callable[[int], bytes], size: int, threads: int) -> bytes:
    starts = range(0, size, _CHUNK * POINT_BYTES)
    workers = min(threads or cores(), len(starts))
    if workers < 2:
        return b"".join(map(work, starts))
    with ThreadPoolExecutor(workers) as pool:
        return b"".join(pool.map(work, starts))


def _refused(start: int) -> AlignmentError:
    return AlignmentError(
        f"element {start // POINT_BYTES} is not a point of ristretto255 in its one encoding, or is the identity: its "
        "sender is faulty or dishonest"
    )
