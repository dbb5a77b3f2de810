"""What several tests of the committee scheme start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossward.encryption.committee.statements import Rules
from tests.crossward.encryption.committee.consortium import Consortium


@pytest.fixture
def four(tmp_path: Path) -> Consortium:
    """Four hospitals, all on the committee, any three open."""
    return Consortium(tmp_path)


@pytest.fixture
def strict(tmp_path: Path) -> Consortium:
    """The same with the rules that hospitals have by default."""
    return Consortium(tmp_path / "strict", hospitals=5, rules=Rules())


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
