"""What a run takes, from what one process was seen to do: one exact expected value for each figure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossward.config.run_config import RunConfig
from crossward.launcher.forecast.forecast import AROUND, MARGIN, room, work
from crossward.launcher.forecast.probe import Probe

GB = int(1e9)
PROBE = Probe(
    device="cpu",
    dtype="float32",
    parameters=100,
    trained=10,
    load_seconds=5.0,
    train_speed=100.0,
    measure_speed=200.0,
    peak=2 * GB,
    device_memory=0,
    step_tokens=50,
    notes=10,
    tokens=4000,
)


@pytest.mark.parametrize(("free", "fits"), [(20.0, 4), (10.3, 4), (10.2, 3), (3.8, 1), (3.6, 0), (0.5, 0)])
def test_as_many_hospitals_train_at_once_as_memory_has_room_for(free: float, fits: int) -> None:
    found = room(PROBE, 4, int(free * GB))
    assert (found.at_once, found.wanted) == (fits, 4)
    assert found.needed == AROUND + fits * int(MARGIN * PROBE.peak) and (not fits or found.needed <= free * GB)


def test_tokens_and_seconds_are_those_of_the_settings() -> None:
    settings = {"strategy.num-versions": 8, "train.local-steps": 10, "personal.steps": 20, "strategy.evaluate-every": 4}
    config = RunConfig.read(settings)
    found = work(PROBE, config, 4, held_out=6, at_once=2, evaluated=True)
    assert found.versions == 8 * 10 * 3 * 50
    assert found.alone == 4 * 80 * 50
    assert found.personal == 4 * 20 * 50 * 2
    # 2,400 held-out tokens: two times on the way; base, global, alone, personal in the end; then 2 + 8 adapters
    assert found.measured == 2400 * (2 + 4 + 10)
    trained = found.versions + found.alone + found.personal
    assert found.seconds == pytest.approx(5 + (trained / 100 + found.measured / 200) / 2)
    assert found.longest == pytest.approx((80 + 40) * 50 / 100 + 4 * 2400 / 200)


def test_what_is_left_out_costs_nothing() -> None:
    config = RunConfig.read({"personal.method": "none", "run.alone": False, "strategy.evaluate-every": 0})
    found = work(PROBE, config, 4, held_out=6, at_once=1, evaluated=False)
    assert (found.alone, found.personal, found.measured) == (0, 0, 2400 * 2)
    faster = work(replace(PROBE, train_speed=1e9, measure_speed=1e9), config, 4, held_out=6, at_once=1, evaluated=False)
    assert faster.seconds == pytest.approx(PROBE.load_seconds, rel=1e-3)
