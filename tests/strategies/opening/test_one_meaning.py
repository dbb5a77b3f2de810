"""What a live run knows of openings, liars and corrections is what its ledger's lines say, after every one of them."""

from __future__ import annotations

from typing import Any

from crossward.ledger.lines import read_line
from crossward.ledger.state import fold
from crossward.protocol.messages import ANSWER, CONSENT, TRAIN
from tests.strategies.opening.consortium import (
    CommitteeFederation,
    Make,
    both,
    changed_answer,
    lost,
    on,
    wrong_boxes,
    wrong_share,
)
from tests.strategies.test_one_meaning import InMemory

COMPUTE = (10.0, 12.0, 15.0, 11.0, 13.0, 14.0, 16.0)


def test_a_live_run_knows_what_its_ledger_says_after_every_event(consortium: Make) -> None:
    made: list[CommitteeFederation] = []
    fault = both(
        on(1, ANSWER, changed_answer(0, wrong_share), {3}),
        on(2, CONSENT, lost, {2}),
        on(6, TRAIN, wrong_boxes(5, lambda: made[0].book, "h1", "h2"), {1}),
    )
    watch = InMemory()
    given: dict[str, Any] = {"retry_seconds": 1.0, "task_timeout": 200.0, "joins": {7: 40.0}, "stretch": 3}
    lies = {"false_tags": lambda number, task: number == 4 and task.version >= 5, "evaluate_every": 4}
    made.append(consortium(compute=COMPUTE, versions=11, fault=fault, callbacks=[watch], **given | lies))
    f = made[0]
    watch.journal = f.journal
    f.start()
    for name in (
        "committee",
        "opening",
        "opening-dropped",
        "assisted",
        "liar",
        "corrected",
        "declined",
        "failed",
        "void",
    ):
        assert watch.seen[name], name
    assert fold(map(read_line, f.journal.events())) == f.strategy.state.run
    f.check_all()
