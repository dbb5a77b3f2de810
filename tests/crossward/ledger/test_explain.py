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
