"""What a simulated node pretends: written, read back, and anything odd read as nothing."""

import pytest
from flwr.app import ConfigRecord, MetricRecord, RecordDict

from crossward.protocol.simulated import Pretence, read_pretence, write_pretence


def test_a_pretence_comes_back() -> None:
    content = RecordDict()
    assert read_pretence(content) is None
    write_pretence(content, Pretence(20, 1.5, 3))
    assert read_pretence(content) == Pretence(20.0, 1.5, 3.0)


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
    assert read_pretence(content) is None
