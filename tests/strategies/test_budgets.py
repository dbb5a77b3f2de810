"""Runs whose hospitals protect their patients: what ends them, and what the ledger holds; one with real learners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate

from client_app.budget import Budget
from client_app.handlers import make_app
from client_app.node import Node
from client_app.trained import Trained
from encryption.plan import FieldPlan
from privacy.accounting import Spent, epsilon
from protocol.privacy_settings import PrivacySettings
from protocol.schedule import Schedule
from simulation.toy import ToyLearner, toy_context, toy_identity
from simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from strategies.async_hybrid import AsyncHybrid
from strategies.fedavg import FedAvg
from strategies.journal import MemoryJournal
from strategies.settings import StrategySettings
from strategies.state import RunError

PRIVACY = PrivacySettings("patient", epsilon=6.0, batch=10, accountant="rdp")  # of 10 patients: the plain Gaussian
SCHEDULE = Schedule(versions=6, local_steps=5, peak=0.05)


class Private(ToyLearner):
    units = 10

    def train_private(self, start: Any, version: int, noise_multiplier: float) -> Trained:
        trained = super().train(start, version, 0)
        return replace(trained, num_examples=self.units, num_tokens=4000, loss_sum=0.0)


class Run:
    """A run on the virtual grid; ``budgets[i]`` is hospital i's privacy."""

    def __init__(
        self,
        folder: Path,
        budgets: list[PrivacySettings],
        make: Callable[[int], Any],
        kind: type[AsyncHybrid] = AsyncHybrid,
        schedule: Schedule = SCHEDULE,
        unit: str = "patient",
        **given: Any,
    ) -> None:
        def build(context: Any, task: Any) -> Node:
            number = int(context.node_config["partition-id"])
            learner, own = make(number), folder / str(number)
            node = Node(learner, own, toy_identity(number + 1), schedule, 0, lambda: 0.0, durable=False)
            node.privacy_unit = budgets[number].unit
            spent = folder / f"{number}.json"
            node.budget = Budget(spent, budgets[number], schedule, learner.units, durable=False)
            return node

        clock, app = VirtualClock(), make_app(build)
        speed = Speed(mbit=1e15, latency=0.0, compute=10.0)
        nodes = {i + 1: VirtualNode(app, toy_context(i), speed) for i in range(len(budgets))}
        settings = StrategySettings(
            name="fedavg" if kind is FedAvg else "async-hybrid",
            weighting="examples",
            evaluate_every=0,
            bandwidth_exponent=0.0,
            **given,
        )
        self.journal = MemoryJournal()
        self.strategy = kind(settings, FieldPlan(8, 7, 2), schedule, self.journal, clock=clock, privacy_unit=unit)
        self.grid = VirtualGrid(nodes, clock)

    def go(self) -> list[dict[str, Any]]:
        self.strategy.start(self.grid)
        return list(self.journal.events())


def toy(number: int) -> Private:
    return Private(number, SCHEDULE)


def of(lines: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == event]


def test_the_ledger_holds_what_each_hospital_spent_and_no_loss(tmp_path: Path) -> None:
    lines = Run(tmp_path, [PRIVACY] * 3, toy).go()
    assert of(lines, "finished")[0]["reason"] == "all 6 versions are made"
    accepted, spent = of(lines, "accepted"), {}
    for line in accepted:
        assert line["privacy_unit"] == "patient" and line["loss_sum"] == 0.0 and line["num_tokens"] == 4000
        assert line["local_epsilon"] > spent.get(line["hospital"], 0.0)
        spent[line["hospital"]] = line["local_epsilon"]
    assert len(spent) == 3 and max(spent.values()) <= 6.0
    for line in of(lines, "version"):
        assert "train_loss" not in line and "losses" not in line


