"""Victims and adapters of hospitals that protect their patients."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.attacks.laboratory import Laboratory
from evaluation.attacks.memory import failed_controls, privately
from evaluation.attacks.private import PRIVACY, PrivateTrainer, private, trainer_for
from evaluation.attacks.scores import AGGREGATOR, RELEASED, Score
from evaluation.attacks.sizes import VICTIM
from evaluation.attacks.trained import Bench


def test_noise_is_that_of_a_hospital_in_a_whole_run() -> None:
    small, large = (trainer_for(PRIVACY, units, 40).noise_multiplier for units in (40, 400))
    assert small > large > 0.2
    assert trainer_for(PRIVACY, 40, 400).noise_multiplier > small


def test_a_private_victim_trains_with_noise_that_nobody_can_draw_again(lab: Laboratory) -> None:
    sample = lab.samples(VICTIM, lab.size.real, 1)[0]
    first, again = (PrivateTrainer(1.0, batch=2)(lab, sample, lab.size.real) for _ in range(2))
    assert np.isfinite(first).all() and not np.array_equal(first, again)
    plain = lab.train(sample, lab.size.real)
    assert abs(np.corrcoef(first, again)[0, 1]) < abs(np.corrcoef(plain, lab.train(sample, lab.size.real))[0, 1])
    assert private(PrivateTrainer(1.0)).trainer is not None


def test_the_bench_trains_privately_by_the_products_own_learner(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = bench._learner(bench.sites[0].hospital, bench.sites[0].member)
    asked = []
    monkeypatch.setattr(
        learner, "train_private", lambda start, version, noise: asked.append(noise) or learner.train(start, version, 0)
    )
    learner.privacy = PRIVACY
    privately(PRIVACY)(learner, bench.shop.initial, 0, 0)
    assert asked[0] > 0.2 and learner.privacy.unit == "patient" and learner.privacy.clip == PRIVACY.clip


def test_a_control_that_was_not_run_is_not_missed() -> None:
    def found(attack: str, view: str) -> Score:
        return Score(attack, view, "fl", "long training", "AUC", 0.6, 0.5, 0.1, 0.0, 0.2, 10)

    assert failed_controls([found("learned", AGGREGATOR)]) == []
    assert any("0.600" in text for text in failed_controls([found("membership inference, loss", RELEASED)]))
