"""Large replies are in memory one at a time, and nothing keeps one alive once it was read."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable
from typing import Any

import pytest
from flwr.app import Array, ArrayRecord, RecordDict

from crossward.protocol.messages import Failure
from crossward.protocol.wire import content_size, read_reply, write_reply
from strategies.replies import AT_ONCE, Replies


class Reply:
    """As much of a Flower message as pulling needs."""

    def __init__(self, size: int) -> None:
        array = Array("uint8", (size,), "raw.bytes", bytes(size))
        self.content = RecordDict({"payload": ArrayRecord({"bytes": array})})

    def has_content(self) -> bool:
        return True


class Shelf:
    """A grid with a reply of ``size`` bytes to every id; remembers what was asked for and what is still alive."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked: list[int] = []
        self.alive: list[Any] = []
        self.most = 0

    def pull_messages(self, ids: Iterable[str]) -> list[Reply]:
        wanted = list(ids)
        self.asked.append(len(wanted))
        self.most = max(self.most, sum(reference() is not None for reference in self.alive) + len(wanted))
        made = [Reply(self.size) for _ in wanted]
        self.alive += [weakref.ref(m) for m in made]
        return made


@pytest.fixture
def no_collector() -> Any:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_large_replies_are_pulled_one_by_one_and_let_go_of_before_the_next(no_collector: None) -> None:
    shelf, replies = Shelf(AT_ONCE), Replies()
    for reply in replies.pull(shelf, map(str, range(6))):  # type: ignore[arg-type]
        assert content_size(reply.content) == AT_ONCE
        del reply
    assert shelf.asked == [1] * 6 and shelf.most == 1


def test_small_replies_come_together_once_their_size_is_known() -> None:
    shelf, replies = Shelf(AT_ONCE // 4), Replies()
    assert len(list(replies.pull(shelf, map(str, range(9))))) == 9  # type: ignore[arg-type]
    assert shelf.asked == [1, 4, 4]
    assert len(list(replies.pull(shelf, map(str, range(9))))) == 9  # type: ignore[arg-type]
    assert shelf.asked[3:] == [4, 4, 1]


def test_nothing_to_ask_for_asks_nothing() -> None:
    shelf = Shelf(1)
    assert list(Replies().pull(shelf, ())) == [] and shelf.asked == []  # type: ignore[arg-type]


def test_reading_a_reply_leaves_nothing_that_keeps_it_alive(no_collector: None) -> None:
    content = write_reply(Failure("line", 1, "failed", "no", 0))
    read_reply(content)
    content_size(content)
    gone = weakref.ref(content)
    del content
    assert gone() is None
