"""A SuperNode answers messages of some types while it trains, and trains for one message at a time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import Message, RecordDict

from crossward.internals import flower_supernode
from crossward.internals.check import InternalsError
from crossward.internals.flower import FLOWER, set_message_id, set_task_identity
from crossward.internals.flower_supernode import AWAKE, AWAKE_PAUSE, LOOK, PAUSE, _Turns, supernode_command

LOOP = FLOWER.require("flwr.supernode.start_client_internal")
RUN = 1


def message(number: int, kind: str) -> Message:
    made = Message(content=RecordDict(), dst_node_id=1, message_type=kind)
    set_message_id(made, f"{kind}-{number}")
    return made


class Node:
    """A SuperNode of which Flower's half turns are simple ones: what was sent to it, taken in, done and sent back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        set_task_identity()
        self.now = 100.0
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self._sleep)
        monkeypatch.setattr(flower_supernode, "time", clock)
        self.inbox: list[Message] = []
        self.taken: list[str] = []
        self.replies: list[Message] = []
        self.sent: list[str] = []
        self.fails = False
        self.later: dict[float, Message] = {}
        self.turns = _Turns(self._pull, self._push, {"query.consent"})

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        for when in [when for when in self.later if when <= self.now]:
            self.done(self.later.pop(when))

    def receive(self) -> tuple[Message, Any] | None:
        return (self.inbox.pop(0), None) if self.inbox else None

    def get_messages_legacy(self, *, is_reply: bool) -> list[Message]:
        found, self.replies = self.replies, []
        return found

    def _pull(self, *, state: Any, receive: Any) -> int | None:
        if (found := receive()) is None or self.fails:
            return None
        self.taken.append(found[0].metadata.message_id)
        return RUN

    def _push(self, *, state: Any) -> None:
        self.sent += [reply.metadata.reply_to_message_id for reply in state.get_messages_legacy(is_reply=True)]

    def done(self, task: Message) -> None:
        self.replies.append(Message(content=RecordDict(), reply_to=task))

    def turn(self) -> int:
        """One turn of the loop, which goes on to send replies if what was pulled is not None."""
        run = self.turns.pull(state=self, receive=self.receive)
        self.turns.push(state=self)
        return run


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(monkeypatch)


def test_what_does_not_wait_is_answered_while_the_node_trains(node: Node) -> None:
    train, consent, again = message(1, "train"), message(2, "query.consent"), message(3, "query.consent")
    node.inbox = [train, consent, again]
    assert [node.turn() for _ in range(3)] == [RUN] * 3 and not node.sent
    node.done(again)
    node.turn()
    assert node.taken == ["train-1", "query.consent-2", "query.consent-3"] and node.sent == ["query.consent-3"]
    node.done(consent)
    node.done(train)
    node.turn()
    assert node.sent == ["query.consent-3", "query.consent-2", "train-1"]


def test_a_second_training_waits_for_the_first(node: Node) -> None:
    first, second, third = message(1, "train"), message(2, "evaluate"), message(3, "train")
    node.inbox = [first, second, third, message(4, "query.consent")]
    for _ in range(4):
        node.turn()
    assert node.taken == ["train-1", "query.consent-4"]
    node.done(first)
    node.turn()
    node.turn()
    assert node.taken[2:] == ["evaluate-2"] and node.sent == ["train-1"]
    node.done(second)
    node.turn()
    node.turn()
    assert node.taken[3:] == ["train-3"]


def test_a_message_that_could_not_be_taken_in_holds_up_nobody(node: Node) -> None:
    node.inbox, node.fails = [message(1, "train")], True
    assert node.turn() == 0
    node.inbox, node.fails = [message(2, "train")], False
    assert node.turn() == RUN and node.taken == ["train-2"]


def test_it_waits_as_flower_does_less_while_more_may_come_and_not_once_a_reply_is_there(node: Node) -> None:
    node.turn()
    assert node.now == pytest.approx(100 + PAUSE, abs=LOOK)
    node.inbox = [task := message(1, "train")]
    began = node.now
    node.turn()
    node.turn()
    assert node.now - began == pytest.approx(AWAKE_PAUSE, abs=LOOK)
    while node.now - began < AWAKE:
        node.turn()
    began, node.later = node.now, {node.now + 1.0: task}
    node.turn()
    assert node.sent == ["train-1"] and node.now - began == pytest.approx(1.0, abs=2 * LOOK)


def test_flowers_own_loop_takes_the_turns_and_its_own_half_sends_the_replies(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    set_task_identity()
    push = LOOP._push_messages
    for name in ("_pull_and_store_message", "_push_messages", "subprocess"):
        monkeypatch.setattr(LOOP, name, getattr(LOOP, name))
    assert supernode_command({"query.consent"}, ["echo", "ours"]).__name__ == "flower_supernode"
    LOOP.subprocess.Popen(["flower-superexec", "its options"]).wait()
    assert capfd.readouterr().out == "ours its options\n"
    assert {LOOP._pull_and_store_message.__func__, LOOP._push_messages.__func__} == {_Turns.pull, _Turns.push}
    reply = Message(content=RecordDict(), reply_to=message(1, "train"))
    given, sent, deleted = [[], [reply]], [], []
    state = SimpleNamespace(
        get_messages_legacy=lambda is_reply: given.pop(0),
        get_message_processing_duration=lambda message_id: 2.5,
        delete_messages=lambda message_ids: deleted.extend(message_ids),
    )
    store = SimpleNamespace(get_object_tree=lambda _: None, delete=lambda _: None)

    def send(reply: Message, tree: Any, seconds: float) -> tuple[set[str], str]:
        sent.append((reply, seconds))
        return set(), ""

    for _ in range(2):  # Flower's own half would wait in the first for ever
        LOOP._push_messages(state=state, object_store=store, send=send, push_object=lambda *_: None)
    assert sent == [(reply, 2.5)] and "train-1" in deleted and not given and push is not LOOP._push_messages


@pytest.mark.parametrize("name", ["_pull_and_store_message", "_push_messages", "subprocess"])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(LOOP, name)
    with pytest.raises(InternalsError, match=rf"^flwr \S+: {LOOP.__name__}\.{name}\S* does not exist .* install that"):
        supernode_command((), ())
