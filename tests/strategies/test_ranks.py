"""Runs of hospitals that train different ranks: who is in a version, what it moves, and what is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossward.encryption.dither import NoDither
from crossward.ledger import reasons
from crossward.protocol.messages import MALFORMED
from server_app.run_folder import RunFolder
from strategies.fedavg import FedAvg
from strategies.history.state import RunError
from tests.strategies import test_hospital_level as hospital_level
from tests.strategies.conftest import PLAN
from tests.toy_ranks import LOW, SlicedToy, ranks_of

RANKS = ranks_of(4, 4, 4, 4, 1, 1)
FACTORS = np.where(LOW, 1.0, 6 / 4)


def run(federation: Any, **given: Any) -> Any:
    defaults = {"ranks": RANKS, "compute": (5.0, 6.1, 7.3, 8.7, 4.1, 9.9), "learner": partial(SlicedToy, RANKS)}
    f = federation(**(defaults | given))
    f.start()
    return f


def checked(f: Any) -> list[tuple[int, ...]]:
    """The ranks in each version, once all is as in any run and every component of enough hospitals."""
    f.check_accounts()
    f.check_agreement()
    trained = {line["task"]: line.get("rank", 0) for line in f.lines("accepted")}
    found = [tuple(trained[task] for task in line["tasks"]) for line in f.made() if line["tasks"]]
    assert all(ranks.count(0) in (0, *range(3, 9)) and len(ranks) >= 3 for ranks in found), found
    return found


@pytest.mark.parametrize(
    "given", [{}, {"joins": {4: 20.0, 6: 33.0}}, {"kind": FedAvg, "name": "fedavg", "buffer_size": 0}]
)
def test_every_component_is_of_enough_hospitals(federation: Any, given: dict[str, Any]) -> None:
    f = run(federation, versions=8, **given)
    assert len(f.made()) == 8
    found = checked(f)
    f.check_residuals()
    assert any(1 in ranks for ranks in found) and any(0 in ranks for ranks in found)
    for line in f.made():  # nor does one of those that train all have more than its share of what the others lack
        trained = {entry["task"]: entry.get("rank", 0) for entry in f.lines("accepted")}
        full = [w for w, task in zip(line["weights"], line["tasks"], strict=True) if not trained[task]]
        assert not full or max(full) <= np.ceil(max(0.45, 1 / len(full)) * sum(full))


def test_a_components_sum_is_divided_by_the_hospitals_that_train_it(federation: Any) -> None:
    f = run(federation, dither=NoDither())
    zeros, copy = np.zeros(16, np.float32), f.state_of(1).copy
    plain = f.reference().astype(np.float64)
    assert copy.vector(zeros, PLAN, f.schedule, RANKS) == pytest.approx(plain * FACTORS, rel=1e-5)
    assert copy.vector(zeros, PLAN, f.schedule) == pytest.approx(plain, rel=1e-5)
    starts = [start for (_, version), start in f.starts.items() if version == 5]
    assert starts and all(np.array_equal(start, starts[0]) for start in starts) and starts[0][~LOW].all()


def test_a_hospital_sends_zeros_of_what_it_does_not_train(federation: Any) -> None:
    """Whatever its learner made of them."""
    f = run(federation, learner=partial(SlicedToy, ranks_of(4, 4, 4, 4, 4, 4)))
    assert checked(f)
    seen = set()
    for node, update in f.sent.values():
        values, low = f.opened(update.payload, 1, update.key), node > 4
        assert update.rank == (1 if low else 0) and values[LOW].any()
        assert bool(values[~LOW].any()) != low
        seen.add(low)
    assert seen == {True, False}


def test_noise_for_a_whole_hospital_covers_components_that_it_does_not_train(federation: Any) -> None:
    """Those that train few would otherwise leave their part of the others' noise out."""
    given = {"noise": hospital_level.fixed(), "budget": hospital_level.budget(), "plan": hospital_level.PLAN}
    f = run(federation, weighting="equal", schedule=hospital_level.schedule(4), **given)
    assert len(f.made()) == 4 and checked(f)
    low = [f.opened(update.payload, 1, update.key) for node, update in f.sent.values() if node > 4]
    assert low and all(values[~LOW].any() for values in low)


def test_what_few_train_waits_for_more_of_them(federation: Any) -> None:
    """Two of three that train all have left: the others go on without them."""
    ranks = ranks_of(4, 4, 4, 1, 1, 1)
    away = {1: 30.0, 2: 30.0}
    f = run(federation, ranks=ranks, learner=partial(SlicedToy, ranks), leaves=away, versions=12)
    f.check_accounts()
    trained = {line["task"]: line.get("rank", 0) for line in f.lines("accepted")}
    late = [line for line in f.made() if line["version"] > 8]  # the others' last updates are used up
    assert late and all(trained[task] == 1 for line in late for task in line["tasks"])
    assert [update.rank for update in f.strategy.state.buffer if update.node == "3"] == [0]


@pytest.mark.parametrize(("said", "listed"), [(2, "1, 4"), (5, "1, 4")])
def test_a_rank_that_is_none_of_the_runs_is_refused(federation: Any, said: int, listed: str) -> None:
    f = federation(ranks=RANKS, compute=(5, 6, 7, 8, 9, 10), learner=partial(SlicedToy, RANKS))
    f.rank = lambda number: said if number == 5 else RANKS.own(number)
    f.start()
    refused = [line for line in f.lines(MALFORMED) if line["node"] == "6"]
    assert refused and {line["reason"] for line in refused} == {reasons.RANK(rank=said, ranks=listed).text}
    assert "6" not in {line["node"] for line in f.lines("accepted")} and len(f.made()) == 6


def test_a_run_without_ranks_takes_none(federation: Any) -> None:
    f = federation()
    f.rank = lambda number: 2
    with pytest.raises(RunError):
        f.start()
    assert {line["reason"] for line in f.lines(MALFORMED)} == {reasons.RANK(rank=2, ranks="none").text}


@pytest.mark.parametrize(
    "given", [{"variance_reduction": "cached", "weighting": "equal"}, {"evaluate_every": 2, "rollback_ratio": 1.01}]
)
def test_caches_and_rollbacks_are_as_without_ranks(federation: Any, given: dict[str, Any]) -> None:
    f = run(federation, versions=8, **given)
    checked(f)
    vectors = {
        f.state_of(node).copy.vector(np.zeros(16, np.float32), PLAN, f.schedule, RANKS).tobytes() for node in f.nodes
    }
    assert len(vectors) == 1


def test_a_resumed_run_remembers_ranks(federation: Any, tmp_path: Path) -> None:
    """Of updates that waited when it was interrupted."""
    config = {"strategy.num-versions": 8, "run.seed": 0}
    journal = RunFolder.create(tmp_path / "run", config, PLAN, durable=False)
    f = federation(
        ranks=RANKS, compute=(5.0, 6.1, 7.3, 8.7, 4.1, 9.9), learner=partial(SlicedToy, RANKS), journal=journal
    )
    advance, asked = f.strategy._advance, []

    def stopped() -> Any:
        asked.append(None)
        if f.strategy.state.version >= 2 and any(update.rank for update in f.strategy.state.buffer):
            raise KeyboardInterrupt
        return advance()

    f.strategy._advance = stopped
    with pytest.raises(KeyboardInterrupt):
        f.start()
    journal.close()
    again = run(federation, journal=RunFolder.resume(tmp_path / "run", config, durable=False))
    assert again.strategy.state.resumed and len(again.made()) == 6
    checked(again)
