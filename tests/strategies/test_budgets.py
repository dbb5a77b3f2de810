"""Runs whose hospitals protect their patients: what ends them, and what the ledger holds; one with real learners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate

from client_app.guard.budget import Budget
from client_app.guard.limits import Limits
from client_app.handlers import make_app
from client_app.node import Node
from client_app.training.trained import Trained
from crossward.config.privacy_settings import PrivacySettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.plan import FieldPlan
from crossward.privacy.accounting import Spent, epsilon
from crossward.simulation.toy import ToyLearner, toy_context, toy_identity
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from strategies.async_hybrid import AsyncHybrid
from strategies.fedavg import FedAvg
from strategies.history.journal import MemoryJournal
from strategies.history.state import RunError

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
        journal: MemoryJournal | None = None,
        **given: Any,
    ) -> None:
        def build(context: Any, task: Any) -> Node:
            number = int(context.node_config["partition-id"])
            learner, own = make(number), folder / str(number)
            budget = Budget(folder / f"{number}.json", budgets[number], schedule, learner.units, durable=False)
            limits = Limits(budgets[number].unit, budget)
            return Node(learner, own, toy_identity(number + 1), schedule, 0, lambda: 0.0, durable=False, limits=limits)

        clock, app = VirtualClock(), make_app(build)
        speed = Speed(mbit=1e15, latency=0.0, compute=10.0)
        nodes = {i + 1: VirtualNode(app, toy_context(i), speed) for i in range(len(budgets))}
        settings = StrategySettings(
            name="fedavg" if kind is FedAvg else "async-hybrid",
            weighting="examples",
            evaluate_every=0,
            exponents="0,0.5,1",
            **given,
        )
        self.journal = journal or MemoryJournal()
        self.strategy = kind(settings, FieldPlan(8, 7, 2), schedule, self.journal, clock=clock, privacy_unit=unit)
        self.clock, self.grid = clock, VirtualGrid(nodes, clock)

    def away(self, node: int, *stretches: tuple[float, float]) -> None:
        """Take a node from the grid from one second to another, and again."""
        ids, now = self.grid.get_node_ids, self.clock.now
        gone = lambda: any(first <= now() < last for first, last in stretches)  # noqa: E731
        self.grid.get_node_ids = lambda: [n for n in ids() if n != node or not gone()]  # type: ignore[method-assign]

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


# ---------------------------------------------------------------------- who is away, comes later, or comes back

NOISE = PrivacySettings("patient", noise_multiplier=3.0, batch=10, accountant="rdp")
POOR = replace(NOISE, epsilon=1.001 * epsilon([Spent(1.0, 3.0, 5)], 1e-5, "rdp"))  # for one training
ONE = Schedule(versions=1, local_steps=5, peak=0.05)


def spent(folder: Path, *numbers: int) -> None:
    """What a shorter run costs hospitals: in this one they can afford nothing more."""
    for number in numbers:
        Budget(folder / f"{number}.json", POOR, ONE, 10, durable=False).spend()


@pytest.mark.parametrize("kind", [AsyncHybrid, FedAvg])
def test_hospitals_that_are_away_for_a_moment_do_not_end_the_run(tmp_path: Path, kind: type[AsyncHybrid]) -> None:
    """One of five has spent its budget, two are away for 20 s: two are left there, and no version is made meanwhile."""
    run = Run(tmp_path, [NOISE] * 4 + [POOR], toy, kind, buffer_size=0 if kind is FedAvg else 3)
    spent(tmp_path, 4)
    for node in (3, 4):
        run.away(node, (15.0, 35.0))
    lines = run.go()
    (end,) = of(lines, "finished")
    assert end["reason"] == "all 6 versions are made" and len(of(lines, "left")) == len(of(lines, "joined")) - 5 == 2
    assert [line["node"] for line in of(lines, "budget")] == ["5"]


def test_hospitals_that_stay_away_leave_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    """Not a run that calls itself complete: with the two that left three hospitals have budget."""
    run = Run(tmp_path, [NOISE] * 3 + [POOR], toy, stall_timeout=300.0, max_wait=60.0)
    spent(tmp_path, 3)
    run.away(3, (15.0, 1e9))
    with pytest.raises(RunError, match=r"3 nodes are connected, 1 have spent their privacy budget.*can be resumed"):
        run.go()
    assert not of(list(run.journal.events()), "finished")
    again = Run(tmp_path, [NOISE] * 3 + [POOR], toy, journal=run.journal)
    assert of(again.go(), "finished")[0]["reason"] == "all 6 versions are made"


def test_hospitals_of_the_lineage_that_have_not_come_yet_count_in_a_resumed_run(tmp_path: Path) -> None:
    poor = replace(NOISE, epsilon=1.001 * epsilon([Spent(1.0, 3.0, 10)], 1e-5, "rdp"))
    budgets, journal = [NOISE] * 3 + [poor], MemoryJournal()
    spent(tmp_path, 3)
    first = Run(tmp_path, budgets, toy, journal=journal, buffer_size=4)
    first.strategy.start(first.grid, num_rounds=1)
    assert len(first.strategy.state.run.claims) == 4
    journal.log = [line for line in journal.log if line["event"] != "finished"]
    second = Run(tmp_path, budgets, toy, journal=journal)
    second.away(3, (0.0, 50.0))
    lines = second.go()
    assert of(lines, "finished")[0]["reason"] == "all 6 versions are made" and of(lines, "budget")


def test_a_run_without_a_version_waits_for_others_to_join(tmp_path: Path) -> None:
    """One of the three that came has too few patients: the fourth, which comes later, makes up for it."""
    run = Run(tmp_path, [replace(NOISE, batch=16)] + [NOISE] * 3, toy)
    run.away(4, (0.0, 100.0))
    lines = run.go()
    assert of(lines, "finished")[0]["reason"] == "all 6 versions are made"
    assert [line["node"] for line in of(lines, "budget")] == ["1"]


def test_a_run_without_a_version_is_no_complete_run(tmp_path: Path) -> None:
    run = Run(tmp_path, [replace(NOISE, batch=16)] + [NOISE] * 2, toy, max_wait=60.0)
    reported = r"no version was made: 1 of 3 nodes refused .*min-contributors = 3 .* privacy.batch = 16 is more"
    with pytest.raises(RunError, match=reported):
        run.go()
    assert 60.0 <= run.clock.now() < 70.0 and not of(list(run.journal.events()), "finished")
    again = Run(tmp_path, [NOISE] * 3, toy, journal=run.journal)  # put right: what was accepted still counts
    assert of(again.go(), "finished")[0]["reason"] == "all 6 versions are made"


def test_a_hospital_that_comes_back_is_asked_again_once(tmp_path: Path) -> None:
    """It comes back twice: at first with its budget as it was, then with more."""
    budgets = [NOISE] * 3 + [POOR]
    run = Run(tmp_path, budgets, toy, schedule=Schedule(versions=20, local_steps=5, peak=0.05))
    spent(tmp_path, 3)
    run.away(4, (15.0, 25.0), (45.0, 65.0))
    ids = run.grid.get_node_ids

    def raised() -> Any:
        budgets[3] = NOISE if run.clock.now() >= 60.0 else POOR
        return ids()

    run.grid.get_node_ids = raised  # type: ignore[method-assign]
    lines = run.go()
    assert of(lines, "finished")[0]["reason"] == "all 20 versions are made"
    asked = [line["task"] for line in of(lines, "dispatched") if line["node"] == "4" and line["kind"] == "train"]
    assert [(line["node"], line["task"]) for line in of(lines, "budget")] == [("4", task) for task in asked[:2]]
    assert [line["task"] for line in of(lines, "accepted") if line["node"] == "4"] == asked[2:] != []


def test_a_run_that_ended_for_its_budgets_goes_on_once_they_are_raised(tmp_path: Path) -> None:
    poor = replace(NOISE, epsilon=1.001 * epsilon([Spent(1.0, 3.0, 10)], 1e-5, "rdp"))
    budgets = [NOISE, NOISE, poor, poor]
    spent(tmp_path, 2, 3)
    first = Run(tmp_path, budgets, toy)
    (end,) = of(first.go(), "finished")
    assert end["reason"].startswith("the privacy budget is spent: 2 of 4") and end["version"] < 6
    same = of(Run(tmp_path, budgets, toy, journal=first.journal).go(), "finished")  # as they were: the same again
    assert same[1]["reason"] == end["reason"] and same[1]["version"] == end["version"]
    budgets[2:] = [NOISE] * 2
    lines = Run(tmp_path, budgets, toy, journal=first.journal).go()
    assert of(lines, "finished")[2]["reason"] == "all 6 versions are made"


def test_a_round_takes_in_others_for_those_whose_budget_is_spent(tmp_path: Path) -> None:
    """Three of five are sampled, two of them at least cannot train: the round does not wait for them for ever."""
    run = Run(tmp_path, [POOR, POOR] + [NOISE] * 3, toy, FedAvg, buffer_size=3)
    spent(tmp_path, 0, 1)
    lines = run.go()
    assert of(lines, "finished")[0]["reason"] == "all 6 versions are made"
    assert sorted(line["node"] for line in of(lines, "budget")) in (["1"], ["1", "2"], ["2"])
    assert all(len(line["tasks"]) == 3 for line in of(lines, "version"))


def test_an_update_of_another_unit_than_the_runs_is_refused(tmp_path: Path) -> None:
    other = replace(PRIVACY, unit="example")
    lines = Run(tmp_path, [PRIVACY, PRIVACY, PRIVACY, other], toy).go()
    refused = of(lines, "malformed")
    assert refused and {line["node"] for line in refused} == {"4"}
    assert "privacy.unit = 'example', the run has 'patient'" in refused[0]["reason"]


# ---------------------------------------------------------------------- with real learners


def test_a_whole_private_run_of_real_hospitals(own_home: Path, tmp_path: Path) -> None:
    from client_app.training.learner import LoraLearner, adapted_model
    from crossward.adapters import LoraSettings, ModelConfig
    from crossward.config.train_settings import TrainSettings
    from data import DataConfig, load_hospitals

    data = DataConfig(synthetic_patients=24, max_tokens=32, min_patients=2)
    schedule = Schedule(versions=2, local_steps=2, peak=1e-2)
    privacy = PrivacySettings("patient", 8.0, noise_multiplier=3.0, batch=2, notes_per_patient=1)
    adapted = adapted_model(ModelConfig(device="cpu"), LoraSettings(rank=2), 0)
    learners = [
        LoraLearner(adapted, hospital, data, schedule, TrainSettings(batch_size=4), privacy=privacy)
        for hospital in load_hospitals(data, 3)
    ]
    for learner in learners:
        learner.reported = lambda report: None
    run = Run(tmp_path / "nodes", [privacy] * 3, lambda number: learners[number], schedule=schedule)
    lines = run.go()
    assert of(lines, "finished")[0]["reason"] == "all 2 versions are made"
    spent: dict[str, float] = {}
    for line in of(lines, "accepted"):
        spent[line["site"]] = line["local_epsilon"]
        learner = next(one for one in learners if one.site == line["site"])
        assert learner.units < 23 and line["num_examples"] == 16 and line["steps"] == 2 and line["loss_sum"] == 0.0
    assert set(spent) == {learner.site for learner in learners}
    assert all(0 < found <= 8.0 for found in spent.values())
    measured = of(lines, "measured")
    assert len(measured) == 3 and all(np.isfinite(line["global_loss_sum"]) for line in measured)
