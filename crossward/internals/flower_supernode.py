"""Flower's SuperNode, changed so that messages of some types are answered while another is at work.

Flower's own takes in a message and asks for the next one once that is answered: what is sent meanwhile waits until a
training ends. It can start a process for each of several messages all the same; only its loop waits. Here the loop goes
on. Messages of the chosen types are answered at once, of all others one at a time, as before.

Not for: simulations (``crossward.internals.flower_simulation``).
"""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any

from crossward.internals.flower import FLOWER
from crossward.internals.flower_superexec import PopenBy

if TYPE_CHECKING:
    from flwr.app import Message

    _Received = tuple[Message, Any]  # and the tree of its objects

_LOOP = "flwr.supernode.start_client_internal"

PAUSE = 3.0  # seconds between a SuperNode's looks for messages: as Flower has it
AWAKE, AWAKE_PAUSE = 15.0, 0.5  # after a message or a reply, as another may follow: for so long, and the pause then
LOOK = 0.1  # seconds between looks for replies, in the SuperNode's own memory


class _Given:
    """A SuperNode's state whose replies that are to be sent are ``replies``."""

    def __init__(self, state: Any, replies: Sequence[Message]) -> None:
        self._state, self._replies = state, replies

    def get_messages_legacy(self, **_: Any) -> Sequence[Message]:
        """The replies."""
        return self._replies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)


class _Turns:
    """The two halves of a turn of a SuperNode's loop, neither of which waits for a task to be done.

    ``pull`` and ``push`` are Flower's halves; messages of the types ``beside`` wait for no others.
    """

    def __init__(self, pull: Callable[..., int | None], push: Callable[..., None], beside: Container[str]) -> None:
        self._pull, self._push, self._beside = pull, push, beside
        self._replies: Sequence[Message] = ()
        self._at_work = ""  # id of the message that others wait for
        self._waiting: deque[_Received] = deque()
        self._newest = -AWAKE

    def pull(self, *, state: Any, receive: Callable[[], _Received | None], **given: Any) -> int:
        """Take in a message; where there is none, wait for a while, but not once there is a reply to send."""
        taken: list[Message] = []

        def receive_next() -> _Received | None:
            if self._waiting and not self._at_work:
                found = self._waiting.popleft()
            elif (newest := receive()) is None:
                return None
            elif self._at_work and newest[0].metadata.message_type not in self._beside:
                self._waiting.append(newest)
                return None
            else:
                found = newest
            taken.append(found[0])
            return found

        run = self._pull(state=state, receive=receive_next, **given)
        if run is not None:
            if taken and taken[0].metadata.message_type not in self._beside:
                self._at_work = taken[0].metadata.message_id
            self._newest = time.monotonic()
            return run
        looked = time.monotonic()
        pause = AWAKE_PAUSE if looked - self._newest < AWAKE else PAUSE
        while not self._find(state) and time.monotonic() - looked < pause:
            time.sleep(LOOK)
        return 0  # Flower's loop sends no replies after None

    def push(self, *, state: Any, **given: Any) -> None:
        """Send the replies that are there."""
        if self._find(state):
            replies, self._replies = self._replies, ()
            if self._at_work in {reply.metadata.reply_to_message_id for reply in replies}:
                self._at_work = ""
            self._push(state=_Given(state, replies), **given)
            self._newest = time.monotonic()

    def _find(self, state: Any) -> bool:
        self._replies = self._replies or state.get_messages_legacy(is_reply=True)
        return bool(self._replies)


def supernode_command(beside: Container[str], superexec: Sequence[str]) -> Callable[[], None]:
    """The function behind the command ``flower-supernode``; messages of the types ``beside`` wait for no others.

    The command line ``superexec`` takes the place of ``flower-superexec``.

    Raises
    ------
    InternalsError
        Flower's SuperNode is made of other parts.
    """
    loop = FLOWER.require(_LOOP)
    pull = FLOWER.require(f"{_LOOP}:_pull_and_store_message", "state", "receive")
    push = FLOWER.require(f"{_LOOP}:_push_messages", "state", "object_store", "send", "push_object")
    FLOWER.require(
        "flwr.supernode.nodestate.in_memory_nodestate:InMemoryNodeState.get_messages_legacy", "run_ids", "is_reply"
    )
    FLOWER.require(f"{_LOOP}:subprocess.Popen")
    FLOWER.require_text("flwr/supernode/start_client_internal.py", '["flower-superexec"]', "subprocess.Popen(command)")
    command: Callable[[], None] = FLOWER.require("flwr.supernode.cli:flower_supernode")
    turns = _Turns(pull, push, beside)
    loop._pull_and_store_message, loop._push_messages = turns.pull, turns.push
    loop.subprocess = PopenBy(lambda args: subprocess.Popen([*superexec, *args[1:]]))
    return command
