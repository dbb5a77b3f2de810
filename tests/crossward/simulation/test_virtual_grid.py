"""The virtual grid: replies come when links and compute say, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from crossward.protocol.wire import content_size
from crossward.simulation.toy import toy_context
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode


def echo() -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        return Message(content=message.content, reply_to=message)

    return app


def content(size: int) -> RecordDict:
    return RecordDict({"x": ArrayRecord({"bytes": Array("uint8", (size,), "raw.bytes", bytes(size))})})


def grid(fault: Any = None, **speeds: VirtualNode) -> tuple[VirtualGrid, VirtualClock]:
    clock = VirtualClock()
    return VirtualGrid({int(name[1:]): node for name, node in speeds.items()}, clock, fault), clock


def node(speed: Speed, **times: float) -> VirtualNode:
    return VirtualNode(echo(), toy_context(0), speed, **times)


def message(to: int, size: int = 0) -> Message:
    return Message(content=content(size), dst_node_id=to, message_type="train")


def test_seconds_by_hand() -> None:
    # 2 x 0.5 s of latency, 25 MB at 100 Mbit/s, 10 s of work
    assert Speed(mbit=100.0, latency=0.5, compute=10.0).seconds(25_000_000) == pytest.approx(1 + 2 + 10)
    assert content_size(content(123)) == 123


def test_replies_come_in_the_order_of_links_and_speeds() -> None:
    g, clock = grid(
        n1=node(Speed(mbit=8.0, latency=0.0, compute=1.0)),  # 1 MB there and back: 2 s
        n2=node(Speed(mbit=80.0, latency=0.0, compute=2.5)),  # 0.2 s
    )
    ids = list(g.push_messages([message(1, 10**6), message(2, 10**6)]))
    assert list(g.pull_messages(ids)) == []
    clock.pause(99.0, float("inf"))
    assert clock.now() == pytest.approx(2.7)
    assert [m.metadata.src_node_id for m in g.pull_messages(ids)] == [2]
    clock.pause(99.0, 2.9)
    assert clock.now() == 2.9 and list(g.pull_messages(ids)) == []
    clock.pause(99.0, float("inf"))
    assert [m.metadata.reply_to_message_id for m in g.pull_messages(ids)] == [ids[0]]
    assert [(round(t, 9), n) for t, n, _ in g.arrivals] == [(2.7, 2), (3.0, 1)]


def test_nothing_to_come_means_the_pause_asked_for() -> None:
    clock = VirtualClock()
    clock.pause(2.0, float("inf"))
    assert clock.now() == 2.0
    clock.pause(2.0, 1.0)
    assert clock.now() == 2.0  # never falls


def test_nodes_are_there_from_joining_to_leaving() -> None:
    g, clock = grid(n1=node(Speed()), n2=node(Speed(), joins=5.0, leaves=7.0))
    seen = []
    for _ in range(3):
        seen.append((clock.now(), sorted(g.get_node_ids())))
        clock.pause(1.0, 20.0)
    assert seen == [(0.0, [1]), (5.0, [1, 2]), (7.0, [1])]


def test_a_node_that_leaves_with_a_task_is_an_error_later() -> None:
    g, clock = grid(n1=node(Speed(latency=0.0, compute=10.0), leaves=4.0))
    ids = list(g.push_messages([message(1)]))
    clock.time = 53.0
    (reply,) = g.pull_messages(ids)
    assert reply.has_error() and reply.error.code == 5


def test_faults_lose_delay_and_repeat() -> None:
    plans: dict[int, list[float]] = {1: [], 2: [3.0], 3: [0.0, 1.0]}
    free = Speed(latency=0.0, compute=1.0)
    g, clock = grid(
        lambda who, m, reply: [(extra, reply) for extra in plans[who]], n1=node(free), n2=node(free), n3=node(free)
    )
    ids = list(g.push_messages([message(1), message(2), message(3)]))
    arrived = []
    for _ in range(4):
        clock.pause(1.0, 10.0)
        arrived += [(clock.now(), m.metadata.src_node_id) for m in g.pull_messages(ids)]
    assert arrived == [(1.0, 3), (2.0, 3), (4.0, 2)]


def test_send_and_receive_waits_for_all_or_the_timeout() -> None:
    g, clock = grid(n1=node(Speed(latency=0.0, compute=1.0)), n2=node(Speed(latency=0.0, compute=100.0)))
    assert len(list(g.send_and_receive([message(1), message(2)], timeout=10.0))) == 1
    assert clock.now() == 10.0


def test_a_reply_that_nobody_waits_for_any_more_does_not_stop_the_clock() -> None:
    g, clock = grid(
        n1=node(Speed(mbit=1e15, latency=0.0, compute=1.0)), n2=node(Speed(mbit=1e15, latency=0.0, compute=2.0))
    )
    g.push_messages([message(1), message(2)])
    for expected in (1.0, 2.0, 9.0):
        clock.pause(0.2, 9.0)
        assert clock.now() == expected
