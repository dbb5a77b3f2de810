"""The CKKS baseline: exact integers, sums of sums, no key where it adds, and a reason for whatever is no part."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tenseal as ts
from numpy.typing import NDArray

from crossward.encryption.aggregator import Arithmetic
from crossward.encryption.aggregator.ckks import CkksArithmetic
from crossward.encryption.ckks import (
    CHUNK,
    MAX_CIPHERTEXT,
    SCALE,
    SLOTS,
    CkksError,
    join,
    load_context,
    parameters,
    serialise,
    split,
)
from crossward.encryption.holder.ckks import CkksSealer, make_context, public_context
from crossward.encryption.plan import PRESETS, FieldPlan

SECRET, PUBLIC = make_context()
PLAN = PRESETS["precise"]
SEALER = CkksSealer(PLAN, SECRET)
ARITHMETIC: Arithmetic = CkksArithmetic(PUBLIC)
COUNT = SLOTS + 7  # two ciphertexts, the second one short
RNG = np.random.default_rng(0)


def quantised(plan: FieldPlan = PLAN, count: int = COUNT) -> NDArray[np.int64]:
    values = RNG.integers(-plan.q_max, plan.q_max + 1, count)
    values[:2] = plan.q_max, -plan.q_max
    return values


def combine(parts: list[bytes], weights: list[int], count: int = COUNT) -> bytes:
    return ARITHMETIC.combine(parts, weights, [12] * len(parts), 22, count)


# ---------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_version_opens_to_the_integers(name: str) -> None:
    plan = PRESETS[name]
    sealer = CkksSealer(plan, SECRET)
    rows = [quantised(plan) for _ in range(3)]
    weights = [plan.total_weight // 2 + 1, 1, plan.total_weight // 2 - 2]
    parts = [sealer.seal(row) for row in rows]
    assert [ARITHMETIC.check(part, plan.update_bits, COUNT) for part in parts] == ["", "", ""]
    version = ARITHMETIC.combine(parts, weights, [plan.update_bits] * 3, plan.sum_bits(1), COUNT)
    assert ARITHMETIC.check(version, plan.sum_bits(1), COUNT) == ""
    opened = sealer.open(version, 22, COUNT, sum(weights))
    assert opened.dtype == np.int64
    assert np.array_equal(opened, sum(w * row for w, row in zip(weights, rows, strict=True)))


def test_sums_of_versions_with_and_without_weights_add_up_at_any_depth() -> None:
    a, b, c = (quantised() for _ in range(3))
    sealed = [SEALER.seal(row) for row in (a, b, c)]
    weighted, plain = combine(sealed[:2], [300, 77]), combine(sealed[1:], [1, 1])
    both = combine([weighted, plain], [1, 1])
    again = combine([both, weighted, sealed[0]], [1, 2, 5])  # a sum, a version and an update at once
    assert np.array_equal(SEALER.open(both, 22, COUNT, 379), 300 * a + 78 * b + c)
    assert np.array_equal(SEALER.open(again, 22, COUNT, 379 + 754 + 5), 905 * a + 232 * b + c)


def test_sums_at_the_bounds_stay_within_a_thirtieth_of_an_integer() -> None:
    plan = FieldPlan(value_bits=20, weight_bits=14, guard_bits=6)
    sealer = CkksSealer(plan, SECRET)
    row = quantised(plan, SLOTS)
    total = ARITHMETIC.combine([sealer.seal(row)], [1 << 20], [20], 40, SLOTS)
    decrypted = np.array(ts.ckks_vector_from(load_context(SECRET), split(total, SLOTS)[0]).decrypt())
    assert 0 < float(np.abs(decrypted - row * (1 << 20)).max()) < 1 / 30
    assert np.array_equal(sealer.open(total, 22, SLOTS, 1 << 20), row * (1 << 20))


@pytest.mark.parametrize("count", [1, SLOTS - 1, SLOTS, 2 * SLOTS])
def test_every_size_of_a_part(count: int) -> None:
    row = quantised(count=max(count, 2))[:count]
    part = SEALER.seal(row)
    assert ARITHMETIC.check(part, 12, count) == ""
    assert np.array_equal(SEALER.open(combine([part], [3], count), 22, count, 3), 3 * row)


def test_updates_that_weigh_nothing_are_left_out() -> None:
    a, b = quantised(), quantised()
    parts = [SEALER.seal(a), SEALER.seal(b)]
    assert np.array_equal(SEALER.open(combine(parts, [0, 9]), 22, COUNT, 9), 9 * b)


def test_the_size_is_that_of_the_published_baseline() -> None:
    values = quantised(count=2 * SLOTS)
    first, second = SEALER.seal(values), SEALER.seal(values)
    assert 57 < len(first) / values.size < 58
    assert first != second  # fresh randomness each time
    assert CHUNK % SLOTS == 0


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    SEALER.open(combine([SEALER.seal(quantised())], [2]), 22, COUNT, 2)
    assert capfd.readouterr() == ("", "")


# ---------------------------------------------------------------------- keys and contexts


def test_the_aggregator_refuses_a_context_with_a_key() -> None:
    assert len(PUBLIC) < 200 < len(SECRET)
    assert public_context(SECRET) == PUBLIC
    with pytest.raises(CkksError, match="the aggregator must not hold a key"):
        CkksArithmetic(SECRET)


def test_the_holder_refuses_a_context_without_a_key() -> None:
    with pytest.raises(CkksError, match="holds no secret key"):
        CkksSealer(PLAN, PUBLIC)


def other_context(degree: int = 8192, primes: tuple[int, ...] = (60, 40, 40), scale: float = SCALE) -> Any:
    context = ts.context(
        ts.SCHEME_TYPE.CKKS,
        poly_modulus_degree=degree,
        coeff_mod_bit_sizes=list(primes),
        encryption_type=ts.ENCRYPTION_TYPE.SYMMETRIC,
    )
    context.global_scale = scale
    return context


@pytest.mark.parametrize(
    "context",
    [
        b"",
        b"nothing",
        PUBLIC[:-1],
        SECRET[: len(SECRET) // 2],
        serialise(other_context(16384), secret=False),
        serialise(other_context(primes=(50, 40, 40)), secret=False),
        serialise(other_context(scale=2.0**30), secret=False),
        ts.context(ts.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 40]).serialize(),
    ],
)
def test_another_context_is_refused(context: bytes) -> None:
    for face in (CkksArithmetic, lambda data: CkksSealer(PLAN, data)):
        with pytest.raises(CkksError, match="context"):
            face(context)


def test_a_part_under_another_key_does_not_open() -> None:
    foreign = CkksSealer(PLAN, make_context()[0]).seal(quantised())
    assert ARITHMETIC.check(foreign, 12, COUNT) == ""  # only a key can tell
    with pytest.raises(CkksError, match="another key"):
        SEALER.open(foreign, 22, COUNT, 1)


def test_values_between_integers_do_not_open() -> None:
    between = join([ts.ckks_vector(load_context(SECRET), [1.0, 2.3]).serialize()])
    with pytest.raises(CkksError, match=r"0\.3 away from integers"):
        SEALER.open(between, 12, 2, 1)


def test_weights_that_sum_to_more_than_was_said_do_not_open() -> None:
    with pytest.raises(CkksError, match="weights do not sum"):
        SEALER.open(combine([SEALER.seal(quantised())], [5]), 22, COUNT, 4)


@pytest.mark.parametrize(("bits", "message"), [((12, 20, 1), "exact up to"), ((24, 16, 1), "exact up to")])
def test_a_plan_whose_sums_would_not_be_exact_is_refused(bits: tuple[int, int, int], message: str) -> None:
    with pytest.raises(CkksError, match=message):
        CkksSealer(FieldPlan(*bits), SECRET)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([PLAN.q_max + 1]), "exceeds q_max"),
        (np.array([0, -PLAN.q_max - 1]), "exceeds q_max"),
        (np.zeros(0, dtype=np.int64), "0 values in a part"),
        (np.zeros(CHUNK + 1, dtype=np.int64), "65537 values in a part"),
    ],
)
def test_values_that_cannot_be_sealed_are_refused(values: NDArray[np.int64], message: str) -> None:
    with pytest.raises(CkksError, match=message):
        SEALER.seal(values)


@pytest.mark.parametrize("weights", [[0, 0], [-1, 2], [1], [1, 2, 3]])
def test_weights_that_make_no_sense_are_refused(weights: list[int]) -> None:
    part = SEALER.seal(quantised())
    with pytest.raises(CkksError, match="weights"):
        combine([part, part], weights) if len(weights) == 2 else ARITHMETIC.combine(
            [part, part], weights, [12, 12], 22, COUNT
        )


def test_a_sum_of_impossible_size_is_refused() -> None:
    part = SEALER.seal(quantised())
    assert "41 bits" in ARITHMETIC.check(part, 41, COUNT)
    with pytest.raises(CkksError, match="41 bits"):
        ARITHMETIC.combine([part], [1], [12], 41, COUNT)


# ---------------------------------------------------------------------- strangers' bytes

PART = SEALER.seal(quantised())
FIRST, SECOND = split(PART, COUNT)


def made(change: Callable[[Any], Any], size: int = 7) -> bytes:
    """A part of one vector that ``change`` makes of an honest one under the same context."""
    return join([change(ts.ckks_vector(load_context(SECRET), [1.0] * size)).serialize()])


def foreign(context: Any, size: int = 7) -> bytes:
    return join([ts.ckks_vector(context, [1.0] * size).serialize()])


def lying(sizes: bytes) -> bytes:
    """SECOND (7 values in one ciphertext) with other sizes written into its protobuf."""
    assert SECOND.startswith(b"\x0a\x01\x07\x12")
    return join([b"\x0a" + bytes([len(sizes)]) + sizes + SECOND[3:]])


def compressed(inner: bytes, zeros: int) -> bytes:
    """A part of one vector whose ciphertext unpacks to ``inner`` and zeros (zstd: a raw block, then RLE)."""
    runs = [0x20000] * (zeros // 0x20000) + [zeros % 0x20000]
    frame = b"\x28\xb5\x2f\xfd\x00\x58" + (len(inner) << 3).to_bytes(3, "little") + inner
    frame += b"".join((1 << 1 | run << 3).to_bytes(3, "little") + b"\0" for run in runs)
    frame += (1).to_bytes(3, "little")  # an empty last block
    cipher = SECOND[7:15] + struct.pack("<Q", 16 + len(frame)) + frame
    low = bytes([len(cipher) & 127 | 128, len(cipher) >> 7 & 127 | 128, len(cipher) >> 14])
    return join([b"\x0a\x01\x07\x12" + low + cipher + SECOND[-9:]])


def zeros(polynomials: int = 2, scale: float = SCALE) -> bytes:
    """A ciphertext of zeros in SEAL's layout, of the honest one's level."""
    honest = ts.ckks_vector_from(load_context(SECRET), SECOND).ciphertext()[0]
    words = polynomials * 8192 * 2
    inner = struct.pack("<4Q?QQQdQ", *honest.parms_id(), True, polynomials, 8192, 2, scale, 1)
    nested = SECOND[7:12] + b"\0\0\0" + struct.pack("<QQ", 24 + 8 * words, words)
    return compressed(inner + nested + bytes(64_000), 8 * words - 64_000)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut off"),
        (PART[:1000], "cut off"),
        (join([SECOND[:-1]]), "no serialised TenSEAL vector"),
        (join([SECOND])[:-1], "cut off"),
        (join([SECOND]) + b"\0", "1 bytes too many"),
        (join([SECOND, SECOND]), "bytes too many"),
        (struct.pack("<I", 1 << 31) + SECOND, "too long"),
        (join([SECOND + bytes(MAX_CIPHERTEXT)]), "too long"),
        (join([b"\0" * 1000]), "no serialised TenSEAL vector"),
        (lying(b"\x01\x06"), "no serialised TenSEAL vector"),
        (lying(b"\x07\x00"), "no serialised TenSEAL vector"),
        (lying(b"\x08"), "no serialised TenSEAL vector"),
        (join([SECOND.replace(b"\x5e\xa1", b"\x5e\xa2", 1)]), "no serialised TenSEAL vector"),
        (join([SECOND[:-8] + struct.pack("<d", 2.0**30)]), "no serialised TenSEAL vector"),
        (compressed(bytes(64_000), 1 << 31), "SEAL cannot read"),  # 2 GB of zeros in 128 kB
        (join([SECOND[:30] + bytes(100) + SECOND[130:]]), "SEAL cannot read"),
        (foreign(other_context(16384)), "cut off or too long"),
        (foreign(other_context(4096, (40, 20, 40))), "SEAL cannot read"),
        (foreign(other_context(primes=(50, 40, 40))), "SEAL cannot read"),
        (made(lambda vector: vector.mul_(2)), "at another level"),
        (zeros(), "transparent"),
        (zeros(polynomials=3), "at another level"),
        (zeros(scale=2.0**30), "at another level"),
    ],
)
def test_what_is_no_part_of_seven_values_gets_a_reason(data: bytes, reason: str) -> None:
    assert reason in ARITHMETIC.check(data, 12, 7)
    with pytest.raises(CkksError, match=reason):
        ARITHMETIC.combine([data], [1], [12], 22, 7)
    with pytest.raises(CkksError, match=reason):
        SEALER.open(data, 22, 7, 1)


def test_parts_that_cancel_one_another_are_refused_and_not_a_crash() -> None:
    part = join([SECOND])
    negated = join([ts.ckks_vector_from(load_context(SECRET), SECOND).neg().serialize()])
    assert ARITHMETIC.check(negated, 12, 7) == ""
    with pytest.raises(CkksError):
        SEALER.open(ARITHMETIC.combine([part, negated], [1, 1], [12, 12], 22, 7), 22, 7, 2)


def test_random_damage_never_gets_past_as_an_exception() -> None:
    verdicts = set()
    for number in range(120):
        data = bytearray(join([SECOND]))
        if number % 3 == 0:
            data[int(RNG.integers(4, 100))] ^= 1 << int(RNG.integers(8))
        elif number % 3 == 1:
            at = int(RNG.integers(len(data) - 64))
            data[at : at + 64] = RNG.bytes(64)
        else:
            data = bytearray(RNG.bytes(int(RNG.integers(1, len(data)))))
        verdicts.add(ARITHMETIC.check(bytes(data), 12, 7).split(" (")[0])
    assert len(verdicts - {""}) >= 3


def test_the_aggregators_parameters_are_what_tenseal_serialises_of_a_new_context() -> None:
    public, known = make_context()[1], parameters()
    assert public == known
    assert not load_context(known).has_secret_key()
