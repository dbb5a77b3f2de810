"""A vertical run's folder, told event by event with a clock of its own: events as the relay writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from crossward.config.run_config import RunConfig
from crossward.ledger.events import Event, Finished, Joined, Left, Resumed, Started
from crossward.ledger.file import FILE_NAME, Ledger
from crossward.ledger.lines import read_events
from crossward.ledger.vertical_events import PartiesMet, PartyAbsent, StepAsked, StepDone, StepFailed
from crossward.protocol.vertical.messages import BLIND, COMBINE, FINISH, HELLO, PIN
from crossward.protocol.vertical.program import Step, program
from crossward.report.vertical.history import VerticalHistory, read_vertical
from crossward.report.views import write_report

NAMES = ("Harbour Heart", "Laboratory", "Millbrook")
HOLDS = ("notes", "labs", "vitals")
# seconds that a party works on a step
SECONDS = {HELLO: 1.0, BLIND: 2.0, COMBINE: 6.0, FINISH: 8.0}
Facts = dict[str, Any]
Envelopes = Sequence[tuple[str, str, int]]
"""(receiver, kind, bytes) of each."""


class VerticalStory:
    """Writes a run folder as a run would; the first of ``names`` has the outcome."""

    def __init__(self, path: Path, names: Sequence[str] = NAMES, holds: Sequence[str] = HOLDS, **config: Any) -> None:
        self.path, self.names, self.holds, self.now, self.task = path, tuple(names), tuple(holds), 1000.0, 0
        path.mkdir(parents=True)
        given = {"run.scenario": "vertical", "vertical.exchanges": 2, "vertical.parties": len(names)} | config
        (path / "config.json").write_text(json.dumps({"lineage": "ab" * 8, "plan": [], "config": given}))
        self.settings = RunConfig.stored(given).vertical
        self.steps = program(self.settings, len(names))
        self.ledger = Ledger(path / FILE_NAME, clock=lambda: self.now, durable=False)
        self.nodes = {name: str(10**18 + i) for i, name in enumerate(names)}

    @property
    def holder(self) -> str:
        return self.names[0]

    def record(self, event: Event, after: float = 0.0) -> None:
        self.now += after
        self.ledger.append(event.name, **event.facts())

    def start(self, kind: type[Started | Resumed] = Started, version: int = 0) -> None:
        self.record(kind(version=version, lineage="ab" * 8, last=len(self.steps)))
        for node in self.nodes.values():
            self.record(Joined(node=node))

    def meet(self, after: float = 1.0) -> None:
        for node in self.nodes.values():
            self.task += 1
            self.record(StepAsked(task=self.task, step=0, action=HELLO, round=0, node=node, party="", bytes=0))
        met = PartiesMet(
            parties=self.names,
            holds=self.holds,
            holder=self.holder,
            roster="cd" * 32,
            introductions=("",) * len(self.names),
        )
        self.record(met, after)

    def ask(self, step: Step, party: str, size: int = 0) -> int:
        self.task += 1
        facts: Facts = {
            "task": self.task,
            "step": step.number,
            "action": step.action,
            "round": step.round,
            "bytes": size,
        }
        self.record(StepAsked(node=self.nodes[party], party=party, **facts), 0.1)
        return self.task

    def do(
        self, step: Step, party: str, task: int, after: float = 1.0, sends: Envelopes = (), facts: Facts | None = None
    ) -> None:
        receivers, kinds, sizes = zip(*sends, strict=True) if sends else ((), (), ())
        self.record(
            StepDone(
                task=task,
                step=step.number,
                action=step.action,
                round=step.round,
                party=party,
                bytes=sum(sizes),
                receivers=receivers,
                kinds=kinds,
                sizes=sizes,
                digest="",
                seconds=after,
                worked=0.8 * after,
                facts_named=tuple(facts or {}),
                values=tuple(map(str, (facts or {}).values())),
            ),
            after,
        )

    def fail(self, step: Step, party: str, task: int, kind: str, reason: str, after: float = 0.5) -> None:
        facts: Facts = {"task": task, "step": step.number, "action": step.action, "kind": kind, "reason": reason}
        self.record(StepFailed(node=self.nodes[party], party=party, **facts), after)

    def absent(self, step: Step, party: str, seconds: float = 600.0) -> None:
        self.record(PartyAbsent(step=step.number, action=step.action, party=party, seconds=seconds), seconds)

    def left(self, party: str) -> None:
        self.record(Left(node=self.nodes[party], hospital=party), 0.5)

    def step(self, step: Step, but: Sequence[str] = ()) -> None:
        """All but ``but`` do a step, one after the other."""
        parties = [party for party in step.parties(self.names, self.holder) if party not in but]
        tasks = [(party, self.ask(step, party)) for party in parties]
        for i, (party, task) in enumerate(tasks):
            others = [name for name in self.names if name != party]
            receivers = others if party == self.holder else [self.holder]
            sends = [(name, step.action, 4000 * (i + 1)) for name in receivers]
            seconds = SECONDS.get(step.action, 3.0) * (1.0 + i / 2)
            self.do(step, party, task, seconds, sends, _facts(step.action, i))

    def run(self, until: int | None = None) -> None:
        """From the beginning to the end, or to before step ``until``."""
        self.start()
        self.meet()
        for step in self.steps[1:until]:
            self.step(step)
        if until is None:
            self.finish()

    def finish(self) -> None:
        self.record(Finished(version=len(self.steps), reason="all steps are done"), 0.1)
        (self.path / "result.json").write_text("{}")

    def history(self) -> VerticalHistory:
        return read_vertical(read_events(self.path / FILE_NAME), self.settings)

    def page(self) -> tuple[str, ElementTree.Element]:
        text = write_report(self.path).read_text(encoding="utf-8")
        return text, ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))

    def evaluated(self, *rows: Facts) -> None:
        (self.path / "evaluation.json").write_text(json.dumps({"scenario": "vertical", "rows": rows}))


def _facts(action: str, number: int) -> Facts:
    if action == BLIND:
        return {"declared patients": 1500 - 100 * number}
    if action == PIN:
        return {"common patients": 980}
    return {"auroc": 0.84125, "auprc": 0.51, "patients": 196, "alone auroc": 0.79} if action == FINISH else {}


def score(
    model: str, auroc: float, half: float | None = 0.03, where: str = "held-out common patients", **more: Any
) -> Facts:
    """A row of evaluation.json; ``half`` of its intervals' width, None: without."""
    row: Facts = {"model": model, "where": where, "patients": 196, "auroc": auroc, "auprc": round(auroc - 0.3, 3)}
    if half is not None:
        for name in ("auroc", "auprc"):
            row |= {f"{name}_low": row[name] - half, f"{name}_high": row[name] + half}
    return row | more


@pytest.fixture
def vertical_story(tmp_path: Path) -> Iterator[Callable[..., VerticalStory]]:
    """Makes run folders of vertical runs."""
    made: list[VerticalStory] = []

    def make(*args: Any, **config: Any) -> VerticalStory:
        made.append(VerticalStory(tmp_path / f"run-{len(made)}", *args, **config))
        return made[-1]

    yield make
    for one in made:
        one.ledger.close()
