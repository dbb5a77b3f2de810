"""Victims and adapters of hospitals that protect their patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from research.attacks.controls import broken
from research.attacks.laboratory import Laboratory
from research.attacks.memory import privately
from research.attacks.private import PRIVACY, PrivateTrainer, private, trainer_for
from research.attacks.scores import AGGREGATOR, RELEASED, Score
from research.attacks.sizes import VICTIM
from research.attacks.trained import Bench


def test_noise_is_that_of_a_hospital_in_a_whole_run() -> None:
    small, large = (trainer_for(PRIVACY, units, 40).noise_multiplier for units in (40, 400))
    assert small > large > 0.2
    assert trainer_for(PRIVACY, 40, 400).noise_multiplier > small


def test_a_private_victim_trains_with_noise_that_nobody_can_draw_again(lab: Laboratory) -> None:
    sample = lab.samples(VICTIM, lab.size.real, 1)[0]
    first, again = (PrivateTrainer(4.0, batch=2)(lab, sample, lab.size.real) for _ in range(2))
    assert np.isfinite(first).all() and np.corrcoef(first, again)[0, 1] < 0.5  # Adam's own scales remain
    quiet = [PrivateTrainer(1e-6, batch=2)(lab, sample, lab.size.worst) for _ in range(2)]
    assert np.corrcoef(*quiet)[0, 1] > 0.999  # of one step: no sample is drawn, so what differs is the noise alone
    assert np.corrcoef(quiet[0], lab.train(sample, lab.size.worst))[0, 1] > 0.999
    loud = [PrivateTrainer(1.0)(lab, sample, lab.size.worst) for _ in range(2)]
    assert abs(np.corrcoef(*loud)[0, 1]) < 0.1
    assert "noise 1" in private(PrivateTrainer(1.0)).name


def test_the_bench_trains_privately_by_the_products_own_learner(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = bench.learner(bench.sites[0].hospital, bench.sites[0].member)
    asked = []
    monkeypatch.setattr(
        learner, "train_private", lambda start, version, noise: asked.append(noise) or learner.train(start, version, 0)
    )
    learner.privacy = PRIVACY
    privately(PRIVACY)(learner, bench.adapted.initial, 0, 0)
    assert asked[0] > 0.2 and learner.privacy.unit == "patient" and learner.privacy.clip == PRIVACY.clip


def test_a_control_that_was_not_run_is_not_missed() -> None:
    def found(attack: str, view: str) -> Score:
        return Score(attack, view, "fl", "long training", "AUC", 0.6, 0.5, 0.1, 0.0, 0.2, 10)

    assert broken([found("learned", AGGREGATOR)]) == {}
    assert "0.600" in broken([found("membership inference, loss", RELEASED)])["membership inference"]
    control = replace(found("span", AGGREGATOR), metric="tokens", note="24 distinct tokens, positive control")
    assert broken([replace(control, value=0.96)]) == {}
    assert "span tokens 0.940" in broken([replace(control, value=0.94)])["token recovery"]
