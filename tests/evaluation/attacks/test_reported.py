"""What the aggregator is told: made-up worlds whose answer is known, and a few real trainings."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.attacks.detection import auc, auc_interval
from evaluation.attacks.patients import part
from evaluation.attacks.reported import (
    FACTS,
    MARGIN,
    SEALED,
    Workbench,
    World,
    auc_intervals,
    features,
    judged,
    power,
    run,
    worlds,
)
from evaluation.attacks.scores import AGGREGATOR, NETWORK
from evaluation.attacks.statistics import sample_size
from evaluation.attacks.trained import FULL, Bench


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
    worlds, pairs = made_up(300, 1.0, np.random.default_rng(1))
    inside = np.array([w.inside for w in worlds])
    scores = judged(features(worlds, known), inside, pairs)
    assert auc(scores[inside], scores[~inside]) > 0.8


def test_nothing_is_found_where_there_is_nothing() -> None:
    worlds, pairs = made_up(600, 0.0, np.random.default_rng(2))
    inside = np.array([w.inside for w in worlds])
    scores = judged(features(worlds, False), inside, pairs)
    assert 0.42 < auc(scores[inside], scores[~inside]) < 0.58


def test_who_knows_the_others_subtracts_them() -> None:
    worlds, _ = made_up(40, 1.0, np.random.default_rng(3))
    fewer = features(worlds, True, FACTS[1:])
    assert features(worlds, True).shape == (40, 5 + 3 + 15) and fewer.shape == (40, 4 + 3 + 12)
    assert np.all(features(worlds, True)[:, 0] == 0.0)  # the same count in all worlds tells nothing


def test_worlds_of_one_patient_are_never_apart() -> None:
    rng = np.random.default_rng(5)
    who = np.repeat(rng.permutation(40), 10).astype(np.float64)
    values = rng.normal(0, 1, (40, 30))[who.astype(int)]  # a patient's features are those of all its worlds
    inside = (who % 2).astype(bool) ^ (rng.random(400) < 0.1)  # and so, nearly, is the answer
    scores = judged(values, inside, who)
    assert auc(scores[inside], scores[~inside]) < 0.7
    apart = judged(values, inside, np.arange(400.0))
    assert auc(apart[inside], apart[~inside]) > 0.8


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
    assert FULL.worlds == 1200 and power(FULL.worlds) == pytest.approx(0.825, abs=0.001)  # as the margin's comment says
    assert power(40) == 0.0
    for wanted in (0.82, 0.93):
        count = 2 * sample_size(MARGIN, (1 / 6) ** 0.5, wanted)
        assert power(count) == pytest.approx(wanted, abs=0.01)


def test_real_updates_of_known_hospitals_tell_by_their_number_of_examples(bench: Bench) -> None:
    work = Workbench(bench, part(bench.sites[0].shadow, range(10)))
    found, who = worlds(work, 6, np.random.default_rng(4), known=True)
    excess = np.array([w.facts[0] - w.others[0] for w in found])
    notes = np.array([w.patient[0] for w in found])
    inside = np.array([w.inside for w in found])
    assert np.array_equal(excess, np.where(inside, notes, 0)) and inside.sum() == 3
    assert all(a == b for a, b in zip(who[::2], who[1::2], strict=True)) and len(set(who)) == 3
    assert np.array_equal(notes, work.notes[who.astype(int)])
    assert all(np.array_equal(a.others, b.others) for a, b in zip(found[::2], found[1::2], strict=True))
    assert len(set(work.bytes)) == 1 and len(work.bytes) == SEALED and work.bytes[0] > 70_000


def test_every_attacker_has_a_row(bench: Bench) -> None:
    unknown, known, counted, network = run(bench)
    assert {s.view for s in (unknown, known, counted)} == {AGGREGATOR} and unknown.samples == 10
    assert "examples" in counted.note and "examples" not in known.note.split(";")[0] + unknown.note.split(";")[0]
    assert network.view == NETWORK and network.note.startswith("facts: seconds;")
    assert unknown.low <= unknown.value - 0.5 <= unknown.high and unknown.margin == MARGIN
