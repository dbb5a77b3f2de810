"""The aggregator of a vertical run: asks parties step by step, passes their sealed envelopes on, keeps the ledger.

Every answer is on disk, with its line in the ledger, before anybody is sent what is in it: a run that is resumed goes
on with the step it stood at, and a party that is asked again answers from its own record of the step. Parties may
come, go and restart at any moment; a step that need not wait for all goes on without those that are away.

Not for: what the steps are (``crossward.protocol.vertical.program``), or anything that is inside an envelope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from logging import INFO

from flwr.app import Message
from flwr.common import log
from flwr.serverapp import Grid

from crossward.config.strategy_settings import StrategySettings
from crossward.config.vertical_settings import VerticalSettings
from crossward.ledger.events import Event, Finished, Joined, Left, Resumed, Started
from crossward.ledger.lines import read_line
from crossward.ledger.vertical_events import PartiesMet, PartyAbsent, StepAsked, StepDone, StepFailed
from crossward.ledger.vertical_state import VerticalState, fold_vertical
from crossward.protocol.parts import ProtocolError
from crossward.protocol.vertical.messages import (
    HELLO,
    MALFORMED,
    STEP,
    Done,
    Introduction,
    NotDone,
    Work,
)
from crossward.protocol.vertical.program import Step, program
from crossward.protocol.vertical.wire import (
    introduction_from,
    introduction_text,
    read_answer,
    write_work,
)
from strategies.exchange.clock import Clock
from strategies.exchange.replies import Replies
from strategies.history.journal import Journal
from strategies.history.state import RunError
from strategies.vertical.checks import check_envelopes, check_introduction, ring
from strategies.vertical.mail import Mail
from strategies.vertical.nodes import Nodes

ATTEMPTS = 3  # failures of a party in one step before the step does without it, or the run ends
Observer = Callable[[Event, VerticalState], None]


@dataclass
class Flight:
    """A step that a node was asked to do and has not answered."""

    task: int
    step: Step
    node: int
    party: str
    since: float
    deadline: float


class Relay:
    """Runs the program of ``settings`` over ``parties`` parties.

    Parameters
    ----------
    journal : Journal
        Where events and envelopes are kept; one that has some is resumed.
    observers : sequence of callables
        See every event once it is written and applied.
    """

    def __init__(
        self,
        parties: int,
        settings: VerticalSettings,
        strategy: StrategySettings,
        journal: Journal,
        clock: Clock,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.count, self.settings, self.strategy = parties, settings, strategy
        self.journal, self.clock, self.observers = journal, clock, observers
        self.state: VerticalState = fold_vertical(map(read_line, journal.events()))
        self.steps = program(settings, parties)
        self._resumed, self._task = self.state.sessions > 0, self.state.first_task
        self._replies, self._mail = Replies(), Mail(journal)
        self._nodes = Nodes()
        self._met: dict[str, Introduction] = {}
        self._flights: dict[str, Flight] = {}
        self._step_began = self._progress = 0.0
        if self.state.met is not None:
            for text in self.state.met.introductions:
                one = introduction_from(text)
                self._met[one.name] = one

    # ------------------------------------------------------------------ the run

    def start(self, grid: Grid) -> VerticalState:
        """Run to the end; the state as it ended.

        Raises
        ------
        RunError
            a step cannot be done, or no party answered within ``strategy.stall-seconds``.
        """
        session = Resumed if self._resumed else Started
        done = sum(self._settled(step) for step in self.steps)
        self._record(session(version=done, lineage=self.journal.lineage, last=len(self.steps)))
        self._progress = self._step_began = self.clock.now()
        self._meet(grid)
        for step in self.steps:
            self._step_began = self.clock.now()
            while not self._settled(step):
                self._turn(grid, step)
        self._record(Finished(version=len(self.steps), reason="all steps are done"))
        return self.state

    def _settled(self, step: Step) -> bool:
        met = self.state.met
        if met is None:
            return False
        return step.action == HELLO or self.state.settled(step.number, step.parties(met.parties, met.holder))

    def _turn(self, grid: Grid, step: Step) -> None:
        self._meet(grid)
        self._ask(grid, step)
        moved = False
        for message in self._replies.pull(grid, list(self._flights)):
            moved = True
            self._take(message)
        if not moved:
            self._overdue(step)
            self.clock.pause(self.strategy.poll_seconds, self._next_moment(step))

    def _meet(self, grid: Grid) -> None:
        """Record who joined and left; whoever joins introduces itself first."""
        joined, left = self._nodes.meet(set(grid.get_node_ids()))
        for node in joined:
            self._record(Joined(node=str(node)))
        for node, party in left:
            self._record(Left(node=str(node), hospital=party))
            for message, flight in list(self._flights.items()):
                if flight.node == node:
                    del self._flights[message]

    # ------------------------------------------------------------------ asking

    def _ask(self, grid: Grid, step: Step) -> None:
        busy = {flight.node for flight in self._flights.values()}
        for node, party in self._nodes.free(busy, self.clock.now()):
            if not party:
                self._send(grid, self.steps[0], node, "")
            elif self._wanted(step, party):
                self._send(grid, step, node, party)

    def _wanted(self, step: Step, party: str) -> bool:
        met = self.state.met
        if met is None or step.action == HELLO or party not in step.parties(met.parties, met.holder):
            return False
        return (step.number, party) not in self.state.done

    def _send(self, grid: Grid, step: Step, node: int, party: str) -> None:
        inbox = self._mail.inbox(self.state, step, party) if party else ()
        met = self.state.met
        known = tuple(self._met[name] for name in met.parties) if met is not None else ()
        self._task += 1
        work = Work(
            self.journal.lineage,
            self._task,
            step.number,
            step.action,
            step.round,
            self.journal.head(),
            known,
            inbox,
        )
        message = Message(write_work(work), node, STEP)
        sent = sum(len(one.data) for one in inbox)
        self._record(
            StepAsked(
                task=self._task,
                step=step.number,
                action=step.action,
                round=step.round,
                node=str(node),
                party=party,
                bytes=sent,
            )
        )
        now = self.clock.now()
        for message_id in grid.push_messages([message]):
            self._flights[message_id] = Flight(self._task, step, node, party, now, now + self.strategy.task_timeout)

    # ------------------------------------------------------------------ answers

    def _take(self, message: Message) -> None:
        flight = self._flights.pop(message.metadata.reply_to_message_id, None)
        if flight is None or flight.node not in self._nodes:
            return
        if flight.party:
            self._progress = self.clock.now()
        if message.has_error():
            self._fail(flight, "failed", f"Flower reports: {message.error.reason}")
            return
        try:
            answer = read_answer(message.content)
            if isinstance(answer, NotDone) and answer.kind == MALFORMED:  # what it could not read it cannot name
                self._fail(flight, answer.kind, answer.reason)
            elif (answer.lineage, answer.task, answer.step) != (self.journal.lineage, flight.task, flight.step.number):
                raise ProtocolError("the answer is to another task")
            elif isinstance(answer, NotDone):
                self._fail(flight, answer.kind, answer.reason)
            elif flight.step.action == HELLO:
                self._introduce(flight, answer)
            else:
                self._accept(flight, answer)
        except ProtocolError as error:
            self._fail(flight, MALFORMED, str(error))

    def _introduce(self, flight: Flight, done: Done) -> None:
        one = done.introduction
        if one is None:
            raise ProtocolError("an answer to the first step without an introduction")
        check_introduction(self.journal.lineage, one)
        known = self._met.get(one.name)
        if known is not None and known != one:
            raise ProtocolError(
                f"{one.name!r} has introduced itself with other keys in this run: its state-dir must last as long as "
                "the run"
            )
        if known is None and self.state.met is not None:
            raise ProtocolError(f"{one.name!r} is not one of the parties of this run")
        self._nodes.introduced(flight.node, one.name)
        self._met[one.name], self._progress = one, self.clock.now()
        if self.state.met is None and len(self._met) == self.count:
            ordered, holder = ring(tuple(self._met.values()))
            self._record(
                PartiesMet(
                    parties=tuple(one.name for one in ordered),
                    holds=tuple(one.holds for one in ordered),
                    holder=holder,
                    roster=ordered[0].roster,
                    introductions=tuple(map(introduction_text, ordered)),
                )
            )

    def _accept(self, flight: Flight, done: Done) -> None:
        party, step = flight.party, flight.step
        if done.party != party:
            raise ProtocolError(f"the node of {party!r} answers as {done.party!r}")
        if (step.number, party) in self.state.done:
            return
        check_envelopes(done, party, self._met[party].public_key, self.journal.lineage, self._met)
        digest = self._mail.keep(step.number, party, self._met, done.outbox)
        self._record(
            StepDone(
                task=flight.task,
                step=step.number,
                action=step.action,
                round=step.round,
                party=party,
                bytes=sum(len(e.data) for e in done.outbox),
                receivers=tuple(e.receiver for e in done.outbox),
                kinds=tuple(e.kind for e in done.outbox),
                sizes=tuple(len(e.data) for e in done.outbox),
                digest=digest,
                seconds=self.clock.now() - flight.since,
                worked=done.seconds,
                facts_named=tuple(done.facts),
                values=tuple(map(str, done.facts.values())),
            )
        )

    def _fail(self, flight: Flight, kind: str, reason: str) -> None:
        step, party = flight.step, flight.party
        by_node = self._nodes.failed(flight.node, self.clock.now())
        failed = StepFailed(
            task=flight.task,
            step=step.number,
            action=step.action,
            node=str(flight.node),
            party=party,
            kind=kind,
            reason=reason,
            attempt=self.state.failures[step.number, party] + 1 if party else by_node,
        )
        self._record(failed)
        if failed.attempt < ATTEMPTS:
            return
        if not party:
            self._without_node(flight.node, reason)
        elif step.waits:
            raise RunError(f"{party} cannot do step {step.number} ({step.action}): {reason}")
        else:
            self._without(step, party, reason)

    def _without_node(self, node: int, reason: str) -> None:
        """A node does not introduce itself: the run goes on as long as others are, or may be, all parties."""
        if self.state.met is None and self._nodes.hopeful() < self.count:
            raise RunError(f"the node {node} cannot introduce itself: {reason}")
        log(INFO, "The run does without the node %s, which is no party of it: %s", node, reason)

    # ------------------------------------------------------------------ waiting

    def _overdue(self, step: Step) -> None:
        now = self.clock.now()
        for message, flight in list(self._flights.items()):
            if now > flight.deadline:
                del self._flights[message]
                self._fail(flight, "failed", f"no answer within {self.strategy.task_timeout:g} s")
        if not step.waits and now - self._step_began > self.settings.max_wait and self.state.met is not None:
            for party in step.parties(self.state.met.parties, self.state.met.holder):
                if not self.state.settled(step.number, (party,)):
                    self._without(step, party, "")
        if now - self._progress > self.strategy.stall_seconds and not self._flights:
            raise RunError(
                f"no party answered within {self.strategy.stall_seconds:g} s in step {step.number} ({step.action}); "
                f"waiting for {self._missing(step)}: start their SuperNodes, then resume the run with run.resume"
            )

    def _missing(self, step: Step) -> str:
        if self.state.met is None:
            return f"{self.count - len(self._met)} of {self.count} parties"
        wanted = step.parties(self.state.met.parties, self.state.met.holder)
        return ", ".join(party for party in wanted if not self.state.settled(step.number, (party,)))

    def _without(self, step: Step, party: str, reason: str) -> None:
        waited = self.clock.now() - self._step_began
        self._record(PartyAbsent(step=step.number, action=step.action, party=party, seconds=waited, reason=reason))
        self._progress = self.clock.now()
        log(INFO, "Step %s (%s) goes on without %s after %.0f s", step.number, step.action, party, waited)

    def _next_moment(self, step: Step) -> float:
        now = self.clock.now()
        moments = [self._progress + self.strategy.stall_seconds, *(f.deadline for f in self._flights.values())]
        moments += self._nodes.pauses(now)
        if not step.waits:
            moments.append(self._step_began + self.settings.max_wait)
        return min(max(moment, now) for moment in moments) + 1e-3

    def _record(self, event: Event) -> None:
        self.journal.record(event.name, **event.facts())
        self.state.apply(event)
        for observer in self.observers:
            observer(event, self.state)
