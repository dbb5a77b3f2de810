"""Counts come back as the exact sum of what hospitals stated, through weights, dithers and float32; lies are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_app.profile.coding import LEAST, UNIT, Coding, ProfileError
from crossward.encryption.plan import FieldPlan


def coding(hospitals: int) -> Coding:
    return Coding(hospitals, FieldPlan(24, 8, 0))


def version(one: Coding, vectors: list[np.ndarray], most: int = 0, dithers: np.ndarray | int = 0) -> np.ndarray:
    """What a node makes of a version of ``vectors``: integers, the same weight for each, dithers less their mean."""
    plan = one.plan
    weight = (most or plan.total_weight) // one.hospitals
    summed = sum(weight * np.rint(vector.astype(float) * plan.q_max).astype(np.int64) for vector in vectors)
    return ((summed + dithers) * (1.0 / plan.q_max / plan.total_weight)).astype(np.float32)


@settings(max_examples=60)
@given(st.integers(3, 64), st.integers(0, 3), st.booleans(), st.integers(0, 1 << 32), st.integers(0, 12))
def test_a_sum_is_exact_whatever_dithers_and_weights_it_has(
    hospitals: int, away: int, less: bool, seed: int, carriers: int
) -> None:
    one, rng = coding(hospitals), np.random.default_rng(seed)
    taking_part = max(hospitals - away, 3)
    counts = [rng.integers(0, rng.choice([30, 3000, one.most]), 5) for _ in range(taking_part)]
    whole = one.plan.total_weight
    dithers = rng.integers(0, whole - 1, (carriers, 11)).sum(axis=0) - carriers * one.plan.dither_mean
    found = one.decode(version(one, [one.encode(c) for c in counts], whole - less, dithers))
    stated = [one.rounded(c) for c in counts]
    assert found.hospitals == taking_part
    assert (found.counts == sum(stated)).all()
    assert (found.having == sum((c > 0).astype(int) for c in stated)).all()


def test_small_cells_are_nought_and_others_rounded() -> None:
    one = coding(4)
    counts = np.array([-7, 0, 1, LEAST - 1, LEAST, 14, 15, 24, 25, 1000, 1004, 10**9])
    assert one.rounded(counts).tolist() == [0, 0, 0, 0, 10, 10, 20, 20, 30, 1000, 1000, one.most]
    assert one.most % UNIT == 0 and one.most > 1_000_000
    assert one.encode(counts).dtype == np.float32 and 0 <= one.encode(counts).min() <= one.encode(counts).max() == 1


def test_what_is_no_sum_of_counts_is_refused() -> None:
    one = coding(4)
    honest = [one.encode(np.array([100, 200, 0])) for _ in range(3)]
    assert one.decode(version(one, honest)).counts.tolist() == [300, 600, 0]
    negative = np.array([1, -1, 0, 0, 0, 0, 0], np.float32)
    for liar in (honest[0] / 2, negative, np.ones(7, np.float32)):
        with pytest.raises(ProfileError):
            one.decode(version(one, [*honest[:2], liar]))


@pytest.mark.parametrize("hospitals", [3, 4, 7, 15, 51, 63])
def test_no_dithers_of_a_dozen_carriers_are_mistaken_for_a_count(hospitals: int) -> None:
    one, rng = coding(hospitals), np.random.default_rng(hospitals)
    counts = [rng.integers(0, 50_000, 40) for _ in range(hospitals)]
    worst = rng.choice([-6, 6], 81) * one.plan.total_weight
    found = one.decode(version(one, [one.encode(c) for c in counts], 0, worst))
    assert (found.counts == sum(one.rounded(c) for c in counts)).all()
