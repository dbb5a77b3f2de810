"""One tiny bench, trained once for all tests of this folder."""

from __future__ import annotations

import pytest

from evaluation.attacks.trained import Bench, Size

TINY = Size(
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
    worlds=10,
    max_tokens=64,
)


@pytest.fixture(scope="session")
def bench() -> Bench:
    return Bench(3, TINY)
