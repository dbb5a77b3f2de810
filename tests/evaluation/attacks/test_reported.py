"""What the aggregator is told: made-up worlds whose answer is known, and a few real trainings."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.attacks.patients import part
from evaluation.attacks.reported import FACTS, MARGIN, SEALED, Workbench, World, features, judged, run, worlds
from evaluation.attacks.scores import AGGREGATOR, NETWORK
from evaluation.attacks.statistics import auc
from evaluation.attacks.trained import Bench


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


def test_real_updates_of_known_hospitals_tell_by_their_number_of_examples(bench: Bench) -> None:
    work = Workbench(bench, part(bench.sites[0].shadow, range(10)))
    found, pairs = worlds(work, 6, np.random.default_rng(4), known=True)
    excess = np.array([w.facts[0] - w.others[0] for w in found])
    notes = np.array([w.patient[0] for w in found])
    inside = np.array([w.inside for w in found])
    assert np.array_equal(excess, np.where(inside, notes, 0)) and inside.sum() == 3
    assert pairs.tolist() == [0, 0, 1, 1, 2, 2]
    assert all(np.array_equal(a.others, b.others) for a, b in zip(found[::2], found[1::2], strict=True))
    assert len(set(work.bytes)) == 1 and len(work.bytes) == SEALED and work.bytes[0] > 70_000


def test_every_attacker_has_a_row(bench: Bench) -> None:
    unknown, known, counted, network = run(bench)
    assert {s.view for s in (unknown, known, counted)} == {AGGREGATOR} and unknown.samples == 10
    assert "examples" in counted.note and "examples" not in known.note.split(";")[0] + unknown.note.split(";")[0]
    assert network.view == NETWORK and network.note.startswith("facts: seconds;")
    assert unknown.low <= unknown.value - 0.5 <= unknown.high and unknown.margin == MARGIN
