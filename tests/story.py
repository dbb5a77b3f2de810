"""A run folder's ledger told event by event, with a clock of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from crossward.ledger.file import FILE_NAME, Ledger
from crossward.ledger.lines import read_events
from crossward.report.history import History, read_history
from crossward.report.page import write_report
from crossward.report.reported_loss import ExactLoss
from tests.ledger_lines import facts as whole


class Story:
    """Writes a run folder as a run would, with a clock of its own. ``grid``: its ``train.loss-grid``."""

    def __init__(self, path: Path, names: list[str], planned: int = 4, grid: float = 1.0) -> None:
        self.path, self.names, self.planned, self.now, self.task = path, names, planned, 1000.0, 0
        path.mkdir(parents=True)
        config: dict[str, Any] = {"strategy.name": "async-hybrid", "strategy.buffer-size": 3, "train.loss-grid": grid}
        config["model.name"] = "<embedded>"
        (path / "config.json").write_text(json.dumps({"lineage": "ab" * 8, "plan": [8, 7, 0], "config": config}))
        self.ledger = Ledger(path / FILE_NAME, clock=lambda: self.now, durable=False)
        self.nodes = [str(10**18 + i) for i in range(len(names))]

    def record(self, event: str, after: float = 0.0, **facts: Any) -> None:
        self.now += after
        self.ledger.append(event, **whole(event, **facts))

    def start(self, event: str = "started", version: int = 0) -> None:
        self.record(event, version=version, lineage="ab" * 8, last=self.planned)
        for node in self.nodes:
            self.record("joined", node=node)

    def _who(self, i: int) -> dict[str, str]:
        return {"node": self.nodes[i], "hospital": f"{i:02x}" * 8}

    def ask(self, i: int, version: int, kind: str = "train", size: int = 1000) -> int:
        self.task += 1
        self.record("dispatched", 0.1, task=self.task, kind=kind, version=version, bytes=size, **self._who(i))
        return self.task

    def accept(self, i: int, task: int, version: int, staleness: int = 0, after: float = 2.0, **more: Any) -> None:
        facts = {"bytes": 500, "seconds": 2.0, "compute_seconds": 1.0, "train_seconds": 0.8, "staleness": staleness}
        facts |= {"loss_sum": 20.0, "num_tokens": 10, "version": version, "site": self.names[i]}
        self.record("accepted", after, task=task, **(self._who(i) | facts | more))

    def refuse(self, i: int, task: int, outcome: str, reason: str, after: float = 1.0) -> None:
        self.record(outcome, after, task=task, kind="train", version=0, reason=reason, **self._who(i))

    def version(self, number: int, chosen: list[tuple[int, int, int, int]], loss: float = 2.0, **more: Any) -> None:
        """``chosen``: (hospital, task, weight, staleness)."""
        lanes, tasks, weights, stale = (list(column) for column in zip(*chosen, strict=True))
        self.record(
            "version",
            version=number,
            tasks=tasks,
            weights=weights,
            staleness=stale,
            sites=[self.names[i] for i in lanes],
            train_loss=loss,
            **more,
        )

    def question(self, i: int, version: int, kind: str, size: int = 0, after: float = 0.1) -> None:
        """A member of the committee, named as its site in lower case, answers a question with ``size`` bytes."""
        task = self.ask(i, version, f"query.{kind}", 200)
        facts = {"kind": f"query.{kind}", "version": version, "member": self.names[i].lower(), "bytes": size}
        self.record("assisted", after, task=task, seconds=after, compute_seconds=0.05, **(self._who(i) | facts))

    def opened(self, number: int, chosen: list[tuple[int, int, int, int]], openers: Sequence[int] = (0, 1)) -> None:
        """A version as :meth:`version`, opened by ``openers`` after hospitals 0, 1 and 2 have consented."""
        _, tasks, weights, _ = zip(*chosen, strict=True)
        self.record("opening", version=number, tasks=list(tasks), weights=list(weights))
        for i in (0, 1, 2):
            self.question(i, number, "consent")
        for i in openers:
            self.question(i, number, "answer", 300)
        more = {"openers": [self.names[i].lower() for i in openers], "opening_seconds": 1.0, "seconds": 20.0}
        self.version(number, chosen, key="ab" * 8, member_seconds=0.25, **more)

    def measure(self, i: int, task: int, version: int, losses: dict[str, float], **more: Any) -> None:
        facts: dict[str, Any] = {}
        for model, loss in losses.items():
            row = {"patients": 4.0, "tokens": 100.0, "loss_sum": 100 * loss, "correct": 40.0}
            facts |= {f"{model}_{k}": v for k, v in (row | {"loss_var": 25.0, "correct_var": 9.0}).items()}
        facts |= {"site": self.names[i], "version": version, "seconds": 1.5, "kind": "evaluate"}
        self.record("measured", 2.0, task=task, **(self._who(i) | facts | more))

    def history(self) -> History:
        return read_history(read_events(self.path / FILE_NAME))

    def page(self, exact: ExactLoss | None = None) -> tuple[str, ElementTree.Element]:
        text = write_report(self.path, exact).read_text(encoding="utf-8")
        return text, ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))

    def full_run(self, versions: int, buffer: int) -> None:
        """Everyone trains; every version takes ``buffer`` updates in turn; the last hospitals lag behind."""
        self.start()
        count = len(self.names)
        tasks = [self.ask(i, 0) for i in range(count)]
        for number in range(1, versions + 1):
            chosen = [(number * buffer + k) % count for k in range(buffer)]
            for k, i in enumerate(chosen):
                self.accept(i, tasks[i], number - 1, staleness=k % 3, after=0.7)
            self.version(number, [(i, tasks[i], 10 + k, k % 3) for k, i in enumerate(chosen)], 3.0 / number)
            for i in chosen:
                tasks[i] = self.ask(i, number)
            if number % 4 == 0 or number == versions:
                for i in range(count):
                    task = self.ask(i, number, "evaluate")
                    self.measure(
                        i,
                        task,
                        number,
                        {"base": 3.6 + i / 20, "global": 3.0 / number + i / 20, "own": 2.5, "personal": 2.4},
                    )
                self.record("evaluated", version=number, loss=3.0 / number + 0.1, complete=True, sites=[])
        self.record("finished", version=versions, reason=f"all {versions} versions are made")

    def eventful_run(self) -> None:
        """Six hospitals and whatever can happen: failures, clamped claims, a departure, a rollback, a resumption."""
        self.full_run(5, 3)
        self.task, self.nodes = 1 << 20, [str(7 * 10**17 + i) for i in range(len(self.names))]
        self.now += 86400.0  # the server was away
        self.start("resumed", 5)
        for outcome in ("failed", "failed", "late", "malformed", "wrong-key", "behind"):
            self.refuse(1, self.ask(1, 5), outcome, f"why it came to be {outcome}", after=3.0)
        for number in range(6, 10):
            tasks = {i: self.ask(i, number - 1, size=40_000) for i in (0, 2, 3, 4)}
            for i, task in tasks.items():
                claims = [f"compute_seconds {90 + number}.0 -> 4.0"] if i == 2 else []
                self.accept(
                    i,
                    task,
                    number - 1,
                    i % 2,
                    4.0,
                    compute_seconds=2.0 + i / 2,
                    **{"clamped": claims} if claims else {},
                )
            self.version(number, [(i, task, 10 + i, i % 2) for i, task in tasks.items()], 2.0 / number)
        self.record("version", version=10, tasks=[], reverts=9)
        self.record("left", 1.0, node=self.nodes[5])
        for i in range(5):
            task = self.ask(i, 10, "evaluate")
            self.measure(i, task, 10, {"base": 3.6 + i / 20, "global": 0.4 + i / 20, "own": 2.5, "personal": 2.4})
        self.record("evaluated", version=10, loss=0.5, complete=False, sites=[])
        self.accept(0, self.ask(0, 10), 10)
        self.ask(1, 10)
        self.now += 6.0
        self.record("disagreement", node=self.nodes[0], hospitals=["00" * 8], version=10)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Callable[..., Story]]:
    recorded: list[Story] = []

    def tell(names: Sequence[str] = ("North", "South", "East", "West"), planned: int = 4, grid: float = 1.0) -> Story:
        recorded.append(Story(tmp_path / "run", list(names), planned, grid))
        return recorded[-1]

    yield tell
    for one in recorded:
        one.ledger.close()
