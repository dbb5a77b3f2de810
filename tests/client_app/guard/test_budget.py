"""What is spent is on disk before a training begins, is never forgotten, and never exceeds the budget."""

from __future__ import annotations

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate

from client_app.guard import budget as module
from client_app.guard.budget import Budget, BudgetError, TotalBudget
from client_app.guard.limits import Limits
from client_app.guard.spending import Record, RecordError
from client_app.node import Node
from client_app.training.trained import Trained
from crossward.config.privacy_settings import PrivacySettings
from crossward.config.schedule import Schedule
from crossward.privacy.accounting import Spent, epsilon, noise_for
from crossward.protocol.messages import BUDGET, Evaluation, Failure, Head, Task, Update
from crossward.simulation.toy import ToyLearner, toy_identity

SCHEDULE = Schedule(versions=4, local_steps=5, peak=0.05)
PRIVACY = PrivacySettings("patient", epsilon=6.0, batch=50, accountant="rdp")
TASK = Task("line", 1, 0, 0, 0, 4, (8, 6, 6), Head(3, "abc"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.spent" / "line.json"


def budget(path: Path, privacy: PrivacySettings = PRIVACY, schedule: Schedule = SCHEDULE, units: int = 50) -> Budget:
    return Budget(path, privacy, schedule, units, durable=False)


def test_calibrated_noise_lets_a_hospital_take_part_in_every_version_and_no_more(path: Path) -> None:
    noise = noise_for(6.0, 1e-5, 1.0, 20, "rdp")
    costs = [budget(path).spend() for _ in range(4)]  # a process of its own each time
    assert {cost.noise_multiplier for cost in costs} == {noise}
    totals = [cost.total for cost in costs]
    assert totals == sorted(totals) and totals[0] == costs[0].alone
    assert totals[-1] == epsilon([Spent(1.0, noise, 20)], 1e-5, "rdp") <= 6.0
    before = path.read_bytes()
    with pytest.raises(BudgetError, match=r"patient-level epsilon to 6\.\d+, beyond privacy.epsilon = 6"):
        budget(path).spend()
    assert path.read_bytes() == before


def test_noise_is_calibrated_once_and_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = budget(path).spend()
    monkeypatch.setattr("crossward.privacy.accounting.noise_for", None)
    assert budget(path).spend().noise_multiplier == first.noise_multiplier


def test_given_noise_that_the_whole_run_cannot_afford_is_refused_before_the_first_step(path: Path) -> None:
    given = replace(PRIVACY, noise_multiplier=noise_for(6.0, 1e-5, 1.0, 20, "rdp") - 1 / 128)
    with pytest.raises(BudgetError, match=r"4 versions of 5 steps with privacy\.noise-multiplier"):
        budget(path, given).spend()
    assert not path.exists()
    assert budget(path, replace(given, noise_multiplier=9.0)).spend().total < 6.0


def test_a_budget_that_no_noise_keeps_is_refused_by_its_keys(path: Path) -> None:
    tiny = replace(PRIVACY, epsilon=1e-6, delta=1e-9)
    with pytest.raises(
        BudgetError, match=r"privacy\.noise-multiplier = 0 .* privacy\.epsilon = 1e-06 at privacy\.delta"
    ):
        budget(path, tiny).spend()
    assert not path.exists()


def test_without_a_budget_the_price_is_told_and_nothing_refused(path: Path) -> None:
    free = PrivacySettings("example", noise_multiplier=0.5, batch=50, accountant="rdp")
    totals = [budget(path, free).spend().total for _ in range(6)]
    assert totals[-1] > totals[0] > 0 and len(json.loads(path.read_text())["spent"]) == 6


def test_a_hospital_that_grew_is_charged_at_its_new_rate(path: Path) -> None:
    small, large = budget(path, units=50), budget(path, units=100)
    noise = small.spend().noise_multiplier
    after = large.spend()
    expected = [Spent(1.0, noise, 5), Spent(0.5, after.noise_multiplier, 5)]
    assert after.total == epsilon(expected, 1e-5, "rdp") and after.noise_multiplier < noise


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes before two have read, unless the second is kept from reading."""
    both, write = threading.Barrier(2), Record.write

    def slowly(self: Record, *given: Any) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)
        write(self, *given)

    monkeypatch.setattr(Record, "write", slowly)


@pytest.mark.usefixtures("together")
def test_a_run_that_changes_its_noise_is_accounted_as_one_that_chose_it_in_sight_of_what_it_got(path: Path) -> None:
    sharp = PrivacySettings("patient", noise_multiplier=8.0, batch=25, accountant="pld")
    budget(path, sharp).spend()
    one, other = Spent(0.5, 8.0, 5), Spent(0.5, 9.0, 5)
    assert budget(path, sharp).spend().total == epsilon([one, one], 1e-5, "pld")
    changed = budget(path, replace(sharp, noise_multiplier=9.0)).spend().total
    assert changed == epsilon([one, one, other], 1e-5, "rdp") > epsilon([one, one, other], 1e-5, "pld")
    assert budget(path, sharp).spend().total == epsilon([one, one, other, one], 1e-5, "rdp")


def test_two_trainings_at_once_are_both_paid_for(path: Path) -> None:
    """The second is only let to the record when the first has written it: else both would write after one reading."""
    with ThreadPoolExecutor(2) as pool:
        costs = [future.result() for future in [pool.submit(budget(path).spend) for _ in range(2)]]
    assert len(json.loads(path.read_text())["spent"]) == 2
    assert min(cost.total for cost in costs) == costs[0].alone < max(cost.total for cost in costs)
    assert sorted(file.name for file in path.parent.iterdir() if file.suffix != ".lock") == ["line.json"]


CUT_OFF = '{"format": 2, "unit": "patient", "noise": {}, "spent": [{"steps": 3}]}'


@pytest.mark.parametrize("text", ["", "{}", CUT_OFF, "[]"])
def test_a_record_that_cannot_be_read_stops_all_training(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(RecordError, match="nothing is trained without it"):
        budget(path).spend()


def of_run(path: Path, name: str, total: float, unit: str = "patient", epsilon: float = 3.0, **more: Any) -> Budget:
    total_budget = TotalBudget(unit, total, 1e-5) if total else None
    privacy = replace(PRIVACY, unit=unit, epsilon=epsilon, **more)
    return Budget(path.with_stem(name), privacy, SCHEDULE, 100, durable=False, total_budget=total_budget)


def test_a_hospitals_own_budget_is_over_all_its_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What two runs spend is composed as one run's trainings are; a third that would exceed it does not begin."""
    for name in ("one", "two"):
        for _ in range(SCHEDULE.versions):
            cost = of_run(path, name, 5.0).spend()
        assert cost.total <= 3.0  # the run is told its own epsilon, not what the hospital did elsewhere
    noise = noise_for(3.0, 1e-5, 0.5, 20, "rdp")
    three = epsilon([Spent(0.5, noise, 60)], 1e-5, "rdp")
    assert epsilon([Spent(0.5, noise, 40)], 1e-5, "rdp") < 5.0 < three
    # the node's log has what other runs spent, the server is told only that it is too much
    logged: list[str] = []
    monkeypatch.setattr(module.logger, "warning", lambda text, *given: logged.append(text % given))
    with pytest.raises(BudgetError, match="all of this run would exceed it, and it takes no further part") as refused:
        of_run(path, "three", 5.0).spend()
    assert f"{three:.4g}" in logged[0] and f"{three:.4g}" not in str(refused.value)
    assert not path.with_stem("three").exists()
    assert of_run(path, "three", three).spend().total < 3.0
    assert of_run(path, "four", 0.0).spend().total < 3.0  # a hospital that keeps no account over runs


def test_a_run_that_another_overtook_stops_within_the_hospitals_budget(path: Path) -> None:
    first = of_run(path, "one", 3.0)
    first.spend()
    of_run(path, "two", 0.0).spend()  # the hospital lifted its demand for a while
    with pytest.raises(BudgetError, match="another training would exceed it"):  # noqa: PT012 - after some of them
        for _ in range(SCHEDULE.versions):
            first.spend()
    spent = [
        Spent(**entry) for name in ("one", "two") for entry in json.loads(path.with_stem(name).read_text())["spent"]
    ]
    assert 2 <= len(spent) < 5 and epsilon(spent, 1e-5, "rdp") <= 3.0


@pytest.mark.parametrize(("first", "then"), [("example", "patient"), ("patient", "example")])
def test_what_protected_one_says_nothing_of_another(path: Path, first: str, then: str) -> None:
    of_run(path, "one", 0.0, unit=first).spend()
    with pytest.raises(BudgetError, match=f"an earlier run protected another unit than '{then}'"):
        of_run(path, "two", 100.0, unit=then).spend()
    assert of_run(path, "two", 0.0, unit=then).spend()


def test_a_damaged_record_of_another_run_stops_a_hospital_that_counts_them(path: Path) -> None:
    of_run(path, "one", 9.0).spend()
    path.with_stem("two").write_text(CUT_OFF)
    with pytest.raises(RecordError, match="nothing is trained without it"):
        of_run(path, "one", 9.0).spend()
    assert of_run(path, "one", 0.0).spend()


@pytest.mark.usefixtures("together")
def test_two_runs_at_once_do_not_spend_the_same_rest(path: Path) -> None:
    """One reads what the other wrote: of two runs that each would fit, the second does not."""
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(of_run(path, name, 3.0).spend) for name in ("one", "two")]
        refused = [isinstance(future.exception(), BudgetError) for future in futures]
    assert sorted(refused) == [False, True] and len(list(path.parent.glob("*.json"))) == 1


def test_a_record_that_somebody_keeps_is_not_blamed_on_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client_app.guard.spending._PATIENCE", 0.05)
    with (
        Record(path).exclusive(),
        pytest.raises(RecordError, match=r"has held the record of the privacy budget for 0\.05 s"),
    ):
        budget(path).spend()


def test_a_lineage_that_goes_on_under_another_unit_is_not_mixed(path: Path) -> None:
    of_run(path, "one", 0.0, unit="example").spend()
    with pytest.raises(RecordError, match=r"is of privacy\.unit = 'example', the run now has 'patient'"):
        of_run(path, "one", 0.0).spend()


def test_a_record_that_cannot_be_written_stops_the_training(path: Path) -> None:
    path.parent.write_text("a file where the folder should be")
    with pytest.raises(RecordError, match="could not be written"):
        budget(path).spend()


@pytest.mark.parametrize(("unit", "message"), [("patient", "9 patients"), ("example", r"9 notes \(examples\)")])
def test_a_batch_beyond_the_hospitals_units_names_both(path: Path, unit: str, message: str) -> None:
    with pytest.raises(BudgetError, match=rf"privacy\.batch = 50 .* {message}"):
        budget(path, replace(PRIVACY, unit=unit), units=9).spend()
    with pytest.raises(ValueError, match="no unit that a hospital"):
        budget(path, PrivacySettings("hospital", epsilon=1.0))


# ---------------------------------------------------------------------- at a node


class Private(ToyLearner):
    """A toy that trains privately: what it was told, and what is on disk while it trains."""

    units = 50

    def __init__(self, path: Path, fails: type[BaseException] | None = None) -> None:
        super().__init__(0, SCHEDULE)
        self.path, self.fails, self.noise = path, fails, 0.0

    def train(self, start: Any, version: int, seed: int) -> Trained:
        raise AssertionError("a private run trains privately")

    def train_private(self, start: Any, version: int, noise_multiplier: float) -> Trained:
        self.noise = noise_multiplier
        self.seen = json.loads(self.path.read_text())["spent"]
        if self.fails is not None:
            raise self.fails
        return Trained((start + 0.01).astype(np.float32), 50, 1234, 0.0, SCHEDULE.local_steps)


def node(folder: Path, path: Path, fails: type[BaseException] | None = None) -> tuple[Node, Private]:
    learner = Private(path, fails)
    limits = Limits("patient", budget(path))
    return Node(learner, folder, toy_identity(1), SCHEDULE, 0, lambda: 0.0, durable=False, limits=limits), learner


def test_an_update_says_what_was_spent_and_nothing_of_the_notes(tmp_path: Path, path: Path) -> None:
    made, learner = node(tmp_path / "node", path)
    update = made.train(TASK)
    assert isinstance(update, Update) and learner.noise > 0
    assert (update.privacy_unit, update.loss_sum, update.num_examples, update.num_tokens) == ("patient", 0.0, 64, 1234)
    again = made.train(replace(TASK, task=2))
    assert isinstance(again, Update) and 0 < update.local_epsilon == update.local_epsilon_step < again.local_epsilon
    assert b'"local_epsilon"' in update.signed_bytes() and b'"privacy_unit"' in update.signed_bytes()


@pytest.mark.parametrize("kill", [KeyboardInterrupt, SystemExit, MemoryError])
def test_a_training_that_is_killed_is_paid_for(tmp_path: Path, path: Path, kill: type[BaseException]) -> None:
    made, learner = node(tmp_path / "node", path, kill)
    with pytest.raises(kill):
        made.train(TASK)
    assert len(learner.seen) == 1  # before it began
    made, learner = node(tmp_path / "node", path)  # the next process
    update = made.train(replace(TASK, task=2))
    assert isinstance(update, Update) and len(learner.seen) == 2
    assert update.local_epsilon > update.local_epsilon_step


def test_a_budget_that_is_spent_is_a_failure_of_its_own_kind(tmp_path: Path, path: Path) -> None:
    made, _ = node(tmp_path / "node", path)
    replies = [made.train(replace(TASK, task=number)) for number in range(5)]
    assert all(isinstance(reply, Update) for reply in replies[:4])
    last = replies[4]
    assert isinstance(last, Failure) and last.kind == BUDGET and "privacy.epsilon = 6" in last.reason


def test_deleting_the_lineages_folder_forgets_nothing(tmp_path: Path, path: Path) -> None:
    import shutil

    made, _ = node(tmp_path / "node", path)
    made.train(TASK)
    shutil.rmtree(tmp_path / "node")
    made, learner = node(tmp_path / "node", path)
    made.train(TASK)
    assert len(learner.seen) == 2


def test_a_node_that_is_behind_spends_nothing(tmp_path: Path, path: Path) -> None:
    made, _ = node(tmp_path / "node", path)
    reply = made.train(replace(TASK, version=3, from_version=2))
    assert isinstance(reply, Failure) and reply.kind == "behind" and not path.exists()


def test_what_was_trained_alone_and_without_noise_is_measured_for_this_node_only(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made, _ = node(tmp_path / "node", path)
    with caplog.at_level("INFO", "crossward.node"):
        reply = made.alone(replace(TASK, last=True))
    assert isinstance(reply, Evaluation) and sorted(reply.measures) == ["base", "global"]
    assert "trained here without noise: alone" in caplog.text and not path.exists()
    assert made.own.path.exists()


def test_what_was_left_over_without_privacy_does_not_enter_a_private_update(tmp_path: Path, path: Path) -> None:
    """A lineage that goes on under another unit: the rounding's remainder of an unprotected update is dropped."""
    open_node = Node(ToyLearner(0, SCHEDULE), tmp_path / "node", toy_identity(1), SCHEDULE, 0, durable=False)
    assert isinstance(open_node.train(TASK), Update)
    left = open_node.store.load(open_node.layout)
    assert left.pending is not None and left.pending.any()
    private, _ = node(tmp_path / "node", path)
    assert isinstance(private.train(replace(TASK, task=2, accepted=(1,))), Update)
    state = private.store.load(private.layout)
    assert state.residual is None and (state.unit, state.pending_task) == ("patient", 2)


def test_the_module_imports_no_torch() -> None:
    """A deployment's node asks for its budget in a process that has no model."""
    import subprocess
    import sys

    code = f"import sys, {module.__name__}, crossward.privacy.accounting; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
