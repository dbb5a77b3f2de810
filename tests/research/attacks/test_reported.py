"""What the aggregator is told: made-up worlds whose answer is known, and a few real trainings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from client_app.training.trained import Trained, coarse
from research.attacks.detection import auc, auc_interval
from research.attacks.patients import part
from research.attacks.reported import (
    FACTS,
    FILTER,
    MARGIN,
    SEALED,
    Workbench,
    World,
    as_reported,
    auc_intervals,
    features,
    judged,
    matched,
    power,
    run,
    taught,
    worlds,
)
from research.attacks.scores import AGGREGATOR, NETWORK
from research.attacks.trained import FULL, Bench


def made_up(count: int, leak: float, rng: np.random.Generator) -> tuple[list[World], np.ndarray]:
    """Worlds whose mean loss is drawn by ``leak`` towards the patient's."""
    found = []
    for number in range(count):
        patient = np.array([rng.integers(1, 5), rng.integers(100, 900), rng.normal(3.5, 0.2)])
        others = np.array([10.0, 3000.0, 3.5])
        loss = 3.5 + (number % 2) * leak * (patient[2] - 3.5) + rng.normal(0, 0.05)
        facts = np.array([10.0, 500.0, loss, 0.0, rng.normal(1.0, 0.1)])
        found.append(World(facts, patient, others, bool(number % 2)))
    return found, np.repeat(np.arange(count // 2), 2).astype(np.float64)


@pytest.mark.parametrize("known", [False, True])
def test_a_loss_drawn_towards_the_patients_is_found(known: bool) -> None:
    worlds, pairs = made_up(600, 1.0, np.random.default_rng(1))
    inside, teaching = np.array([w.inside for w in worlds]), taught(pairs)
    scores = judged(features(worlds, known), inside, teaching)
    assert auc(scores[inside[~teaching]], scores[~inside[~teaching]]) > 0.7
    scores = matched(worlds, known)
    assert auc(scores[inside], scores[~inside]) > 0.8


def test_the_filter_knows_what_is_expected_of_others() -> None:
    """By hand: others at 3, P at 5, and 3 or 4 nats reported."""
    rest = np.array([10.0, 3000.0, 3.0]), np.array([2.0, 300.0, 5.0])
    found = [World(np.array([1.0, 1.0, loss, 0.0, 1.0]), rest[1], rest[0], loss > 3.0) for loss in (3.0, 4.0)]
    assert matched(found, True).tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("known", [False, True])
def test_the_filter_is_not_blinded_by_what_training_takes_off_every_loss(known: bool) -> None:
    worlds, _ = made_up(600, 0.5, np.random.default_rng(9))
    inside = np.array([w.inside for w in worlds])
    lower = [replace(w, facts=w.facts - np.array([0.0, 0.0, 0.3, 0.0, 0.0])) for w in worlds]
    scores = [matched(found, known) for found in (worlds, lower)]
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-9)
    assert auc(scores[1][inside], scores[1][~inside]) > 0.7


def test_the_aggregator_is_told_what_a_node_tells() -> None:
    worlds, _ = made_up(40, 1.0, np.random.default_rng(7))
    assert as_reported(worlds, 1.0) is worlds
    for world, rounded in zip(worlds, as_reported(worlds, 1.5), strict=True):
        sent = coarse(Trained(np.zeros(1, np.float32), 1, 100, float(world.facts[2]) * 100, 1), 1.5)
        assert rounded.facts[2] == pytest.approx(sent.loss_sum / 100) and rounded.facts[2] != world.facts[2]
        assert np.array_equal(np.delete(rounded.facts, 2), np.delete(world.facts, 2))


def test_nothing_is_found_where_there_is_nothing() -> None:
    worlds, pairs = made_up(900, 0.0, np.random.default_rng(2))
    inside, teaching = np.array([w.inside for w in worlds]), taught(pairs)
    assert teaching.sum() == 300
    scores = judged(features(worlds, False), inside, teaching)
    assert 0.42 < auc(scores[inside[~teaching]], scores[~inside[~teaching]]) < 0.58
    assert 0.42 < auc(matched(worlds, False)[inside], matched(worlds, False)[~inside]) < 0.58


def test_intervals_of_a_learned_attack_that_knows_nothing_hold_nothing_as_often_as_they_say() -> None:
    rng, covered = np.random.default_rng(8), 0
    who = np.repeat(np.arange(60.0), 2)
    inside, teaching = np.arange(120) % 2 == 0, taught(who)
    for _ in range(60):
        scores = judged(rng.normal(size=(120, 12)), inside, teaching)
        (low, high), _ = auc_intervals(scores, inside[~teaching], who[~teaching])
        covered += low <= 0.5 <= high
    assert covered >= 52  # 57 are expected


def test_who_knows_the_others_subtracts_them() -> None:
    worlds, _ = made_up(40, 1.0, np.random.default_rng(3))
    fewer = features(worlds, True, FACTS[1:])
    assert features(worlds, True).shape == (40, 5 + 3 + 15) and fewer.shape == (40, 4 + 3 + 12)
    assert np.all(features(worlds, True)[:, 0] == 0.0)  # the same count in all worlds tells nothing


def test_worlds_of_one_patient_all_teach_or_are_all_judged() -> None:
    who = np.repeat(np.random.default_rng(5).permutation(40), 10).astype(np.float64)
    teaching = taught(who)
    assert not set(who[teaching]) & set(who[~teaching]) and len(set(who[teaching])) == 14


def test_the_aucs_interval_is_by_patient() -> None:
    covered = narrow = 0
    rng = np.random.default_rng(6)
    for _ in range(40):
        who = np.repeat(np.arange(30.0), 8)
        inside = np.repeat(np.arange(30) % 2 == 0, 8)  # worlds of one patient are alike, which DeLong does not know
        scores = rng.normal(0, 1, 30)[who.astype(int)] + rng.normal(0, 0.3, 240)
        (low, high), inner = auc_intervals(scores, inside, who)
        covered += low <= 0.5 <= high
        exact = auc_interval(scores[inside], scores[~inside])
        narrow += exact[0] <= 0.5 <= exact[1]
        assert low <= inner[0] <= inner[1] <= high
    assert covered >= 34 and narrow < 26
    for level in auc_intervals(np.arange(10.0), np.arange(10) > 4, np.arange(10.0)):
        assert level[0] < 0.9 and level[1] == 1.0  # a bootstrap alone would be certain


def test_the_power_is_that_of_the_worlds_there_are() -> None:
    assert FULL.worlds == 1800 and power(FULL.worlds * 2 // 3) == pytest.approx(
        0.825, abs=0.001
    )  # as the margin's comment says
    assert power(40) == 0.0


def test_real_updates_of_known_hospitals_report_their_number_of_examples_as_a_power_of_two(bench: Bench) -> None:
    work = Workbench(bench, part(bench.sites[0].shadow, range(10)), 4, 1)
    found, who = worlds(work, 6, np.random.default_rng(4), known=True)
    assert {w.facts[0] for w in found} == {16.0}  # whatever the others have, and with the patient or without
    notes = np.array([w.patient[0] for w in found])
    inside = np.array([w.inside for w in found])
    assert inside.sum() == 3
    assert all(a == b for a, b in zip(who[::2], who[1::2], strict=True)) and len(set(who)) == 3
    assert np.array_equal(notes, work.notes[who.astype(int)])
    assert all(np.array_equal(a.others, b.others) for a, b in zip(found[::2], found[1::2], strict=True))
    assert len(set(work.bytes)) == 1 and len(work.bytes) == SEALED and work.bytes[0] > 70_000


def test_every_attacker_has_a_row_for_every_size(bench: Bench) -> None:
    found = run(bench)
    assert len(found) == 16 and all("hospital of 5 patients" in s.setting for s in found[:8])
    assert all("hospital of 3 patients" in s.setting and "2 steps" in s.note for s in found[8:])
    exact, loss, known_exact, known_loss, unknown, known, counted, network = found[:8]
    assert "loss grid 1;" in exact.note and "exactly" in known_exact.setting and "exactly" not in loss.setting
    assert {s.view for s in (loss, known_loss, unknown, known, counted)} == {AGGREGATOR}
    assert {s.attack for s in (loss, known_loss)} == {FILTER} and {s.samples for s in (loss, known_loss)} == {12}
    assert unknown.samples == known.samples == network.samples == 8
    assert "examples" in counted.note and "examples" not in known.note.split(";")[0] + unknown.note.split(";")[0]
    assert network.view == NETWORK and network.note.startswith("facts: seconds;")
    assert unknown.low <= unknown.value - 0.5 <= unknown.high and unknown.margin == MARGIN


def test_too_few_patients_for_the_worlds_are_named(bench: Bench) -> None:
    with pytest.raises(
        ValueError, match="worlds of 20 other patients need 42 to draw from, there are 10: lower cohorts"
    ):
        Workbench(bench, part(bench.sites[0].shadow, range(10)), 20, 1)
