"""Tasks that are under way: what the roster and the journal take down once a message was sent.

Not for: composing and sending (``strategies.exchange.dispatch``) or what comes back
(``strategies.exchange.reception``).
"""

from __future__ import annotations

from crossward.ledger.events import Dispatched
from crossward.protocol.messages import TRAIN
from strategies.history.roster import Flight
from strategies.history.state import ServerState


def launched(state: ServerState, message_id: str, flight: Flight) -> None:
    """A composed task was sent as the message ``message_id``."""
    state.roster.launch(message_id, flight)
    view = state.roster.nodes[flight.node]
    if flight.kind == TRAIN:
        view.trained += 1
        view.last_version = flight.version
    state.record(
        Dispatched(
            task=flight.task,
            node=str(flight.node),
            hospital=view.hospital,
            kind=flight.kind,
            version=flight.version,
            bytes=flight.bytes_down,
            deadline_seconds=flight.deadline - flight.sent,
        )
    )


def adopt(state: ServerState) -> None:
    """Take composed messages that somebody else has pushed as sent: a Grid gives a message its id when it pushes it."""
    for metadata, flight in list(state.roster.drafts.values()):
        if metadata.message_id:
            del state.roster.drafts[flight.node, flight.beside]
            launched(state, metadata.message_id, flight)
