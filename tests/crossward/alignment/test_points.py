"""Points: the values of RFC 9496, products that any order gives, and encodings that are refused."""

from __future__ import annotations

import hashlib

import pytest

from crossward.alignment import AlignmentError
from crossward.alignment.points import check_points, identifier_points, keyed, raised, random_points, scalar
from crossward.internals.rbcl import ristretto
from tests.crossward.alignment.run import PEPPER

P, IDENTITY = 2**255 - 19, bytes(32)
GENERATOR = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")  # RFC 9496, A.1
TWICE = bytes.fromhex("6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919")
# RFC 9496, A.3: non-canonical field elements, negative ones, and those without a square root
BAD = [
    bytes.fromhex("00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    bytes.fromhex("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("0100000000000000000000000000000000000000000000000000000000000000"),
    bytes.fromhex("01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371"),
    bytes.fromhex("3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e"),
]


def test_the_vectors_of_rfc_9496() -> None:
    assert raised(GENERATOR, (2).to_bytes(32, "little")) == TWICE
    label = b"Ristretto is traditionally a short shot of espresso coffee"  # A.3, the first of the hash vectors
    point = ristretto().crypto_core_ristretto255_from_hash(hashlib.sha512(label).digest())
    assert point.hex() == "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46"


def test_the_order_of_parties_makes_no_difference() -> None:
    points = identifier_points(["a", "b", "c"], PEPPER, "run")
    first, second = scalar(), scalar()
    assert raised(raised(points, first), second) == raised(raised(points, second), first) != points


def test_threads_give_the_same_bytes_in_the_same_order() -> None:
    points, secret = random_points(bytes(32), 600), scalar()
    assert raised(points, secret, 3) == raised(points, secret, 1)


@pytest.mark.parametrize("bad", [*BAD, IDENTITY], ids=lambda point: point.hex()[:8])
def test_what_is_no_point_or_the_identity_is_refused(bad: bytes) -> None:
    """The generator instead passes (positive control)."""
    raised(GENERATOR * 3, scalar())
    check_points(GENERATOR * 3)
    for check in (check_points, lambda points: raised(points, scalar())):
        with pytest.raises(AlignmentError, match="element 1 is not a point of ristretto255"):
            check(GENERATOR + bad + GENERATOR)


SMALL_ORDER = [0, 1, P - 1, pow(2, (P - 1) // 4, P), P - pow(2, (P - 1) // 4, P)]  # y of edwards25519's, and sqrt(-1)


def test_no_point_of_small_order_can_be_injected() -> None:
    """What the curve below encodes of small order is refused, or another point, of the group's prime order.

    In a group of composite order an injected element shows the secret modulo its order (positive control).
    """
    assert [pow(22, secret, 23) for secret in (2, 3, 4, 5)] == [1, 22, 1, 22]
    refused = 0
    for y in SMALL_ORDER:
        for encoding in (y.to_bytes(32, "little"), (y | 1 << 255).to_bytes(32, "little")):
            try:
                multiples = {raised(encoding, n.to_bytes(32, "little")) for n in range(1, 17)}
            except AlignmentError:
                refused += 1
            else:
                assert len(multiples) == 16 and IDENTITY not in multiples
    assert refused >= 6


def test_a_point_that_was_cut_is_refused() -> None:
    with pytest.raises(AlignmentError, match="element 1 is not a point"):
        raised(GENERATOR + GENERATOR[:-1], scalar())


def test_the_pepper_the_run_and_the_use_each_change_everything() -> None:
    found = {
        keyed(pepper, use, run, b"a")
        for pepper in (PEPPER, bytes(16))
        for use in (b"identifier", b"own")
        for run in ("run-1", "run-2")
    }
    assert len(found) == 8 and keyed(PEPPER, b"u", "r", b"a", b"b") != keyed(PEPPER, b"u", "r", b"ab")
    with pytest.raises(AlignmentError, match="a pepper of 15 bytes: expected 16 or more"):
        keyed(bytes(15), b"identifier", "run-1")


def test_padding_follows_from_its_seed() -> None:
    assert random_points(bytes(32), 2) == random_points(bytes(32), 3)[:64] != random_points(b"1" * 32, 2)
    assert random_points(bytes(32), 0) == b""
    check_points(random_points(bytes(32), 5))
