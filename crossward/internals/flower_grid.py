"""Flower's Grid of a deployment, changed to pull only whole replies: one that is still uploading delays no other.

A SuperLink hands out a reply as soon as its envelope has arrived, and Flower's Grid then waits for all of its pieces:
on a slow link that takes minutes or hours, in which no other reply would be pulled. Here an announced reply is set
aside until its last pieces, which a SuperNode sends last, have arrived.

Only the Grid of a deployment works that way; others stay unchanged. Not for: simulated links
(``server_app.simulated_links``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crossward.internals.flower import FLOWER

if TYPE_CHECKING:
    from flwr.serverapp import Grid

_GRID = "flwr.superlink.grid.http_grid:HttpGrid"

FORGOTTEN = 3600.0  # seconds after which a reply that is no longer asked for is dropped
LAST = 3  # pieces of a reply to look for: its root is sent last, with at most a few others
EVERY = 1.0  # seconds between looks at a reply


class WholeReplies:
    """Flower's client of the Runtime API, except that ``PullMessages`` returns only whole replies."""

    def __init__(self, client: Any, node: Any, run_id: Callable[[], int], clock: Callable[[], float]) -> None:
        self._client, self._node, self._run_id, self._clock = client, node, run_id, clock
        self._announced: dict[str, tuple[Any, Any, float]] = {}  # by the id of the message replied to
        self._asked: dict[str, float] = {}
        self._messages = FLOWER.require("flwr.proto.runtime_pb2:PullAppMessagesRequest")
        self._answer = FLOWER.require("flwr.proto.runtime_pb2:PullAppMessagesResponse")
        self._piece = FLOWER.require("flwr.proto.message_pb2:PullObjectRequest")
        self._pieces = FLOWER.require("flwr.supercore.inflatable.inflatable_object:iterate_object_tree")
        for name in ("PullMessages", "PullObject"):
            if not callable(getattr(client, name, None)):
                raise FLOWER.differs(f"its client of the Runtime API has no {name}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def PullMessages(self, request: Any) -> Any:
        """Flower's, without the replies that have not arrived in full."""
        wanted, now = list(request.message_ids), self._clock()
        self._asked |= dict.fromkeys(wanted, now)
        for message_id in [one for one, asked in self._asked.items() if now - asked > FORGOTTEN]:
            del self._asked[message_id]
            self._announced.pop(message_id, None)
        unknown = [message_id for message_id in wanted if message_id not in self._announced]
        if unknown:
            found = self._client.PullMessages(self._messages(message_ids=unknown))
            for message, tree in zip(found.messages_list, found.message_object_trees, strict=True):
                self._announced[message.metadata.reply_to_message_id] = (message, tree, 0.0)
        out = self._answer()
        for message_id in wanted:
            if message_id in self._announced and self._whole(message_id):
                message, tree, _ = self._announced.pop(message_id)
                out.messages_list.append(message)
                out.message_object_trees.append(tree)
        return out

    def _whole(self, message_id: str) -> bool:
        """Whether the last pieces have arrived, or the reply is lost, which Flower then reports itself."""
        message, tree, looked = self._announced[message_id]
        now = self._clock()
        if looked and now - looked < EVERY:
            return False
        self._announced[message_id] = (message, tree, now)
        for object_id in [one.object_id for one in self._pieces(tree)][-LAST:]:
            request = self._piece(node=self._node, run_id=self._run_id(), object_id=object_id)
            found = self._client.PullObject(request)
            if not found.object_found:
                return True
            if not found.object_available:
                return False
        return True


def whole_replies(grid: Grid, clock: Callable[[], float] = time.monotonic) -> Grid:
    """``grid``, made to skip replies that are still uploading.

    Raises
    ------
    InternalsError
        this Flower's Grid of a deployment keeps its client elsewhere, or calls it differently.
    """
    http_grid = FLOWER.require(_GRID)
    if isinstance(grid, http_grid):
        FLOWER.require(f"{_GRID}._runtime_client")
        FLOWER.require_set(_GRID, "_client", "node")
        changed: Any = grid
        changed._client = WholeReplies(changed._runtime_client, changed.node, lambda: grid.run.run_id, clock)
    return grid
