"""What held-out reports tell of a patient: all of it when exact, next to nothing with the noise that nodes add."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from client_app.update.held_out_loss import HeldOutReports
from research.attacks.controls import broken
from research.attacks.detection import auc
from research.attacks.held_out import CHANNELS, EXACTLY, KNOWN, NAME, UNKNOWN, Exact, Noisy, attack, losses_over, run
from research.attacks.scores import AGGREGATOR
from research.attacks.trained import Bench

LOSSES = 2.5 + np.random.default_rng(3).normal(0, 0.5, (120, 1)) + np.random.default_rng(4).normal(0, 0.1, (120, 12))


def found(channel: object, patients: int, worlds: int) -> dict[str, float]:
    scores, inside, who = attack(channel, LOSSES, patients, worlds, np.random.default_rng(5))  # type: ignore[arg-type]
    assert inside.sum() == worlds // 2 and len(np.unique(who)) == min(worlds // 2, len(LOSSES))
    return {name: auc(one[inside], one[~inside]) for name, one in scores.items()}


def test_exact_means_give_a_patient_away_and_noisy_ones_do_not() -> None:
    exact, noisy = found(Exact(), 12, 200), found(Noisy(), 12, 200)
    assert exact[KNOWN] > 0.95 and exact[UNKNOWN] > 0.55
    assert noisy[KNOWN] < 0.65 and noisy[UNKNOWN] < 0.62


def test_the_likelihood_is_that_of_the_noise_that_was_drawn(tmp_path: Path) -> None:
    """The reports are the node's own; under the losses that they were made of, the noise comes out again."""
    normals = np.random.default_rng(6).standard_normal(12)
    node = HeldOutReports(tmp_path / "x.json", lambda version: float(normals[version]), durable=False)
    losses = LOSSES[:40]
    told = [node.report(losses[:, version].tolist(), version, 12) for version in range(12)]
    reports = np.array([one.value for one in told if one is not None])
    assert Noisy().likelihood(reports, losses) == pytest.approx(-float((normals**2).sum()) / 2, rel=1e-6)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
def test_a_channels_reports_are_likely_under_the_losses_they_are_of(channel: object) -> None:
    rng = np.random.default_rng(7)
    right = wrong = 0.0
    for _ in range(20):
        reports = channel.report(LOSSES[:30], rng)  # type: ignore[attr-defined]
        right += channel.likelihood(reports, LOSSES[:30])  # type: ignore[attr-defined]
        wrong += channel.likelihood(reports, LOSSES[:30] + 0.8)  # type: ignore[attr-defined]
    assert right > wrong


def test_every_channel_is_attacked_and_the_control_is_looked_at(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "size", dataclasses.replace(bench.size, held_out=(10,), reports=2, report_worlds=20))
    assert losses_over(bench, 2).shape[1] == 2
    scores = run(bench)
    assert (
        len(scores) == 2 * len(CHANNELS)
        and {s.view for s in scores} == {AGGREGATOR}
        and {s.attack for s in scores} == {NAME}
    )
    control = [s for s in scores if s.setting.endswith(f"{KNOWN}; {EXACTLY}")]
    assert len(control) == 1 and NAME in broken([dataclasses.replace(control[0], value=0.6)])
    assert NAME not in broken([dataclasses.replace(control[0], value=0.99)])
