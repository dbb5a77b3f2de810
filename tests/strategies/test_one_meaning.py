"""One meaning of the ledger: what a live run knows of its lineage is what its lines say, after every one of them.

Sealed, on disk and with faults of every kind: ``tests/strategies/test_soak.py``.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from flwr.app import Error, Message

from client_app.identity import sign
from crossward.ledger.events import Event
from crossward.ledger.lines import read_line
from crossward.ledger.state import RunState, fold
from crossward.protocol.measures import Measure
from crossward.protocol.messages import Evaluation, Update
from crossward.protocol.wire import read_reply, write_reply
from crossward.simulation.toy import toy_identity
from strategies.async_hybrid import AsyncHybrid
from strategies.callbacks import Callback
from strategies.fedavg import FedAvg


class Compared(Callback):
    """After every event: the state that the journal's lines fold to, one by one, is the live one."""

    def __init__(self) -> None:
        self.folded, self.read = RunState(), 0
        self.seen: Counter[str] = Counter()

    def compare(self, lines: list[dict[str, Any]], state: RunState) -> None:
        for line in lines[self.read :]:
            self.folded.apply(read_line(json.loads(json.dumps(line))))
        self.read = len(lines)
        assert self.folded == state, lines[-1]


class InMemory(Compared):
    """Of a :class:`MemoryJournal`."""

    journal: Any = None

    def on_event(self, event: Event, state: RunState) -> None:
        self.seen[event.name] += 1
        self.compare(self.journal.log, state)


def test_a_live_run_knows_what_its_ledger_says_after_every_event(federation: Any) -> None:
    """Late, refused, failed and clamped updates, nodes that come and go, a rollback and snapshots."""
    watch, count = InMemory(), 0

    def fault(who: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        nonlocal count
        count += 1
        content = read_reply(reply.content)
        if isinstance(content, Evaluation) and 20 <= content.version < 30:
            bad = {model: Measure(4.0, 100.0, 9000.0, 1.0, 1.0, 1.0) for model in content.measures}
            return [(0.0, Message(content=write_reply(replace(content, measures=bad)), reply_to=message))]
        if not isinstance(content, Update) or count % 7:
            return [(0.0, reply)]
        match count // 7 % 5:
            case 0:
                return [(0.0, Message(Error(code=3, reason="out of memory"), reply_to=message))]
            case 1:
                return []
            case 2:
                changed = sign(replace(content, num_tokens=1 << 40), toy_identity(who))
            case 3:
                changed = replace(content, loss_sum=content.loss_sum + 1.0)  # its signature does not fit any more
            case _:
                return [(0.0, reply), (1.0, reply)]
        return [(0.0, Message(content=write_reply(changed), reply_to=message))]

    given = {"versions": 30, "evaluate_every": 10, "rollback_ratio": 1.2, "snapshot_every": 5, "max_staleness": 2}
    given |= {"joins": {5: 30.0}, "leaves": {2: 170.0}, "fault": fault, "task_timeout": 150.0, "retry_seconds": 5.0}
    f = federation(compute=(10, 12, 15, 40, 11, 9), callbacks=[watch], **given)
    watch.journal = f.journal
    f.start()
    for name in ("late", "failed", "malformed", "duplicate", "left", "snapshot", "evaluated", "finished"):
        assert watch.seen[name], name
    assert f.lines("accepted")[0] and any("clamped" in line for line in f.lines("accepted"))
    assert any("reverts" in line for line in f.made())


@pytest.mark.parametrize("kind", [AsyncHybrid, FedAvg])
def test_it_holds_of_synchronous_rounds_and_of_a_resumed_run(federation: Any, kind: Any) -> None:
    first = federation(compute=(1, 2, 3, 4), versions=6, kind=kind)
    first.strategy.start(first.grid, num_rounds=2)
    watch = InMemory()
    watch.journal = first.journal
    again = federation(journal=first.journal, compute=(1, 2, 3, 4), versions=6, kind=kind, callbacks=[watch])
    assert again.strategy.state.run == fold(map(read_line, first.journal.events())) == first.strategy.state.run
    again.start()
    assert watch.seen["resumed"] == 1 and again.strategy.state.run.sessions == 2
