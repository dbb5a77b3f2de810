"""The toy learner: its optimum is known, and it is the same every time."""

import numpy as np
import pytest

from crossward.config.schedule import Schedule
from crossward.simulation.toy import ToyLearner, toy_identity

SCHEDULE = Schedule(versions=10, local_steps=5, peak=0.5)


def test_training_moves_towards_the_nodes_own_target_within_the_public_range() -> None:
    toy = ToyLearner(3, SCHEDULE, 9)
    assert toy.sizes == (4, 5) and toy.initial().tolist() == [0.0] * 9
    trained = toy.train(toy.initial(), 2, np.random.default_rng(0))
    assert np.abs(trained.vector).max() <= SCHEDULE.value_range(0)
    assert np.mean((trained.vector - toy.target) ** 2) < np.mean(toy.target**2)
    assert (trained.num_tokens, trained.num_examples, trained.steps) == (50, 10, 5)


def test_measures_are_the_loss() -> None:
    toy = ToyLearner(3, SCHEDULE)
    got = toy.evaluate({"global": toy.target, "base": toy.initial()})
    assert got["global"].loss == 0.0
    assert got["base"].loss == pytest.approx(0.5 * np.mean(toy.target.astype(float) ** 2), rel=1e-6)


def test_a_number_is_a_node() -> None:
    assert np.array_equal(ToyLearner(3, SCHEDULE).target, ToyLearner(3, SCHEDULE).target)
    assert not np.array_equal(ToyLearner(3, SCHEDULE).target, ToyLearner(4, SCHEDULE).target)
    keys = [toy_identity(n).public_key().public_bytes_raw() for n in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]
