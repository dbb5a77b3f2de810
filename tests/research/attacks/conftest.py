"""A laboratory and a bench small enough for tests, each made once for all tests of this folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from research.attacks import integers, trained
from research.attacks.laboratory import Laboratory
from research.attacks.sizes import REAL, WORST, Size
from research.attacks.trained import Bench

RUN = {  # of a run that takes a second and whose updates are spread as those of a longer one
    "data.synthetic-patients": 24,
    "data.min-patients": 2,
    "data.max-tokens": 48,
    "train.local-steps": 6,
    "train.batch-size": 2,
    "node.threads": 1,
    "encryption.preset": "compact",  # W = 128, unequal weights: figures of separation are known by hand
    "strategy.weighting": "paper",
    "strategy.damping": "relative",
}
TINY = Size(
    patients=96,
    hospitals=2,
    warm_steps=4,
    worst_shadows=9,
    worst_victims=6,
    shadows=9,
    victims=6,
    real=dataclasses.replace(REAL, name="real setting, tiny", steps=2, batch=2, tokens=48),
    worst=dataclasses.replace(WORST, distinct=16),
    distinct=(8, 32),
    sweep=3,
    choices=4,
    spans=3,
    profile_tokens=800,
    fractions=(0.0, 1.0),
    versions=(2, 2),
    every=28,
    run=tuple(RUN.items()),
)
TINY_BENCH = trained.Size(
    patients=60,
    hospitals=2,
    versions=1,
    local_steps=4,
    long_versions=8,
    long_share=3,
    victims=10,
    read=150,
    seen=2,
    shadows=1,
    shadow_steps=6,
    each=1,
    candidates=64,
    worlds=12,
    max_tokens=64,
    cohorts=((4, 1), (2, 2)),
)


@pytest.fixture(scope="session")
def lab() -> Laboratory:
    return Laboratory(TINY, seed=3)


@pytest.fixture(scope="session")
def bench() -> Bench:
    return Bench(3, TINY_BENCH)


@pytest.fixture(scope="session")
def three(home: Path) -> integers.Run:
    """Two versions of three hospitals each, as a real run makes them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSWARD_HOME", str(home))
        return integers.run(2, 3, RUN)
