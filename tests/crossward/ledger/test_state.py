"""The one fold of the ledger: what each event changes, and what only an older or newer version would write."""

from __future__ import annotations

from typing import Any

import pytest

from crossward.ledger import reasons
from crossward.ledger.chain import LedgerError
from crossward.ledger.lines import read_line
from crossward.ledger.state import RunState, fold
from crossward.report.history import read_history
from crossward.report.watch.state import WatchState
from tests.ledger_lines import made


def test_an_update_counts_from_its_acceptance_until_its_version() -> None:
    state = fold([made("dispatched", task=5, node="9"), made("accepted", task=5, node="9", hospital="ab")])
    assert (list(state.buffer), state.waiting, state.accepted, state.under_way) == ([5], {9}, {"ab": 5}, {})
    state.apply(made("version", version=1, tasks=[5], hospitals=["ab"]))
    assert (state.buffer, state.waiting, state.accepted, state.taken) == ({}, set(), {"ab": 5}, {"ab": 1})
    state.apply(made("void", version=1, tasks=[5], hospitals=["ab"]))
    assert (state.discarded_versions, state.accepted, state.discarded_groups) == ({1}, {}, [frozenset({"ab"})])


@pytest.mark.parametrize("outcome", ["late", "failed", "wrong-key", "wrong-layout"])
def test_an_update_that_is_refused_after_all_was_never_accepted(outcome: str) -> None:
    state = fold([made("accepted", task=5, node="9"), made(outcome, task=5, node="9")])
    assert (state.buffer, state.waiting, state.accepted) == ({}, set(), {})


def test_a_rollback_is_over_once_every_version_of_it_is_subtracted() -> None:
    state = fold([*(made("version", version=v) for v in (1, 2, 3)), made("evaluated", version=3, reverts=[3, 2])])
    assert state.reverting == [3, 2] and state.losses == []
    state.apply(made("version", version=4, reverts=3, key="not the run's"))
    assert (state.reverting, state.key, state.version) == ([2], "", 4)


def test_a_node_without_budget_is_asked_again_once_it_has_joined_anew() -> None:
    state = fold([made("joined", node="9"), made("budget", node="9"), made("left", node="9")])
    assert (state.present, state.exhausted, state.met) == (set(), {9}, {9})
    state.apply(made("joined", node="9"))
    assert (state.present, state.exhausted) == ({9}, set())


@pytest.mark.parametrize(
    ("reason", "ended"),
    [
        (reasons.ALL_VERSIONS(versions=4).text, "all 4 versions are made"),
        (reasons.SPENT(left=1, known=4, needed=3).text, ""),
    ],
)
def test_a_run_that_ended_for_want_of_budget_may_go_on(reason: str, ended: str) -> None:
    state = fold([made("started"), made("finished", reason=reason)])
    assert (state.finished, state.ended) == (reason, ended)
    state.apply(made("resumed"))
    assert (state.finished, state.ended, state.sessions) == (None, ended, 2)


def test_tasks_of_a_resumed_run_have_other_numbers() -> None:
    assert RunState().first_task == 0 and fold([made("started")]).first_task == 1 << 32


def test_a_snapshot_counts_until_it_is_dropped() -> None:
    state = fold([made("snapshot", version=3, epochs=[0, 1], digests=["a", "b"])])
    assert state.snapshot is not None and (state.snapshot.epochs, state.snapshot_digests) == ((0, 1), ("a", "b"))
    state.apply(made("snapshot-dropped"))
    assert (state.snapshot, state.snapshot_digests) == (None, ())


def test_a_discarded_version_that_was_never_made_is_an_error() -> None:
    with pytest.raises(LedgerError, match="leaves out version 7, which was not made"):
        RunState().apply(made("void", version=7))


def test_views_skip_an_event_that_they_do_not_know_and_a_run_is_not_resumed_over_it(story: Any) -> None:
    one, unknown = story(["North"]), read_line({"event": "merged", "time": 1001.0, "node": "x"})
    one.start()
    one.record("merged", node="x")
    one.accept(0, one.ask(0, 0), 0)
    assert [span.outcome for span in one.history().spans] == ["accepted"] and read_history([unknown]).spans == []
    watch = WatchState()
    watch(unknown)
    assert watch.rows(1002.0) == []
    with pytest.raises(LedgerError, match=r"'merged', which this version .* does not know: resume the run"):
        watch.run.check_known()
