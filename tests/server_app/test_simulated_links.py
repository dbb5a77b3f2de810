"""Simulated links: a reply is held back as long as its pretended link and speed would have taken."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate
pytest.importorskip("flwr.serverapp")

from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from crossward.protocol.simulated import SimulatedSpeed, write_simulated_speed
from crossward.simulation.toy import toy_context
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from server_app.simulated_links import SimulatedLinks
from strategies.exchange.bandwidth import Bandwidths


def replying(size: int, simulated: SimulatedSpeed | None) -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        content = RecordDict({"x": ArrayRecord({"bytes": Array("uint8", (size,), "raw.bytes", bytes(size))})})
        if simulated is not None:
            write_simulated_speed(content, simulated)
        return Message(content=content, reply_to=message)

    return app


def links(*nodes: tuple[int, SimulatedSpeed | None]) -> tuple[SimulatedLinks, VirtualClock, Bandwidths]:
    """Nodes that really answer after one second; (bytes of the reply, what it pretends)."""
    clock, bandwidths = VirtualClock(), Bandwidths()
    real = Speed(mbit=1e15, latency=0.0, compute=1.0)
    grid = VirtualGrid(
        {i: VirtualNode(replying(*given), toy_context(i), real) for i, given in enumerate(nodes, start=1)}, clock
    )
    return SimulatedLinks(grid, clock, bandwidths), clock, bandwidths


def push(grid: SimulatedLinks, node: int, size: int = 0) -> str:
    content = RecordDict({"x": ArrayRecord({"bytes": Array("uint8", (size,), "raw.bytes", bytes(size))})})
    (message_id,) = grid.push_messages([Message(content=content, dst_node_id=node, message_type="train")])
    return message_id


def pull(grid: SimulatedLinks, clock: VirtualClock, time: float, ids: list[str]) -> list[int]:
    clock.time = time
    return [m.metadata.src_node_id for m in grid.pull_messages(ids)]


def test_a_reply_comes_after_transfer_and_slowed_down_work() -> None:
    # 1 MB down, 4 MB up at 10 Mbit/s: 4 s; 2 s of work three times as slow: 6 s
    grid, clock, bandwidths = links((4_000_000, SimulatedSpeed(10.0, 3.0, 2.0)))
    ids = [push(grid, 1, 1_000_000)]
    assert pull(grid, clock, 1.0, ids) == []
    assert pull(grid, clock, 9.99, ids) == []
    assert pull(grid, clock, 10.0, ids) == [1]
    assert pull(grid, clock, 11.0, ids) == []
    assert bandwidths.value(1) == 10.0


def test_a_node_that_pretends_nothing_passes_straight_through() -> None:
    grid, clock, bandwidths = links((4_000_000, None))
    ids = [push(grid, 1)]
    assert pull(grid, clock, 1.001, ids) == [1]
    assert bandwidths.value(1) == 1.0  # unknown


def test_fast_replies_overtake_slow_ones() -> None:
    grid, clock, _ = links((0, SimulatedSpeed(10.0, 1.0, 50.0)), (0, SimulatedSpeed(10.0, 1.0, 5.0)), (0, None))
    ids = [push(grid, 1), push(grid, 2), push(grid, 3)]
    assert [pull(grid, clock, t, ids) for t in (1.0, 5.0, 49.0, 50.0)] == [[3], [2], [], [1]]


def test_a_reply_that_really_took_longer_is_not_held_back() -> None:
    grid, clock, _ = links((0, SimulatedSpeed(1000.0, 1.0, 0.1)))
    ids = [push(grid, 1)]
    assert pull(grid, clock, 1.0, ids) == [1]


def test_errors_and_the_grids_other_calls_pass_through() -> None:
    grid, clock, _ = links((0, None), (0, None))
    assert list(grid.get_node_ids()) == [1, 2]
    assert grid.run.run_id == 1
    grid.grid.nodes[1].leaves = 0.5  # type: ignore[attr-defined]
    ids = [push(grid, 1)]
    clock.time = 60.0
    (reply,) = grid.pull_messages(ids)
    assert reply.has_error()


def test_a_whole_run_over_simulated_links(tmp_path: Any) -> None:
    """The strategy sees the pretended order; bandwidths are those configured."""
    from crossward.config.schedule import Schedule
    from crossward.config.strategy_settings import StrategySettings
    from crossward.encryption.plan import FieldPlan
    from crossward.simulation.toy import toy_app
    from strategies.async_hybrid import AsyncHybrid
    from strategies.history.journal import MemoryJournal

    class Polling(VirtualClock):
        """Looks again after every pause, as the machine's clock does: held replies are no events of the grid's."""

        def pause(self, seconds: float, until: float) -> None:
            self.time += seconds

    schedule = Schedule(versions=6, local_steps=5, peak=0.05)
    clock, bandwidths, journal = Polling(), Bandwidths(), MemoryJournal()
    inner = toy_app(tmp_path, schedule)
    mbit, seconds = (1000.0, 300.0, 100.0, 20.0), (1.0, 2.0, 3.0, 20.0)

    def pretending(number: int) -> Any:
        def app(message: Message, context: Context) -> Message:
            reply = inner(message, context)
            write_simulated_speed(reply.content, SimulatedSpeed(mbit[number], 1.0, seconds[number]))
            return reply

        return app

    real = Speed(mbit=1e15, latency=0.0, compute=0.5)
    nodes = {i + 1: VirtualNode(pretending(i), toy_context(i), real) for i in range(4)}
    settings = StrategySettings(evaluate_every=0)
    strategy = AsyncHybrid(settings, FieldPlan(8, 7, 2), schedule, journal, clock=clock, bandwidths=bandwidths)
    strategy.start(SimulatedLinks(VirtualGrid(nodes, clock), clock, bandwidths))
    made = [line for line in journal.log if line["event"] == "version"]
    assert [sorted(line["sites"]) for line in made] == [["toy-0", "toy-1", "toy-2"]] * 6
    first = [line for line in journal.log if line["event"] == "accepted"][:3]
    assert [line["bandwidth"] for line in first] == [1000.0, 300.0, 100.0]
    assert [line["node"] for line in first] == ["1", "2", "3"]
