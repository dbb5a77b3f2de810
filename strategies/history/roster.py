"""The nodes as the server sees them: who is idle, who is at work, who waits, who left.

Not for: what they are asked (``strategies.async_hybrid``).
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from flwr.app import Metadata

from crossward.protocol.messages import KINDS


@dataclass
class Flight:
    """A task under way."""

    node: int
    task: int
    kind: str
    version: int
    epoch: int
    sent: float
    deadline: float
    bytes_down: int
    round: object = None  # the evaluation round, or the version list, that it answers for

    @property
    def beside(self) -> bool:
        """Whether the node does it beside its other work."""
        return KINDS[self.kind].beside


@dataclass
class NodeView:
    """What the server knows of a node.

    ``held``: version it has (0 until it said otherwise); ``trained``: how many trainings it was asked for,
    ``last_version`` at which version the last of them; ``todo``: a kind of task it is owed before the next training,
    ``attempts`` made at it; ``reason``: of the last failure; ``refused``: why its last update was refused, empty when
    it was not, or was only late; ``refusing``: its last answer was that it takes no part under the run's key.
    """

    node: int
    held: int = 0
    public_key: bytes = b""
    site: str = ""
    failures: int = 0
    not_before: float = 0.0
    trained: int = 0
    last_version: int = -1
    todo: str = ""
    attempts: int = 0
    reason: str = ""
    refused: str = ""
    refusing: bool = False

    @property
    def hospital(self) -> str:
        """Short name of the node's identity, or of the node while the identity is unknown."""
        return self.public_key.hex()[:16] if self.public_key else f"node-{self.node}"


class Roster:
    """Nodes by id, tasks by message id, and ``drafts``: composed tasks that are not known to be sent.

    Drafts are by node and whether it does them beside other work; ``present`` is who is connected, as the ledger says.
    """

    def __init__(self, present: Set[int]) -> None:
        self.nodes: dict[int, NodeView] = {}
        self.present = present
        self.flights: dict[str, Flight] = {}
        self.drafts: dict[tuple[int, bool], tuple[Metadata, Flight]] = {}
        self._busy: set[int] = set()

    def changes(self, ids: Iterable[int]) -> tuple[list[int], list[int]]:
        """Of the nodes connected now, those that joined; and those that left. Whoever joins has a view from here on."""
        now = set(ids)
        joined, left = sorted(now - self.present), sorted(self.present - now)
        for node in joined:
            self.nodes.setdefault(node, NodeView(node))
        return joined, left

    def idle(self, now: float) -> list[NodeView]:
        """Nodes that can take a task, least trained first."""
        free = [self.nodes[n] for n in self.present - self._busy if self.nodes[n].not_before <= now]
        return sorted(free, key=lambda view: (view.trained, view.node))

    def draft(self, metadata: Metadata, flight: Flight) -> None:
        """A task was composed, as the message of ``metadata``; one that was not sent before is forgotten."""
        self.drafts[flight.node, flight.beside] = (metadata, flight)

    def launch(self, message_id: str, flight: Flight) -> None:
        """A task was sent."""
        self.flights[message_id] = flight
        if not flight.beside:
            self._busy.add(flight.node)

    def land(self, message_id: str) -> Flight | None:
        """A task has its reply or is cancelled."""
        flight = self.flights.pop(message_id, None)
        if flight is not None and not flight.beside:
            self._busy.discard(flight.node)
        return flight

    def back_off(self, view: NodeView, now: float, pause: float) -> None:
        """Ask a failed node again only after a pause that doubles with every failure, up to 64 times."""
        view.failures += 1
        view.not_before = now + pause * 2.0 ** min(view.failures - 1, 6)

    def overdue(self, now: float) -> list[str]:
        """Message ids of tasks past their deadline."""
        return [message for message, flight in self.flights.items() if flight.deadline <= now]

    def next_moment(self, now: float) -> float:
        """When, after ``now``, a deadline or the end of a pause comes next; infinity when none is pending."""
        moments = [flight.deadline for flight in self.flights.values()]
        moments += [v.not_before for n, v in self.nodes.items() if n in self.present and n not in self._busy]
        return min((m for m in moments if m > now), default=float("inf"))
