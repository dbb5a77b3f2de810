"""The benchmark of hospital-level privacy runs: with noise, with clipping alone, with neither."""

from __future__ import annotations

import pytest

from benchmarks.hospital_privacy.__main__ import Study

pytestmark = pytest.mark.usefixtures("own_home")


def test_clipping_costs_bits_and_noise_costs_an_epsilon() -> None:
    study = Study(3, "core", 1, 1)
    plain, clipped, noised = (study.run(epsilon, clip) for epsilon, clip in ((None, None), (None, 0.5), (8.0, 0.5)))
    assert [row["versions"] for row in (plain, clipped, noised)] == [1, 1, 1]
    assert plain["epsilon"] is clipped["epsilon"] is None and 0 < noised["epsilon"] <= 8
    assert plain["value_bits"] < clipped["value_bits"] == noised["value_bits"]
    assert noised["loss"] > clipped["loss"] and noised["noise_multiplier"] > 0.3
