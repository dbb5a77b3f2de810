"""Evaluation rounds: what is measured, when a run stops, how a bad version is taken back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from client_app.trained import Trained
from crossward.config.schedule import Schedule
from crossward.protocol.measures import Measure
from crossward.simulation.toy import ToyLearner
from strategies.federated_evaluation import EvaluationRound

GENTLE = Schedule(versions=16, local_steps=5, peak=0.4, kind="constant")
STEEP = Schedule(versions=16, local_steps=5, peak=0.4, kind="linear", warmup=0.0, floor=0.0)


class Poisoned(ToyLearner):
    """From version 4 to 7 every node walks as far off as the public range lets it."""

    bad = range(4, 8)

    def train(self, start: Any, version: int, rng: np.random.Generator) -> Trained:
        trained = super().train(start, version, rng)
        if version not in self.bad:
            return trained
        away = np.float32(self.schedule.value_range(self.schedule.epoch(version)))
        return Trained(start + away, trained.num_examples, trained.num_tokens, trained.loss_sum, trained.steps)


def test_a_round_adds_up_what_its_nodes_measured() -> None:
    r = EvaluationRound(4, [1, 2])
    assert r.loss("global") is None and not r.complete()
    r.add(1, "a", {"global": Measure(1, 10, 20, 5), "own": Measure(1, 10, 10, 6)})
    assert not r.complete()
    r.add(2, "b", {"global": Measure(1, 30, 30, 10)})
    assert r.complete() and r.sites() == ["a", "b"]
    assert r.loss("global") == 50 / 40
    metrics = r.metrics()
    assert metrics["global-token-accuracy"] == 15 / 40
    assert metrics["global-perplexity"] == pytest.approx(np.exp(1.25))
    assert metrics["own-loss"] == 1.0


def test_every_round_asks_every_node_and_its_loss_is_the_toys(federation: Any) -> None:
    f = federation(compute=(1, 1, 1, 1), versions=8, evaluate_every=2)
    f.start()
    assert [(line["version"], line["complete"]) for line in f.lines("evaluated")] == [(v, True) for v in (2, 4, 6, 8)]
    targets = [ToyLearner(i, f.schedule).target for i in range(4)]
    last = f.lines("evaluated")[-1]["loss"]
    vector = f.reference(8)
    assert last == pytest.approx(np.mean([0.5 * np.mean((vector - t) ** 2) for t in targets]), rel=1e-6)


def losses(federation: Any, **keywords: Any) -> Any:
    f = federation(compute=(1, 1, 1, 1), versions=12, **keywords)
    f.start()
    return f


def test_a_run_stops_at_its_target_loss(federation: Any, tmp_path: Any) -> None:
    free = losses(federation, folder=tmp_path / "free", evaluate_every=2)
    loss = {line["version"]: line["loss"] for line in free.lines("evaluated")}
    assert loss[2] > loss[4]
    f = losses(federation, evaluate_every=2, target_loss=loss[4])
    assert f.lines("finished")[0]["reason"].startswith(f"target loss {loss[4]} reached")
    assert [line["version"] for line in f.lines("evaluated")][:2] == [2, 4]
    assert f.strategy.state.version < 6
    f.check_accounts()
    f.check_agreement()


def test_without_evaluation_the_training_loss_is_the_target(federation: Any, tmp_path: Any) -> None:
    free = losses(federation, folder=tmp_path / "free")
    third = free.made()[2]["train_loss"]
    stop = next(line["version"] for line in free.made() if line["train_loss"] <= third)
    f = losses(federation, target_loss=third)
    assert f.strategy.state.version == stop
    f.check_accounts()
    f.check_agreement()


def test_a_run_stops_when_patience_is_at_its_end(federation: Any) -> None:
    f = losses(federation, evaluate_every=1, patience=2, min_delta=10.0)
    # the first loss is the best, the next two are no improvement by 10
    assert "no improvement" in f.lines("finished")[0]["reason"]
    assert "(version 1) in 2 losses" in f.lines("finished")[0]["reason"]
    assert [line["version"] for line in f.lines("evaluated")][:3] == [1, 2, 3]
    f.check_accounts()
    f.check_agreement()


def test_updates_that_come_after_the_stop_are_late_and_say_why(federation: Any) -> None:
    f = federation(compute=(1, 1, 1, 10), versions=2)
    f.start()
    (line,) = f.lines("late")
    assert line["reason"] == "the run is complete: all 2 versions are made"
    f.check_accounts()
    f.check_agreement()


# ---------------------------------------------------------------------- taking versions back


def poisoned(federation: Any, **keywords: Any) -> Any:
    given = {"schedule": GENTLE, "buffer_size": 4, "compute": (1, 1, 1, 1), "plan": None} | keywords
    if given["plan"] is None:
        del given["plan"]
    return federation(learner=Poisoned, evaluate_every=4, rollback_ratio=1.5, **given)


def test_versions_after_which_the_loss_jumped_are_subtracted_newest_first(federation: Any) -> None:
    f = poisoned(federation)
    f.start()
    made = {line["version"]: line for line in f.made()}
    assert [(v, line["reverts"], line["sign"]) for v, line in made.items() if "reverts" in line] == [
        (9, 8, -1),
        (10, 7, -1),
        (11, 6, -1),
        (12, 5, -1),
    ]
    assert all(made[v]["weight_sum"] == made[made[v]["reverts"]]["weight_sum"] for v in range(9, 13))
    f.check_accounts()
    f.check_agreement()


def test_after_a_rollback_every_node_is_bit_for_bit_where_the_best_version_was(federation: Any) -> None:
    f = poisoned(federation)
    f.start()
    best = {f.starts[node, 4].tobytes() for node in f.nodes}
    after = {f.starts[node, 12].tobytes() for node in f.nodes}
    assert len(best) == 1 and after == best
    assert np.array_equal(f.reference(12), f.reference(4))
    assert not np.array_equal(f.reference(8), f.reference(4))
    evaluated = {line["version"]: line["loss"] for line in f.lines("evaluated")}
    assert evaluated[8] > 1.5 * evaluated[4] > evaluated[16]


def test_a_rollback_over_scale_epochs_ends_there_too(federation: Any) -> None:
    f = poisoned(federation, schedule=STEEP)
    f.start()
    assert {line["epoch"] for line in f.made() if "reverts" in line} == {0}
    assert {f.starts[node, 12].tobytes() for node in f.nodes} == {f.starts[1, 4].tobytes()}
    f.check_accounts()
    f.check_agreement()


def test_a_node_that_slept_through_a_rollback_catches_up(federation: Any) -> None:
    f = poisoned(federation, compute=(1, 1, 1, 1, 1), joins={5: 12.5})
    f.start()
    f.check_accounts()
    f.check_agreement()


def test_two_rollbacks_lead_to_the_same_version(federation: Any) -> None:
    """The second finds versions 13 to 16 bad; 5 to 12 cancel out already."""

    class Twice(Poisoned):
        bad = (4, 5, 6, 7, 12, 13, 14, 15)

    long = Schedule(versions=40, local_steps=5, peak=0.4, kind="constant")
    f = poisoned(federation, schedule=long)
    f.learner = Twice
    f.start()
    back = [line["version"] for line in f.made() if "reverts" in line]
    assert back[:4] == [9, 10, 11, 12] and len(back) > 4
    end = max(v for v in back if v < back[4] + 13)
    assert np.array_equal(f.reference(end), f.reference(4))
    f.check_accounts()
    f.check_agreement()


def test_updates_that_wait_during_a_rollback_enter_at_their_scale(federation: Any) -> None:
    """Nodes 1 and 2 wait with updates of version 8 (epoch 1) while node 4 still evaluates it; then 12 is epoch 2."""
    f = poisoned(federation, schedule=STEEP, compute=(1, 1, 5, 5), buffer_size=3, max_staleness=100)
    f.start()
    assert any("reverts" in line for line in f.made())
    f.check_accounts()


def test_a_rollback_does_not_make_more_versions_than_asked_for(federation: Any) -> None:
    class Early(Poisoned):
        bad = (4, 5, 6, 7)

    twelve = Schedule(versions=12, local_steps=5, peak=0.4, kind="constant")
    f = poisoned(federation, schedule=twelve)
    f.learner = Early
    f.start()
    assert f.strategy.state.version == 12


def test_convergence_after_a_resume_is_what_it_was(federation: Any) -> None:
    f = poisoned(federation, min_delta=10.0)
    f.start()
    again = poisoned(federation, min_delta=10.0, journal=f.journal)
    now, then = again.strategy.state.convergence, f.strategy.state.convergence
    assert (now.best_version, now.best, now.misses) == (then.best_version, then.best, then.misses)


def test_a_rollback_interrupted_half_way_is_finished_on_resuming(federation: Any) -> None:
    class Gone(Exception):
        """The process is gone."""

    f = poisoned(federation)
    record = f.journal.record

    def interrupted(event: str, **facts: Any) -> None:
        record(event, **facts)
        if event == "version" and facts["version"] == 10:
            raise Gone

    f.journal.record = interrupted
    with pytest.raises(Gone):
        f.start()
    f.journal.record = record
    again = poisoned(federation, journal=f.journal)
    again.start()
    made = {line["version"]: line.get("reverts") for line in again.made()}
    assert (made[9], made[10]) == (8, 7)
    assert (made[11], made[12]) == (6, 5)


def test_an_incomplete_round_judges_nothing(federation: Any) -> None:
    """A node leaves while it evaluates: the others' loss cannot be compared with another round's."""
    f = federation(compute=(1, 1, 1, 6), versions=6, evaluate_every=2, target_loss=100.0, leaves={4: 3.0})
    f.start()
    first = f.lines("evaluated")[0]
    assert first["complete"] is False
    assert first["version"] == 2
    f.check_accounts()
