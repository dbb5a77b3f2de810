"""No patient is ever in two hospitals, or in training and test; nothing but ids and the seed decides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.splits import dirichlet, even, held_out, merged_groups, sites_of_patients, uniforms

IDS = st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=80, unique=True)


@given(IDS, st.integers(0, 9), st.floats(0.01, 0.9))
def test_held_out_leaves_both_parts_and_ignores_order(ids: list[str], seed: int, fraction: float) -> None:
    test = held_out(ids, seed, fraction)
    assert 0 < test.sum() < len(ids)
    turned = held_out(ids[::-1], seed, fraction)
    assert test.tolist() == turned[::-1].tolist()


def test_held_out_patients_stay_held_out_when_others_are_added() -> None:
    before = [str(i) for i in range(200)]
    after = [*before, *(f"new-{i}" for i in range(100))]
    assert held_out(before, 3, 0.2).tolist() == held_out(after, 3, 0.2)[:200].tolist()
    assert 0.1 < held_out(after, 3, 0.2).mean() < 0.3
    assert held_out(before, 3, 0.2).tolist() != held_out(before, 4, 0.2).tolist()


def test_one_patient_cannot_be_split() -> None:
    with pytest.raises(DataError, match="at least two"):
        held_out(["a"], 0, 0.2)


def test_uniforms_are_uniform_and_differ_by_purpose() -> None:
    ids = [str(i) for i in range(4000)]
    numbers = uniforms(ids, 0, "test")
    assert abs(numbers.mean() - 0.5) < 0.02 and numbers.min() >= 0 and numbers.max() < 1
    assert abs(np.corrcoef(numbers, uniforms(ids, 0, "even"))[0, 1]) < 0.05


def test_a_patient_of_two_sites_goes_where_most_notes_are() -> None:
    patient = np.array([0, 0, 0, 1, 1, 2, 3])
    site = np.array([1, 1, 0, 0, 1, -1, 2])
    assert sites_of_patients(patient, site, 4, 3).tolist() == [1, 0, -1, 2]


def test_sites_merge_into_balanced_groups() -> None:
    groups = merged_groups([5, 40, 30, 20, 15], 3)
    assert sorted(site for group in groups for site in group) == [0, 1, 2, 3, 4]
    assert groups == [[1], [2, 0], [3, 4]]


@settings(max_examples=40)
@given(
    st.lists(st.integers(-1, 4), min_size=40, max_size=120),
    st.integers(1, 6),
    st.floats(0.05, 10),
    st.integers(0, 5),
)
def test_dirichlet_gives_every_patient_one_hospital_and_every_hospital_enough(
    groups: list[int], hospitals: int, alpha: float, seed: int
) -> None:
    found = dirichlet([str(i) for i in range(len(groups))], np.array(groups), hospitals, alpha, 5, seed)
    sizes = np.bincount(found, minlength=hospitals)
    assert len(sizes) == hospitals and sizes.min() >= 5 and sizes.sum() == len(groups)


def test_dirichlet_skews_more_with_a_smaller_alpha() -> None:
    ids, groups = [str(i) for i in range(600)], np.arange(600) % 4

    def largest_share(alpha: float) -> float:
        shares = []
        for seed in range(5):
            found = dirichlet(ids, groups, 4, alpha, 5, seed)
            for hospital in range(4):
                there = np.bincount(groups[found == hospital], minlength=4)
                shares.append(there.max() / there.sum())
        return float(np.mean(shares))

    assert largest_share(0.1) > largest_share(100.0) + 0.2
    assert largest_share(100.0) < 0.4


def test_dirichlet_says_when_there_are_too_few_patients() -> None:
    with pytest.raises(DataError, match="19 patients cannot make 4 hospitals of at least 5"):
        dirichlet([str(i) for i in range(19)], np.zeros(19, dtype=np.int64), 4, 1.0, 5, 0)


@given(IDS, st.integers(1, 5), st.integers(0, 3))
def test_even_deals_out_evenly(ids: list[str], hospitals: int, seed: int) -> None:
    sizes = np.bincount(even(ids, hospitals, seed), minlength=hospitals)
    assert sizes.max() - sizes.min() <= 1
