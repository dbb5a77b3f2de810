"""What the aggregator sees: the clear integers and no others, and ciphertext bytes that say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from research.attacks.laboratory import Laboratory
from research.attacks.observers import (
    CKKS_ALL,
    CLEAR_ALL,
    RANKINGS,
    REVERSED,
    SEALED_ALL,
    SENSITIVITY,
    Observer,
    Protection,
    clipped_noise,
    plan_of,
    sealing,
    sensitive,
)
from research.attacks.sizes import VICTIM


def test_clear_values_are_the_updates_up_to_rounding(lab: Laboratory) -> None:
    delta = lab.updates(VICTIM, lab.size.worst, 1)[0].delta
    seen = Observer(lab, lab.size.worst, CLEAR_ALL).see(delta)
    assert seen.clear.all() and not seen.sealed
    np.testing.assert_allclose(seen.values, delta, atol=1.01 * seen.unit)


@pytest.mark.parametrize("ranking", RANKINGS)
def test_what_is_clear_under_the_hybrid_policy_are_the_same_integers(lab: Laboratory, ranking: str) -> None:
    setting = lab.size.worst
    hybrid = sensitive(lab, 0.5, ranking)
    both = [Observer(lab, setting, p) for p in (CLEAR_ALL, hybrid)]
    delta = lab.updates(VICTIM, setting, 1)[0].delta
    integers, unit = both[0].integers(delta)
    clear, partly = (o.parse(o.payloads.seal(integers), unit) for o in both)
    np.testing.assert_array_equal(partly.values[partly.clear], clear.values[partly.clear])
    assert not partly.values[~partly.clear].any()
    blocks = np.array(hybrid.sealed(len(lab.layout.blocks)))
    np.testing.assert_array_equal(partly.blocks(lab), ~blocks)
    assert 0.5 <= 1 - partly.clear.mean() < 0.6 and sum(n for _, n in partly.sealed) == (~partly.clear).sum()


def test_rankings_seal_opposite_ends(lab: Laboratory) -> None:
    most, least = (np.array(sealing(lab, 0.3, ranking)) for ranking in (SENSITIVITY, REVERSED))
    assert not np.any(most & least)
    assert sensitive(lab, 0.0).policy == "none" and sensitive(lab, 1.0).policy == "all"


def test_nothing_clear_leaves_only_bytes(lab: Laboratory) -> None:
    delta = lab.updates(VICTIM, lab.size.real, 1)[0].delta
    for protection in (SEALED_ALL, CKKS_ALL):
        seen = Observer(lab, lab.size.real, protection).see(delta)
        assert not seen.clear.any() and not seen.values.any()
        assert seen.reading().shape == (lab.layout.total,) and seen.reading().std() > 0


def test_payloads_of_all_updates_have_one_size(lab: Laboratory) -> None:
    observer = Observer(lab, lab.size.real, SEALED_ALL)
    assert len({observer.see(update.delta).size for update in lab.updates(VICTIM, lab.size.real, 3)}) == 1


def test_a_linear_statistic_of_ciphertexts_predicts_nothing(lab: Laboratory) -> None:
    """Bytes of ciphertexts of one extreme update and of its opposite, told apart by a linear classifier: chance."""
    from sklearn.linear_model import RidgeClassifier

    observer, rng = Observer(lab, lab.size.real, SEALED_ALL), np.random.default_rng(0)
    q_max, rows, truth = plan_of(lab.size.real).q_max, [], []
    for number in range(60):
        integers = np.full(lab.layout.total, q_max if number % 2 else -q_max, dtype=np.int8)
        seen = observer.parse(observer.payloads.seal(integers), 1.0)
        rows.append(np.frombuffer(b"".join(data for data, _ in seen.sealed), np.uint8)[:40000].astype(np.float64))
        truth.append(number % 2)
    order = rng.permutation(60)
    table, labels = np.array(rows)[order], np.array(truth)[order]
    model = RidgeClassifier(alpha=1e5).fit(table[:40], labels[:40])
    assert 4 <= int((model.predict(table[40:]) == labels[40:]).sum()) <= 16  # 20 tries: outside by chance in 0.3 %


def test_noise_clips_before_it_is_added() -> None:
    rng = np.random.default_rng(0)
    delta = np.full(10000, 5.0, np.float32)
    assert np.isclose(np.linalg.norm(clipped_noise(2.0, 0.0)(delta, rng)), 2.0, rtol=1e-4)
    assert np.isclose(clipped_noise(2.0, 3.0)(delta, rng).std(), 6.0, rtol=0.05)


def test_noise_reaches_what_is_seen(lab: Laboratory) -> None:
    drowned = Protection("noise", noise=lambda delta, rng: np.ones_like(delta))
    delta = lab.updates(VICTIM, lab.size.worst, 1)[0].delta
    np.testing.assert_allclose(Observer(lab, lab.size.worst, drowned).see(delta).values, 1.0, atol=1e-6)
