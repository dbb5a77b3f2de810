"""What a simulated node pretends: written, read back, and anything odd read as nothing."""

import pytest
from flwr.app import ConfigRecord, MetricRecord, RecordDict

from crossward.protocol.simulated import SimulatedSpeed, read_simulated_speed, write_simulated_speed


def test_a_pretence_comes_back() -> None:
    content = RecordDict()
    assert read_simulated_speed(content) is None
    write_simulated_speed(content, SimulatedSpeed(20, 1.5, 3))
    assert read_simulated_speed(content) == SimulatedSpeed(20.0, 1.5, 3.0)


@pytest.mark.parametrize(
    "record",
    [
        MetricRecord({"mbit": 20.0, "slowdown": 1.0}),
        MetricRecord({"mbit": 0.0, "slowdown": 1.0, "compute": 1.0}),
        MetricRecord({"mbit": -1.0, "slowdown": 1.0, "compute": 1.0}),
        MetricRecord({"mbit": 20.0, "slowdown": float("nan"), "compute": 1.0}),
        MetricRecord({"mbit": 20, "slowdown": 1.0, "compute": 1.0}),
        MetricRecord({"mbit": [20.0], "slowdown": 1.0, "compute": 1.0}),
        ConfigRecord({"mbit": 20.0, "slowdown": 1.0, "compute": 1.0}),
    ],
)
def test_an_odd_pretence_is_none(record: MetricRecord | ConfigRecord) -> None:
    content = RecordDict()
    content["simulated"] = record
    assert read_simulated_speed(content) is None
