"""A Flower Grid that calls real ClientApps in-process and lets time pass virtually.

A message's handler runs when the message is pushed (a node sees only the message and its own disk, so when the
work is really done makes no difference); its reply is released when link and compute speeds say. Nothing sleeps
and nothing is random but by seed.

Not for: measuring real speed.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid

from crossward.internals.flower import empty_run, set_message_id, set_task_identity
from crossward.protocol.messages import KINDS
from crossward.protocol.wire import content_size

if TYPE_CHECKING:
    from crossward.internals.flower import Run


class VirtualClock:
    """Seconds that pass only while waiting."""

    def __init__(self) -> None:
        self.time = 0.0
        self.next_event: Callable[[], float] = lambda: float("inf")

    def now(self) -> float:
        """Virtual seconds since the clock was made."""
        return self.time

    def pause(self, seconds: float, until: float) -> None:
        """Jump to the next event before ``until``, or to ``until``; ``seconds`` on when nothing is to come."""
        moment = min(self.next_event(), until)
        self.time = max(self.time, moment if moment < float("inf") else self.time + seconds)


@dataclass(frozen=True)
class Speed:
    """What a node's task costs: Mbit/s of its link, seconds of latency a message, seconds of compute a task.

    A question that it answers beside its tasks takes ``beside`` seconds of compute.
    """

    mbit: float = 100.0
    latency: float = 0.05
    compute: float = 10.0
    beside: float = 0.05

    def seconds(self, size: int, beside: bool = False) -> float:
        """Virtual seconds of a task, or of a question answered ``beside`` tasks, that moves ``size`` bytes."""
        return 2 * self.latency + 8e-6 * size / self.mbit + (self.beside if beside else self.compute)


@dataclass
class VirtualNode:
    """A node: its ClientApp, its context, its speed, and when it is connected."""

    app: ClientApp
    context: Context
    speed: Speed = Speed()
    joins: float = 0.0
    leaves: float = float("inf")


# Given message and reply: the (extra seconds, reply) pairs that arrive. [] loses the reply, two pairs duplicate it.
Fault = Callable[[int, Message, Message], list[tuple[float, Message]]]


class VirtualGrid(Grid):
    """Grid over :class:`VirtualNode` by node id.

    ``size`` says how many bytes a content counts on a link (default: those of its arrays), so that a small stand-in can
    take the time of the adapter that it stands for.
    """

    def __init__(
        self,
        nodes: dict[int, VirtualNode],
        clock: VirtualClock,
        fault: Fault | None = None,
        size: Callable[[RecordDict], int] = content_size,
    ) -> None:
        self.nodes, self.clock, self.fault, self.size = nodes, clock, fault, size
        self.clock.next_event = self._next_event
        set_task_identity()
        self.pushed: list[tuple[float, int, str]] = []
        self.arrivals: list[tuple[float, int, str]] = []
        self._queue: list[tuple[float, int, Message]] = []
        self._count = itertools.count(1)

    @property
    def run(self) -> Run:
        """A run of Flower's without a SuperLink."""
        return empty_run()

    def set_run(self, run: Run) -> None:
        """There is only one run."""

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message of Flower's, sent nowhere yet."""
        return Message(content=content, message_type=message_type, dst_node_id=dst_node_id, group_id=group_id, ttl=ttl)

    def get_node_ids(self) -> Iterable[int]:
        """Nodes that are connected at this virtual moment."""
        now = self.clock.now()
        return [node_id for node_id, node in self.nodes.items() if node.joins <= now < node.leaves]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Have the nodes handle the messages now; their replies arrive later. The messages' ids."""
        return [self._push(message) for message in messages]

    def _push(self, message: Message) -> str:
        message_id = f"message-{next(self._count)}"
        set_message_id(message, message_id)
        node_id = message.metadata.dst_node_id
        node = self.nodes[node_id]
        now = self.clock.now()
        self.pushed.append((now, node_id, message.metadata.message_type))
        size, kind = self.size(message.content), KINDS.get(message.metadata.message_type)
        beside = kind is not None and kind.beside
        reply = node.app(message, node.context)
        size += self.size(reply.content) if reply.has_content() else 0
        outcomes = [(0.0, reply)] if self.fault is None else self.fault(node_id, message, reply)
        for extra, outcome in outcomes:
            arrival = now + node.speed.seconds(size, beside) + extra
            if arrival >= node.leaves:  # what Flower answers once a node's heartbeats have stopped
                outcome = Message(Error(code=5, reason="Node Unavailable"), reply_to=message)
                arrival = node.leaves + 49.0
            heapq.heappush(self._queue, (arrival, next(self._count), outcome))
        return message_id

    def _next_event(self) -> float:
        now = self.clock.now()
        moments = [self._queue[0][0]] if self._queue else []
        if moments and moments[0] <= now:  # a reply that nobody pulled, to a cancelled task, is no event any more
            moments = [arrival for arrival, _, _ in self._queue if arrival > now]
        for node in self.nodes.values():
            moments += [moment for moment in (node.joins, node.leaves) if now < moment < float("inf")]
        return min(moments, default=float("inf"))

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Replies that have arrived by now, to whichever message, in order of arrival."""
        out = []
        while self._queue and self._queue[0][0] <= self.clock.now():
            arrival, _, reply = heapq.heappop(self._queue)
            self.arrivals.append((arrival, reply.metadata.src_node_id, reply.metadata.reply_to_message_id))
            out.append(reply)
        return out

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Replies to ``messages`` within ``timeout`` virtual seconds."""
        wanted = set(self.push_messages(messages))
        end = self.clock.now() + (timeout if timeout is not None else float("inf"))
        got = []
        while wanted and self.clock.now() < end:
            for reply in self.pull_messages(wanted):
                wanted.discard(reply.metadata.reply_to_message_id)
                got.append(reply)
            if wanted:
                self.clock.pause(1.0, end)
        return got
