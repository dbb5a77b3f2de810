"""Links of different speed in a simulation: replies are held back as long as a real link would have.

A simulated node reports its simulated link and speed (``crossward.protocol.simulated``); this wrapper around
Flower's Grid releases its reply only when transfer and slower compute would have been over. No process sleeps
for that, so slow hospitals cost the simulation nothing, and what the strategy sees is real asynchrony.

Not for: deployments, whose nodes say nothing and whose replies pass straight through.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from crossward.protocol.simulated import SimulatedSpeed, read_simulated_speed
from crossward.protocol.wire import content_size
from strategies.exchange.bandwidth import Bandwidths
from strategies.exchange.clock import Clock

if TYPE_CHECKING:
    from crossward.internals.flower import Run


class SimulatedLinks(Grid):
    """``grid`` with replies held back by each node's simulated link; reports its speed to ``bandwidths``."""

    def __init__(self, grid: Grid, clock: Clock, bandwidths: Bandwidths) -> None:
        self.grid, self.clock, self.bandwidths = grid, clock, bandwidths
        self._sent: dict[str, tuple[float, int]] = {}
        self._held: list[tuple[float, int, Message]] = []
        self._count = itertools.count()

    @property
    def run(self) -> Run:
        """The run of the grid underneath."""
        return self.grid.run

    def set_run(self, run: Run) -> None:
        """Set the run of the grid underneath."""
        self.grid.set_run(run)

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message of the grid underneath."""
        return self.grid.create_message(content, message_type, dst_node_id, group_id, ttl)

    def get_node_ids(self) -> Iterable[int]:
        """The nodes of the grid underneath."""
        return self.grid.get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Push at once; when and how many bytes are kept for the reply's transfer time."""
        kept = list(messages)
        sizes = [content_size(message.content) for message in kept]
        ids = list(self.grid.push_messages(kept))
        now = self.clock.now()
        self._sent.update({message_id: (now, size) for message_id, size in zip(ids, sizes, strict=True)})
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Replies whose transfer over their node's link would be complete by now."""
        holding = {message.metadata.reply_to_message_id for _, _, message in self._held}
        now = self.clock.now()
        for message in self.grid.pull_messages([m for m in message_ids if m not in holding]):
            sent, size = self._sent.pop(message.metadata.reply_to_message_id, (now, 0))
            release = now
            simulated = read_simulated_speed(message.content) if message.has_content() else None
            if simulated is not None:
                self.bandwidths.configure(message.metadata.src_node_id, simulated.mbit)
                release = max(now, sent + _seconds(simulated, size + content_size(message.content)))
            heapq.heappush(self._held, (release, next(self._count), message))
        out = []
        while self._held and self._held[0][0] <= now:
            out.append(heapq.heappop(self._held)[2])
        return out

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """The replies of the grid underneath, not held back."""
        return self.grid.send_and_receive(messages, timeout=timeout)


def _seconds(simulated: SimulatedSpeed, size: int) -> float:
    return 8e-6 * size / simulated.mbit + simulated.slowdown * simulated.compute
