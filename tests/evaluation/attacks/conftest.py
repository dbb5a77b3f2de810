"""A laboratory small enough for tests, shared by all of them."""

from __future__ import annotations

import dataclasses

import pytest

from evaluation.attacks.laboratory import Laboratory
from evaluation.attacks.sizes import REAL, WORST, Size

TINY = Size(
    patients=96,
    hospitals=2,
    warm_steps=4,
    worst_shadows=9,
    worst_victims=6,
    shadows=6,
    victims=3,
    real=dataclasses.replace(REAL, name="real setting, tiny", steps=2, batch=2, tokens=48),
    worst=dataclasses.replace(WORST, distinct=16),
    distinct=(8, 32),
    sweep=3,
    choices=4,
    spans=3,
    profile_tokens=800,
    fractions=(0.0, 1.0),
)


@pytest.fixture(scope="session")
def lab() -> Laboratory:
    return Laboratory(TINY, seed=3)
