"""A run ends whoever comes and goes while it does, so that there is something to evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flwr.app import Message

from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.plan import FieldPlan
from crossward.simulation.toy import toy_app, toy_context
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from strategies.async_hybrid import AsyncHybrid
from strategies.history.journal import MemoryJournal


class Bounded(VirtualGrid):
    """A grid on which a run that never ends fails instead."""

    def _push(self, message: Message) -> str:
        assert len(self.pushed) < 60, "two versions took 60 tasks: the run does not end"
        return super()._push(message)


def run(folder: Path, **times: dict[str, float]) -> list[dict[str, Any]]:
    """Events of a run of three quick nodes, a very slow one and a fifth; ``times`` are those of nodes 4 and 5."""
    schedule, clock, journal = Schedule(versions=2, local_steps=5, peak=0.05), VirtualClock(), MemoryJournal()
    app = toy_app(folder, schedule)
    nodes = {
        number: VirtualNode(
            app,
            toy_context(number - 1),
            Speed(mbit=1e9, latency=0.0, compute=500.0 if number == 4 else 1.0),
            **times.get(f"node_{number}", {}),
        )
        for number in range(1, 6)
    }
    settings = StrategySettings(evaluate_every=0, task_timeout=1000.0, rollback_ratio=0.0)
    strategy = AsyncHybrid(settings, FieldPlan(8, 7, 2), schedule, journal, clock=clock)
    strategy.start(Bounded(nodes, clock), num_rounds=2)
    return list(journal.events())


def test_a_node_that_comes_while_all_are_measuring_is_measured_too(tmp_path: Path) -> None:
    events = run(tmp_path, node_5={"joins": 20.0})
    assert events[-1]["event"] == "finished"
    assert "toy-4" in {line["site"] for line in events if line["event"] == "measured"}


def test_a_node_that_comes_after_the_last_round_does_not_keep_the_run_going(tmp_path: Path) -> None:
    """The round has closed, but the run waits for the task of a node that has left; then another node joins."""
    events = run(tmp_path, node_4={"leaves": 20.0}, node_5={"joins": 40.0})
    assert events[-1]["event"] == "finished"
