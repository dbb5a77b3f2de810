"""BFV on the wire: exact sizes, fresh randomness, coefficients below the modulus; a SEAL that differs is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.encryption import bfv
from crossward.encryption.aggregator.bfv import BfvArithmetic
from crossward.encryption.bfv import CIPHERTEXTS, Bfv, Scratch, from_60_bits, to_60_bits
from crossward.encryption.holder.bfv import BfvSealer
from crossward.encryption.packing import CiphertextError
from crossward.encryption.plan import FRESH_BYTES, PRESETS, RING

SEED = bytes(range(64))
COMPACT = PRESETS["compact"]


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.integers(0, (1 << 60) - 1), min_size=1, max_size=30).map(lambda v: v + v))
def test_words_come_back_from_60_bits(words: list[int]) -> None:
    packed = to_60_bits(np.array(words, dtype=np.uint64))
    assert packed.nbytes == len(words) * 60 // 8
    assert from_60_bits(packed).tolist() == words
    assert packed.tobytes() == sum(word << 60 * i for i, word in enumerate(words)).to_bytes(packed.nbytes, "little")


@pytest.mark.parametrize("name", PRESETS)
def test_a_part_has_exactly_the_bytes_of_its_ciphertexts(name: str) -> None:
    sealer = BfvSealer(PRESETS[name], SEED)
    capacity = RING * PRESETS[name].fields_per_slot
    for count, number in ((1, 1), (capacity, 1), (capacity + 1, 2)):
        part = sealer.seal(np.zeros(count, dtype=np.int64))
        assert len(part) == number * FRESH_BYTES == number * (RING * 60 // 8 + 64)
        assert BfvArithmetic(PRESETS[name]).check(part, sealer.plan.update_bits, count) == ""
    assert sealer.chunk == CIPHERTEXTS * capacity


def test_two_seals_of_the_same_values_share_nothing() -> None:
    sealer, values = BfvSealer(COMPACT, SEED), np.arange(-100, 100) // 2
    one, two = sealer.seal(values), BfvSealer(COMPACT, SEED).seal(values)
    words = [from_60_bits(np.frombuffer(part[:-64], dtype=np.uint8)) for part in (one, two)]
    assert one[-64:] != two[-64:] and int((words[0] == words[1]).sum()) <= 1
    assert np.array_equal(sealer.open(one, 8, 200, 1), sealer.open(two, 8, 200, 1))


def test_no_seed_is_used_twice_in_thousands() -> None:
    first, second, zero = BfvSealer(COMPACT, SEED), BfvSealer(COMPACT, SEED), np.zeros(1, dtype=np.int64)
    seeds = [sealer.seal(zero)[-64:] for sealer in (first, second) for _ in range(1000)]
    assert len(set(seeds)) == 2000
    words = np.frombuffer(b"".join(seeds), dtype="<u8")
    assert len(set(words.tolist())) == words.size  # nor is any of its eight words


def test_coefficients_look_uniform() -> None:
    part = BfvSealer(COMPACT, SEED).seal(np.zeros(3 * RING, dtype=np.int64))
    words = from_60_bits(np.frombuffer(part[:-64], dtype=np.uint8))
    assert abs(float((words / 2.0**60).mean()) - 0.5) < 0.03 and len(set(words.tolist())) == RING


def test_a_coefficient_of_the_modulus_or_more_is_refused() -> None:
    made = Bfv(COMPACT)
    for word, reason in ((made.modulus - 1, False), (made.modulus, True), ((1 << 60) - 1, True)):
        words = np.zeros(RING, dtype=np.uint64)
        words[77] = word
        part = to_60_bits(words).tobytes() + bytes(64)
        assert bool(made.check(part, fresh=True)) is reason
        if reason:
            with pytest.raises(CiphertextError, match="SEAL refuses"):
                made.load(part)


# ---------------------------------------------------------------------- another SEAL


@pytest.mark.parametrize("what", ["saved", "loaded", "header"])
def test_a_seal_that_lays_its_bytes_out_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    take, put, frame = Scratch.take, Scratch.put, Bfv._frame

    def swapped(data: Any) -> bytes:
        return np.frombuffer(bytes(data), dtype="<u8").byteswap().tobytes()

    match what:
        case "saved":

            def other(self: Scratch, thing: Any) -> bytes:
                saved = take(self, thing)
                return saved[: -8 * RING] + swapped(saved[-8 * RING :]) if len(saved) > 8 * RING else saved

            monkeypatch.setattr(Scratch, "take", other)
        case "loaded":
            monkeypatch.setattr(Scratch, "put", lambda self, a, b, *rest: put(self, a, b[::-1].tobytes(), *rest))
        case _:
            monkeypatch.setattr(Bfv, "_frame", staticmethod(lambda *a: (b"\0" + frame(*a)[0], frame(*a)[1])))
    with pytest.raises(CiphertextError, match="this SEAL does not lay its ciphertexts out as expected"):
        Bfv(COMPACT)


def test_a_fresh_ciphertext_laid_out_otherwise_never_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    sealer, take = BfvSealer(COMPACT, SEED), Scratch.take
    monkeypatch.setattr(
        bfv.Scratch, "take", lambda self, thing: take(self, thing)[:-70] + b"\1" + take(self, thing)[-69:]
    )
    with pytest.raises(CiphertextError, match=r"lay its fresh ciphertexts out|compresses every"):
        sealer.seal(np.arange(3))
