"""Which nodes are worth asking for an update: one that will be too late is traffic and a wait for nothing.

Late is after the run's last version, or more versions behind than ``strategy.max-staleness`` allows.

Not for: how long nodes take (``strategies.exchange.forecast``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from crossward.protocol.messages import TRAIN
from strategies.exchange.reception import ATTEMPTS
from strategies.history.roster import NodeView
from strategies.history.state import ServerState

_SLACK = 1.5  # a forecast may be wrong by so much before a node is not asked any more
_AGAIN = (
    8  # times as many versions as an update may lag behind, after which a node is asked whether it has become faster
)


def timely(state: ServerState, last_version: int) -> Callable[[NodeView], bool]:
    """Says of a node, as things are now, whether its update can be back in time: see above.

    Nodes of unknown speed are asked, and so is everybody as long as those in time would not fill a buffer.
    """
    now = state.clock.now()
    left = state.forecast.remaining(last_version - state.version, now - state.version_began)
    fresh = (state.max_staleness + 1) * state.forecast.pace

    def in_time(view: NodeView, elapsed: float = 0.0) -> bool:
        expected = state.forecast.expected(view.node, TRAIN)
        if expected is None:
            return True
        rested = state.version - view.last_version > _AGAIN * (state.max_staleness + 1)
        return expected - elapsed <= _SLACK * left and (expected <= _SLACK * fresh or rested)

    @functools.cache
    def needed() -> bool:
        """Whether the updates that wait, are on their way or can still be asked for would not fill a buffer."""
        sent = {flight.node: flight.sent for flight in state.roster.flights.values() if flight.kind == TRAIN}
        views = (state.roster.nodes[node] for node in state.roster.present)
        able = (v for v in views if state.may_contribute(v) and v.failures < ATTEMPTS)
        enough = state.settings.buffer_size
        return sum(state.waiting(v.node) or in_time(v, now - sent.get(v.node, now)) for v in able) < enough

    return lambda view: in_time(view) or needed()
