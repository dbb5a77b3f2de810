"""Pulling replies from Flower, few enough at a time: each may be as large as the adapter.

Flower hands over all replies that it is asked for at once, whole. So large ones are asked for one by one, and each is
let go of before the next is pulled: two whole messages are the most that the server ever holds.

Not for: what becomes of a reply (``strategies.exchange.reception``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flwr.app import Message
from flwr.serverapp import Grid

from crossward.protocol.wire import content_size

AT_ONCE = 32 << 20  # bytes of replies pulled together


class Replies:
    """Remembers how large replies are, and how many were ``pulled``."""

    def __init__(self) -> None:
        self._largest = self.pulled = 0

    def pull(self, grid: Grid, message_ids: Iterable[str]) -> Iterator[Message]:
        """The replies that are there to any of ``message_ids``; as long as none has come, one at a time."""
        waiting = list(message_ids)
        while waiting:
            number = max(AT_ONCE // (self._largest or AT_ONCE), 1)
            replies, waiting = list(grid.pull_messages(waiting[:number])), waiting[number:]
            while replies:
                if replies[0].has_content():
                    self._largest = max(self._largest, content_size(replies[0].content), 1)
                self.pulled += 1
                yield replies.pop(0)
