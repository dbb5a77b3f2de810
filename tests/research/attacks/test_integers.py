"""The integers of a run are the ones that its hospitals sent and its versions are made of."""

from __future__ import annotations

import numpy as np
import pytest

from crossward.evaluation.replay import EvaluationError
from research.attacks.integers import Run, run
from research.attacks.separation import dithered
from research.compare.memory import Memory

from .conftest import RUN


def test_versions_open_to_the_weighted_sums_of_what_was_sent_and_a_dither(three: Run) -> None:
    plan, noise = three.plan, dithered(three.plan.total_weight)
    assert len(three.versions) == 2 and len(three.sizes) == 56 and sum(three.sizes) == 77_824
    for version in three.versions:
        assert len(set(version.sites)) == 3 and version.values.shape == (3, 77_824)
        assert sum(version.weights) == plan.total_weight and max(version.weights) <= three.heaviest
        assert 1 < np.abs(version.values).max() <= plan.q_max
        assert np.array_equal(version.exact, sum(w * q for w, q in zip(version.weights, version.values, strict=True)))
        apart = version.opened - version.exact
        assert apart.min() == noise.first and apart.max() == noise.last
        assert abs(apart.mean()) < 5 * apart.std() / np.sqrt(apart.size)
    assert not np.array_equal(three.versions[0].values, three.versions[1].values)


def test_a_run_is_the_same_again_and_trains_nothing_that_is_remembered(three: Run) -> None:
    memory = Memory()
    again = run(1, 3, RUN, memory)
    assert np.array_equal(again.versions[0].values, three.versions[0].values)
    assert again.versions[0].weights == three.versions[0].weights
    trained = len(memory.trained)
    assert trained == 4
    lines: list[str] = []
    given = {"strategy.buffer-size": 4, "strategy.min-contributors": 4, "strategy.min-nodes": 4}
    four = run(1, 3, RUN | given, memory, say=lines.append)
    assert four.versions[0].values.shape[0] == 4 and len(memory.trained) == trained and lines == ["version 1 of 1"]


def test_a_run_that_ends_early_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="ended at version 1 of 2"):
        run(2, 3, RUN | {"strategy.num-versions": 1})


def test_a_task_that_fails_is_an_error() -> None:
    with pytest.raises(EvaluationError, match=r"a task of the attacked run failed \(failed\): .*DataError"):
        run(1, 3, RUN | {"data.source": "csv", "data.path": "/none.csv"})
