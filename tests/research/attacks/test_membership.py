"""Membership inference: the scores by hand, losses made up, and one tiny real training."""

from __future__ import annotations

import numpy as np
import pytest

from research.attacks.detection import auc, tpr_at_fpr
from research.attacks.membership import FPR, MARGIN_AUC, Losses, measured, rows, scored
from research.attacks.scores import HOSPITAL, RELEASED
from research.attacks.trained import LONG, Bench


def made_up(shift: float, count: int, rng: np.random.Generator, hard: float = 1.0) -> Losses:
    """Patients who differ by ``hard`` in how difficult they are; training took ``shift`` off their loss."""
    ease = rng.normal(2.0, hard, count)

    def under(change: float) -> np.ndarray:
        return ease + change + rng.normal(0, 0.1, count)

    versions = np.stack([under(-shift / 2), under(-shift)])
    return Losses(under(1.0), versions, np.stack([under(0.0), under(0.0)]))


def test_scores_by_hand() -> None:
    found = Losses(np.array([3.0, 4.0]), np.array([[2.0, 3.0], [1.0, 3.5]]), np.array([[2.0, 2.5], [4.0, 3.5]]))
    other = Losses(np.array([3.0]), np.array([[2.0], [2.0]]), np.array([[2.0], [2.0]]))
    loss = scored((found, other), "loss")
    assert loss.member.tolist() == [-1.0, -3.5] and loss.member_guess.tolist() == [-3.0, -4.0]
    reference = scored((found, other), "reference")  # usual losses: 3, 3
    assert reference.member.tolist() == [2.0, -0.5] and reference.member_guess.tolist() == [0.0, -1.0]
    trajectory = scored((found, other), "trajectory")
    assert trajectory.member.tolist() == [1.5, -0.25] and trajectory.nonmember.tolist() == [0.0]


def test_a_reference_finds_what_difficulty_hides() -> None:
    rng = np.random.default_rng(1)
    losses = made_up(0.5, 150, rng), made_up(0.0, 150, rng)
    found = {(s.attack.split(", ")[1], s.metric): s for s in rows(losses, "fl", LONG, rng)}
    plain, calibrated = found["loss", "AUC"], found["reference", "AUC"]
    assert calibrated.value > 0.95 > 0.75 > plain.value
    assert calibrated.low > 0.3 and calibrated.equivalent is False
    attack = scored(losses, "reference")
    assert calibrated.value == auc(attack.member, attack.nonmember)
    assert found["reference", "TPR at 1% FPR"].value == tpr_at_fpr(attack.member, attack.nonmember, FPR)
    for row in found.values():
        assert row.gain == pytest.approx(row.value - row.guess) and row.low <= row.gain <= row.high
        assert row.samples == 300 and row.view == (HOSPITAL if "trajectory" in row.attack else RELEASED)
        if row.metric == "AUC":
            assert abs(row.guess - 0.5) < 0.1


def test_losses_that_tell_nothing_are_equivalent_to_a_guess() -> None:
    rng = np.random.default_rng(2)
    losses = made_up(0.0, 400, rng, hard=3.0), made_up(0.0, 400, rng, hard=3.0)
    found = next(s for s in rows(losses, "fl", LONG, rng) if s.metric == "AUC")
    assert found.equivalent and found.low < 0.0 < found.high and found.margin == MARGIN_AUC


def test_with_few_nonmembers_no_rate_of_one_in_a_hundred_is_claimed() -> None:
    rng = np.random.default_rng(3)
    losses = made_up(0.5, 50, rng), made_up(0.0, 99, rng)
    assert {s.metric for s in rows(losses, "fl", LONG, rng)} == {"AUC"}


@pytest.mark.parametrize(("members", "shown"), [(8, False), (50, False), (200, True)])
def test_few_members_of_whom_none_is_found_do_not_prove_that_none_can_be(members: int, shown: bool) -> None:
    def patients(loss: np.ndarray) -> Losses:
        return Losses(loss + 1.0, np.stack([loss, loss]), np.stack([loss, loss]))

    nobody = patients(np.linspace(3.0, 4.0, members)), patients(np.linspace(1.0, 2.0, 100))
    row = next(s for s in rows(nobody, "fl", LONG, np.random.default_rng(5)) if s.metric == "TPR at 1% FPR")
    assert (row.value, row.gain, row.low, row.equivalent) == (0.0, 0.0, 0.0, shown)
    assert row.high == pytest.approx(1.0 - 0.025 ** (1.0 / members))  # Clopper-Pearson's where none is found


def test_a_tiny_overfitted_adapter_gives_its_patients_away(bench: Bench) -> None:
    losses = measured(bench, LONG, "fl")
    found = {s.attack.split(", ")[1]: s for s in rows(losses, "fl", LONG, np.random.default_rng(4))}
    assert found["reference"].value > 0.7 and found["reference"].gain > 0.1
    learnt = [float((group.base - group.versions[-1]).mean()) for group in losses]
    assert learnt[0] > learnt[1] + 0.1 > 0.1  # nats a token that training took off members' and nonmembers' notes
    assert found["reference"].samples == len(bench.target(LONG).member.patient_ids) + 10
    assert losses[0].versions.shape == (2, len(bench.target(LONG).member.patient_ids))
