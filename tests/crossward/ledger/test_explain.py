"""Why was this update refused: everything that happened to a task, in words, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossward.ledger import reasons
from crossward.ledger.chain import LedgerError
from crossward.ledger.explain import explain
from crossward.ledger.file import FILE_NAME
from tests.ledger_lines import made


def test_an_accepted_update_is_followed_into_its_version(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    task = one.ask(0, 0)
    assert explain(one.path, task)[-1] == "It has no outcome yet: the node is at work, or the run stopped meanwhile."
    one.accept(0, task, 0, clamped=["num_tokens 99 -> 10"])
    assert explain(one.path, task)[-1] == "It waits for its version; no version has taken it yet."
    one.record("version", version=1, tasks=[7, task], weights=[3, 10], staleness=[0, 2], weight_sum=13)
    one.record("void", version=1, tasks=[7, task], hospitals=[], reason="no noise room left")
    sent, accepted, clamped, taken, discarded = explain(one.path / FILE_NAME, task)
    assert sent.endswith(f"'train' at version 0 was sent to 0000000000000000 (node {one.nodes[0]}) with 0.001 MB")
    assert sent.startswith("1970-01-01 00:16:40 UTC  ")
    assert accepted.endswith("accepted from North after 2 s: 0.0005 MB, 10 tokens, reported training loss 2")
    assert clamped.endswith("clamped: num_tokens 99 -> 10")
    assert taken.endswith("in version 1 with the weight 10 of 13 (the sum of weights), 2 versions stale")
    assert discarded.endswith("version 1 opens at no node and is discarded, the update with it: no noise room left")


def test_a_refusal_comes_with_its_code_and_its_remedy(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.refuse(0, one.ask(0, 0), "late", reasons.STALE(versions=12, most=10).text)
    _, refused, remedy = explain(one.path, 1)
    assert "refused: too late to be added (late)" in refused
    assert refused.endswith("12 versions behind, at most 10 are allowed")
    assert "why [stale]; what to do: nothing, if it happens now and then" in remedy
    one.refuse(1, one.ask(1, 0), "failed", "CUDA out of memory\n\x1b[2J")
    _, refused, remedy = explain(one.path, 2)
    assert refused.endswith("CUDA out of memory??[2J") and "in the node's own words; what to do: look for" in remedy


def test_an_update_that_was_refused_after_all_tells_both(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.accept(0, one.ask(0, 0), 0)
    one.refuse(0, 1, "wrong-layout", reasons.FIXED_LAYOUT(want="aa", got="bb").text)
    lines = explain(one.path, 1)
    assert [("accepted from" in line, "[fixed-layout]" in line) for line in lines[1:]] == [
        (True, False),
        (False, False),
        (False, True),
    ]


def test_a_task_that_was_never_sent_is_named_with_those_that_were(story: Callable[..., Any], tmp_path: Path) -> None:
    one = story()
    one.start()
    with pytest.raises(LedgerError, match="no task 9: no task was sent"):
        explain(one.path, 9)
    one.ask(0, 0)
    with pytest.raises(LedgerError, match="no task 9: the last that was sent is 1"):
        explain(one.path, 9)
    with pytest.raises(OSError, match=FILE_NAME):
        explain(tmp_path, 1)


def test_events_do_as_well_as_a_file() -> None:
    assert "was sent to" in explain([made("dispatched", task=3)], 3)[0]


# ---------------------------------------------------------------------- a committee


def opening(story: Callable[..., Any]) -> Any:
    """Three updates, of tasks 1 to 3, that the committee is asked to open as version 1."""
    one = story()
    one.start()
    one.record("committee", members=["north", "south", "east", "west"])
    for i in (0, 1, 2):
        one.accept(i, one.ask(i, 0), 0)
    return one


def test_an_update_is_followed_through_its_opening(story: Callable[..., Any]) -> None:
    one = opening(story)
    one.record("opening", version=1, tasks=[1, 2, 3], weights=[40, 50, 37])
    assert explain(one.path, 2)[-2].endswith(
        "the committee is asked to open version 1 with it, at the weight 50 of 127; from here on it is opened in this "
        "list or in none"
    )
    one.question(0, 1, "consent")
    one.question(3, 1, "consent")
    last = "The committee has not opened it yet (opening version 1: 2 of 3 members consented)."
    assert explain(one.path, 2)[-1] == last
    one.question(2, 1, "consent")
    one.question(2, 1, "answer", 300)
    assert explain(one.path, 2)[-1].endswith("(opening version 1: 1 of 2 members answered).")
    more = {"openers": ["north", "east"], "opening_seconds": 0.5, "weight_sum": 127}
    one.record("version", version=1, tasks=[1, 2, 3], weights=[40, 50, 37], staleness=[0, 0, 0], **more)
    assert explain(one.path, 2)[-1].endswith("0 versions stale, opened by north (North), east (East) in 0.5 s")
    one.record("corrected", version=1, openers=["south", "west"])
    one.record("liar", version=1, member="east", subsets=[1, 3])
    *_, corrected, liar = explain(one.path, 2)
    assert corrected.endswith("version 1 could not be verified and was made again of the answers of south, west")
    assert liar.endswith(
        "east (East) answered wrongly for version 1 (subsets 1, 3 of the committee): it is asked last from now on"
    )
    assert not any("east" in line for line in explain(one.path, one.ask(3, 1)))


def test_an_update_whose_list_is_dropped_is_lost_for_a_reason(story: Callable[..., Any]) -> None:
    one = opening(story)
    one.record("opening", version=1, tasks=[1, 2, 3], weights=[40, 50, 37])
    reason = reasons.DECLINED_BY(version=1, why="south: its seeds do not open").text
    one.record("opening-dropped", version=1, tasks=[1, 2, 3], hospitals=[], reason=reason)
    for i in (0, 1, 2):
        one.refuse(i, i + 1, "late", reason)
    *_, dropped, why, refused, remedy = explain(one.path, 3)
    assert dropped.endswith(
        "version 1 is not opened, and its updates are lost: too many members of the committee decline to open version "
        "1: south: its seeds do not open"
    )
    assert "why [declined-by]; what to do: the members' reasons say what is wrong" in why
    assert "refused: too late to be added" in refused and "[declined-by]" in remedy


def test_a_question_to_a_member_is_a_task_as_any_other(story: Callable[..., Any]) -> None:
    one = opening(story)
    one.record("opening", version=1, tasks=[1, 2, 3], weights=[40, 50, 37])
    for kind, size, says in (
        (
            "membership",
            5000,
            "named the roster that it follows and its sealing keys after 0.1 s: 0.005 MB",
        ),
        ("consent", 0, "consented to the list of version 1 after 0.1 s"),
        ("answer", 300, "sent its share of version 1 after 0.1 s: 0.0003 MB"),
    ):
        one.question(0, 1, kind, size)
        sent, done = explain(one.path, one.task)
        assert f"'query.{kind}' at version 1 was sent to North" in sent and done.endswith(f"north (North) {says}")
    task = one.ask(1, 1, "query.consent")
    one.record(
        "declined",
        task=task,
        kind="query.consent",
        reason="an update of it is written down in another list",
        **one._who(1),
    )
    _, refused, remedy = explain(one.path, task)
    assert "refused by a member of the committee (declined), South: an update of it is written down" in refused
    assert "in the node's own words; what to do: compare the hospitals' roster files" in remedy


def test_a_resumed_run_asks_its_members_anew(story: Callable[..., Any]) -> None:
    one = opening(story)
    one.record("opening", version=1, tasks=[1, 2, 3], weights=[40, 50, 37])
    one.question(0, 1, "consent")
    one.start("resumed")
    assert explain(one.path, 2)[-1].endswith("(opening version 1: 0 of 3 members consented).")