@pytest.mark.parametrize("kind", [AsyncHybrid, FedAvg])
def test_a_run_is_complete_when_too_few_have_budget_left(tmp_path: Path, kind: type[AsyncHybrid]) -> None:
    """Two hospitals can afford two trainings only: after two versions nobody is left to make a third."""
    noise = PrivacySettings("patient", noise_multiplier=3.0, batch=10, accountant="rdp")
    afford = epsilon([Spent(1.0, 3.0, 10)], 1e-5, "rdp")
    short = Schedule(versions=2, local_steps=5, peak=0.05)
    poor = replace(noise, epsilon=1.001 * afford)
    run = Run(tmp_path, [noise, noise, poor, poor], toy, kind, buffer_size=0 if kind is FedAvg else 3)
    for number in (2, 3):  # what the whole of a shorter run costs them: here the run is longer than they can afford
        Budget(tmp_path / f"{number}.json", poor, short, 10, durable=False).spend()
    lines = run.go()
    (end,) = of(lines, "finished")
    assert end["reason"] == "the privacy budget is spent: 2 of 4 hospitals may train on, a version needs 3"
    assert 1 <= end["version"] < 6
    refused = of(lines, "budget")
    assert sorted(line["node"] for line in refused) == ["3", "4"]  # once each: nobody asks them again
    assert all("beyond privacy.epsilon" in line["reason"] for line in refused)
    assert sorted(line["node"] for line in of(lines, "measured")) == ["1", "2", "3", "4"]  # the last evaluation


def test_a_hospital_without_budget_does_not_hold_up_those_that_have_some(tmp_path: Path) -> None:
    noise = PrivacySettings("patient", noise_multiplier=3.0, batch=10, accountant="rdp")
    afford = epsilon([Spent(1.0, 3.0, 5)], 1e-5, "rdp")
    run = Run(tmp_path, [noise, noise, noise, replace(noise, epsilon=1.001 * afford)], toy, FedAvg, buffer_size=0)
    lines = run.go()
    assert of(lines, "finished")[0]["reason"] == "all 6 versions are made"
    assert [line["node"] for line in of(lines, "budget")] == ["4"]


def test_a_run_that_nobody_can_afford_fails_before_the_first_step(tmp_path: Path) -> None:
    poor = PrivacySettings("patient", epsilon=0.5, noise_multiplier=1.0, batch=10, accountant="rdp")
    with pytest.raises(RunError, match=r"refused their first training .* strategy.num-versions"):
        Run(tmp_path, [poor] * 3, toy).go()
    assert not list(tmp_path.glob("*.json"))


def test_an_update_of_another_unit_than_the_runs_is_refused(tmp_path: Path) -> None:
    other = replace(PRIVACY, unit="example")
    lines = Run(tmp_path, [PRIVACY, PRIVACY, PRIVACY, other], toy).go()
    refused = of(lines, "malformed")
    assert refused and {line["node"] for line in refused} == {"4"}
    assert "privacy.unit = 'example', the run has 'patient'" in refused[0]["reason"]


# ---------------------------------------------------------------------- with real learners


def test_a_whole_private_run_of_real_hospitals(own_home: Path, tmp_path: Path) -> None:
    from adapters import LoraSettings, ModelConfig
    from client_app.learner import LoraLearner, workshop
    from client_app.settings import TrainSettings
    from data import DataConfig, load_hospitals

    data = DataConfig(synthetic_patients=24, max_tokens=32, min_patients=2)
    schedule = Schedule(versions=2, local_steps=2, peak=1e-2)
    privacy = PrivacySettings("patient", 8.0, noise_multiplier=3.0, batch=2, notes_per_patient=1)
    shop = workshop(ModelConfig(device="cpu"), LoraSettings(rank=2), 0)
    learners = [
        LoraLearner(shop, hospital, data, schedule, TrainSettings(batch_size=4), privacy=privacy)
        for hospital in load_hospitals(data, 3)
    ]
    for learner in learners:
        learner.told = lambda report: None
    run = Run(tmp_path / "nodes", [privacy] * 3, lambda number: learners[number], schedule=schedule)
    lines = run.go()
    assert of(lines, "finished")[0]["reason"] == "all 2 versions are made"
    spent: dict[str, float] = {}
    for line in of(lines, "accepted"):
        spent[line["site"]] = line["local_epsilon"]
        learner = next(one for one in learners if one.site == line["site"])
        assert line["num_examples"] == learner.units and line["steps"] == 2 and line["loss_sum"] == 0.0
    assert set(spent) == {learner.site for learner in learners}
    assert all(0 < found <= 8.0 for found in spent.values())
    measured = of(lines, "measured")
    assert len(measured) == 3 and all(np.isfinite(line["global_loss_sum"]) for line in measured)
