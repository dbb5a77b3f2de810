"""What a simulated node adds to its reply: its simulated link and speed.

Not for: deployments; a real node never reports its speed.
"""

from __future__ import annotations

from typing import NamedTuple

from flwr.app import MetricRecord, RecordDict

from crossward.protocol.wire import record_of

_RECORD = "simulated"


class SimulatedSpeed(NamedTuple):
    """Mbit/s of the link, factor on compute time, seconds that the work really took."""

    mbit: float
    slowdown: float
    compute: float


def write_simulated_speed(content: RecordDict, simulated: SimulatedSpeed) -> None:
    """Add a simulated speed to a reply's content."""
    content[_RECORD] = MetricRecord({name: float(value) for name, value in simulated._asdict().items()})


def read_simulated_speed(content: RecordDict) -> SimulatedSpeed | None:
    """The simulated speed in a reply's content, if there is one."""
    record = record_of(content, _RECORD, MetricRecord)
    if record is None:
        return None
    values = [record.get(name) for name in SimulatedSpeed._fields]
    if not all(isinstance(value, float) and value >= 0 for value in values) or values[0] == 0:
        return None
    return SimulatedSpeed(*(float(value) for value in values if isinstance(value, float)))
