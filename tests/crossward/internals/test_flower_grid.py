"""Flower's own Grid over a made-up SuperLink: what is whole is pulled at once, what is on its way up waits alone."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

with warnings.catch_warnings():  # what Flower's dependencies deprecate is no error of ours
    warnings.simplefilter("ignore")
    from flwr.app import Array, ArrayRecord, Message, RecordDict
    from flwr.app.message import remove_content_from_message
    from flwr.common.serde import message_to_proto
    from flwr.proto.message_pb2 import PullObjectResponse
    from flwr.proto.runtime_pb2 import PullAppMessagesResponse
    from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree, iterate_object_tree
    from flwr.supercore.run import Run
    from flwr.supercore.task_identity import TaskIdentity
    from flwr.superlink.grid.http_grid import HttpGrid

from crossward.internals.check import InternalsError
from crossward.internals.flower_grid import EVERY, FORGOTTEN, WholeReplies, whole_replies


class Superlink:
    """Answers as a SuperLink's Runtime API does; ``there`` are pieces that have arrived, ``gone`` those given up."""

    def __init__(self) -> None:
        self.replies: dict[str, Message] = {}
        self.pieces: dict[str, bytes] = {}
        self.there: set[str] = set()
        self.gone: set[str] = set()
        self.confirmed: list[str] = []
        self.asked: list[str] = []
        self.pulls: list[list[str]] = []

    def upload(self, task: str, size: int) -> list[str]:
        """Announce a reply to ``task``; its pieces in the order in which a SuperNode sends them."""
        data = task.encode() * size
        content = RecordDict({"r": ArrayRecord({"a": Array("uint8", (len(data),), "raw.bytes", data)})})
        asked = Message(content=RecordDict(), message_type="train", dst_node_id=1)
        asked.metadata.__dict__["_message_id"] = task
        reply = Message(content=content, reply_to=asked)
        reply.metadata.__dict__["_message_id"] = reply.object_id
        self.replies[task] = reply
        self.pieces |= {key: one.deflate() for key, one in get_all_nested_objects(reply).items()}
        return [tree.object_id for tree in iterate_object_tree(get_object_tree(reply))]

    def PullMessages(self, request: Any) -> Any:
        self.pulls.append(list(request.message_ids))
        out = PullAppMessagesResponse()
        for task in request.message_ids:
            if (reply := self.replies.pop(task, None)) is not None:  # handed out once
                out.message_object_trees.append(get_object_tree(reply))
                out.messages_list.append(message_to_proto(remove_content_from_message(reply)))
        return out

    def PullObject(self, request: Any) -> Any:
        key = request.object_id
        self.asked.append(key)
        found, there = key not in self.gone, key in self.there
        return PullObjectResponse(
            object_found=found, object_available=there, object_content=self.pieces[key] if there else b""
        )

    def ConfirmMessageReceived(self, request: Any) -> None:
        self.confirmed.append(request.message_object_id)


class Grid:
    """A real HttpGrid on a made-up SuperLink, and a clock that stands still until told."""

    def __init__(self) -> None:
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
        self.superlink, self.now = Superlink(), 10.0
        self.grid = HttpGrid(token="any")
        self.grid.set_run(Run.create_empty(run_id=1))
        self.grid._client = self.superlink  # type: ignore[assignment]
        assert whole_replies(self.grid, lambda: self.now) is self.grid

    def pull(self, *tasks: str) -> list[str]:
        """What the replies say that are pulled."""
        out = []
        for message in self.grid.pull_messages(tasks):
            array = message.content.array_records["r"]["a"] if message.has_content() else None
            out.append(bytes(array.data).decode() if array is not None else f"error {message.error.code}")
        return out


@pytest.fixture
def on() -> Grid:
    return Grid()


def test_a_reply_on_its_way_up_does_not_hold_up_another(on: Grid) -> None:
    slow, fast = on.superlink.upload("s", 3), on.superlink.upload("f", 2)
    on.superlink.there |= set(slow[:-1]) | set(fast)
    assert on.pull("s", "f") == ["ff"]
    assert on.pull("s") == []
    on.superlink.there |= set(slow)
    on.now += EVERY
    assert on.pull("s") == ["sss"] and len(on.superlink.confirmed) == 2
    assert on.pull("s") == []


def test_flower_is_asked_for_a_message_once_and_its_pieces_seldom(on: Grid) -> None:
    """A SuperLink hands a reply out once; and looking often costs a request each time."""
    pieces = on.superlink.upload("s", 3)
    for _ in range(5):
        assert on.pull("s", "t") == []
    assert on.superlink.pulls == [["s", "t"]] + [["t"]] * 4 and len(on.superlink.asked) == 1
    on.now += EVERY
    assert on.pull("s") == [] and len(on.superlink.asked) == 2
    on.superlink.there |= set(pieces)
    on.now += EVERY
    assert on.pull("s") == ["sss"]


def test_pieces_that_overtake_each_other_are_waited_for(on: Grid) -> None:
    """Two are sent at a time: the root may be there before the last piece."""
    pieces = on.superlink.upload("s", 3)
    on.superlink.there = {pieces[-1]}
    assert on.pull("s") == []
    on.superlink.there = set(pieces)
    on.now += EVERY
    assert on.pull("s") == ["sss"]


def test_an_upload_that_was_given_up_becomes_flowers_own_error(on: Grid) -> None:
    pieces = on.superlink.upload("s", 3)
    assert on.pull("s") == []
    on.superlink.gone = set(pieces)
    on.now += EVERY
    assert on.pull("s") == ["error 3"]


def test_a_reply_that_nobody_asks_for_any_more_is_let_go_of(on: Grid) -> None:
    on.superlink.upload("s", 3)
    assert on.pull("s") == []
    client = on.grid._client
    assert isinstance(client, WholeReplies) and list(client._announced) == ["s"]
    on.now += FORGOTTEN + 1
    assert on.pull("t") == [] and not client._announced and list(client._asked) == ["t"]


def test_a_grid_of_other_internals_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = HttpGrid(token="any")
    grid._client = object()  # type: ignore[assignment]
    with pytest.raises(InternalsError, match=r"^flwr \S+: its client of the Runtime API has no PullMessages"):
        whole_replies(grid)
    monkeypatch.setattr(HttpGrid, "__init__", lambda self: None)
    with pytest.raises(InternalsError, match=r"http_grid\.HttpGrid has no _client, node"):
        whole_replies(grid)
    monkeypatch.delattr(HttpGrid, "_runtime_client")
    with pytest.raises(InternalsError, match=r"HttpGrid\._runtime_client does not exist"):
        whole_replies(grid)


def test_other_grids_are_left_alone() -> None:
    other = object()
    assert whole_replies(other) is other  # type: ignore[arg-type, comparison-overlap]
