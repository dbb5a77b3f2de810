"""What a simulated node adds to its reply: the link and the speed that it pretends to have.

Not for: deployments; a real node never says how fast it is.
"""

from __future__ import annotations

from typing import NamedTuple

from flwr.app import MetricRecord, RecordDict

from crossward.protocol.wire import record_of

_RECORD = "simulated"


class Pretence(NamedTuple):
    """Mbit/s of the link, factor on compute time, seconds that the work really took."""

    mbit: float
    slowdown: float
    compute: float


def write_pretence(content: RecordDict, pretence: Pretence) -> None:
    """Add a pretence to a reply's content."""
    content[_RECORD] = MetricRecord({name: float(value) for name, value in pretence._asdict().items()})


def read_pretence(content: RecordDict) -> Pretence | None:
    """The pretence in a content, if there is one."""
    record = record_of(content, _RECORD, MetricRecord)
    if record is None:
        return None
    values = [record.get(name) for name in Pretence._fields]
    if not all(isinstance(value, float) and value >= 0 for value in values) or values[0] == 0:
        return None
    return Pretence(*(float(value) for value in values if isinstance(value, float)))
