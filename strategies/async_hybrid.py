"""AsyncHybrid: asynchronous federated learning over integer updates that the server need not be able to read.

Follows arXiv 2503.12226 (hybrid aggregation, weights w_k = L_k / (|D_k| B_k^a), asynchronous synchronisation) with
FedBuff's buffer (arXiv 2106.06639). One task is under way per node; an idle node is sent the next at once. When
the buffer holds updates of ``buffer-size`` distinct hospitals they become the next version: an integer combination
whose weights sum to at most W. Every outcome of every task has a line in the journal.

Not for: synchronous rounds (``strategies.fedavg``), files (``strategies.journal``), model weights (nodes have them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from logging import INFO, WARNING

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.common import log
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from encryption.plan import FieldPlan
from protocol.messages import (
    ACCEPTED,
    BEHIND,
    DUPLICATE,
    EVALUATE,
    FAILED,
    LATE,
    MALFORMED,
    TRAIN,
    WRONG_LAYOUT,
    Evaluation,
    Failure,
    Reply,
    Task,
    Update,
)
from protocol.parts import Part, ProtocolError
from protocol.schedule import Schedule
from protocol.wire import read_reply, write_task
from strategies.admission import Expected, Refusal, examine
from strategies.bandwidth import Bandwidths
from strategies.catchup import CatchUp, VersionFacts, version_name
from strategies.clock import Clock, SystemClock
from strategies.combine import combine
from strategies.convergence import Convergence
from strategies.federated_evaluation import EvaluationRound
from strategies.journal import Journal
from strategies.restore import Buffered, buffered_facts, standing
from strategies.roster import Flight, NodeView, Roster
from strategies.settings import StrategySettings
from strategies.snapshots import Snapshots, StateHashes
from strategies.weighting import Contribution, damped_total, integer_weights, shares

ATTEMPTS = 3


class RunError(RuntimeError):
    """The run cannot go on; the message says why and what to do."""


def wait_for_nodes(grid: Grid, settings: StrategySettings, clock: Clock) -> int:
    """Wait until ``strategy.min-nodes`` nodes are connected; how many are.

    Raises
    ------
    RunError
        they did not come within ``strategy.stall-timeout``.
    """
    began = clock.now()
    while (count := len(list(grid.get_node_ids()))) < settings.min_nodes:
        if clock.now() - began > settings.stall_timeout:
            raise RunError(
                f"{count} nodes connected within strategy.stall-timeout = {settings.stall_timeout:g} s, "
                f"strategy.min-nodes asks for {settings.min_nodes}: start more SuperNodes or lower the key"
            )
        clock.pause(settings.poll_seconds, float("inf"))
    return count


class AsyncHybrid(Strategy):
    """Asynchronous hybrid aggregation.

    Parameters
    ----------
    settings : StrategySettings
        When to dispatch, aggregate, weigh and stop.
    plan : FieldPlan
        Bits per field; its W is the constant divisor of every version.
    schedule : Schedule
        Learning rate and value range by version; known to nodes as well.
    journal : Journal
        History. A journal that already has one is resumed.
    clock : Clock (default: the machine's)
        Time.
    bandwidths : Bandwidths (default: measured)
        B_k by node.
    last_task : str (default: "evaluate")
        What every node is asked after the last version: ``evaluate`` or ``train.alone``.
    last_steps : int (default: 0)
        Optimiser steps of ``train.alone``; 0 = as many as the run had in sequence.
    """

    def __init__(
        self,
        settings: StrategySettings,
        plan: FieldPlan,
        schedule: Schedule,
        journal: Journal,
        *,
        clock: Clock | None = None,
        bandwidths: Bandwidths | None = None,
        last_task: str = EVALUATE,
        last_steps: int = 0,
    ) -> None:
        plan.check_buffer(max(settings.buffer_size, 1))
        self.settings, self.plan, self.schedule, self.journal = settings, plan, schedule, journal
        self.clock: Clock = clock or SystemClock()
        self.bandwidths = bandwidths or Bandwidths()
        self.last_task, self.last_steps = last_task, last_steps
        self.roster = Roster()
        self.catch_up = CatchUp(journal, plan)
        self.hashes = StateHashes()
        self.snapshots = Snapshots(journal, self.hashes)
        self.convergence = Convergence(settings)
        self.result = Result()
        self.version = 0
        self.layout, self.shape = "", tuple[tuple[str, int], ...]()
        self.buffer: list[Buffered] = []
        self.stop_reason = ""
        self.round: EvaluationRound | None = None
        self._orphans: dict[str, int] = {}
        self._next_task = 0
        self._drafts: dict[int, Flight] = {}
        self._last = schedule.versions
        self._progress = self._version_began = 0.0
        self._restore()

    # ------------------------------------------------------------------ resuming

    def _restore(self) -> None:
        past = standing(self.journal.events())
        self.version, self.layout, self.shape = past.version, past.layout, past.shape
        for version, facts in sorted(past.versions.items()):
            self.catch_up.append(version, facts)
        self.buffer = list(past.buffer.values())
        self._orphans = past.accepted
        self._next_task = past.starts << 32  # ids of a resumed run never meet those of the run before
        for version, loss in past.losses:
            self.convergence.observe(version, loss)
        if past.snapshot is not None:
            self.snapshots.restore(past.snapshot)
        self._resumed = past.starts > 0

    # ------------------------------------------------------------------ Flower's hooks

    def summary(self) -> None:
        """Log the strategy's settings."""
        s, p = self.settings, self.plan
        lines = [
            f"weighting: {s.weighting}, a={s.bandwidth_exponent}, p={s.staleness_exponent}, share up to {s.max_share}",
            f"buffer: {s.buffer_size} updates of at least {s.min_contributors} hospitals, "
            f"up to {s.max_staleness} versions stale",
            f"plan: {p.value_bits} value + {p.weight_bits} weight + {p.guard_bits} guard bits (W={p.total_weight}, "
            f"V={p.max_versions})",
            f"versions: {self.schedule.versions}; evaluation every {s.evaluate_every}; "
            f"snapshot every {s.snapshot_every}",
        ]
        for number, line in enumerate(lines):
            log(INFO, "\t%s %s", "└──" if number == len(lines) - 1 else "├──", line)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Training tasks for every idle node that may train now, from version ``server_round - 1``."""
        if self.stop_reason:
            return []
        return [self._message(view, TRAIN) for view in self._room(v for v in self._idle() if self._may_train(v))]

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Evaluation tasks for idle nodes that owe one."""
        return [self._message(view, view.todo) for view in self._room(v for v in self._idle() if v.todo)]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Take training replies into the buffer; a full buffer becomes version ``server_round``.

        Returns the version's record (what nodes are sent, not the adapter itself) and its metrics, or two Nones.
        """
        metrics = self._advance()
        for message in replies:
            self._receive(message)
            metrics = self._advance() or metrics  # one reply at a time: replies that came together may fill two buffers
        return (None, None) if metrics is None else (self._last_record(), metrics)

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Take evaluation replies in; the round's measures once every node has answered."""
        for message in replies:
            self._receive(message)
        return self._close_round() if self.round is not None and not self._owing() else None

    def start(
        self,
        grid: Grid,
        initial_arrays: ArrayRecord | None = None,
        num_rounds: int = 0,
        timeout: float = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: Callable[[int, ArrayRecord], MetricRecord | None] | None = None,
    ) -> Result:
        """Run until the last version (or ``num_rounds`` if that is fewer) or a stop criterion.

        ``initial_arrays`` is not needed: every node derives version 0 from the run's seed. ``timeout`` is
        ``strategy.task-timeout``'s place in Flower's signature and is not used.
        """
        last = self._last = min(num_rounds or self.schedule.versions, self.schedule.versions)
        nothing, config = ArrayRecord(), ConfigRecord()
        self.summary()
        self.journal.record(
            "resumed" if self._resumed else "started", version=self.version, lineage=self.journal.lineage, last=last
        )
        if self.version >= last:
            self._stop(f"all {last} versions are made")
        wait_for_nodes(grid, self.settings, self.clock)
        self._progress = self._version_began = self.clock.now()
        while not self._done():
            self._meet(grid)
            self._send(grid, self.configure_evaluate(self.version, nothing, config, grid))
            self._send(grid, self.configure_train(self.version + 1, nothing, config, grid))
            moved = self._expire()
            replies = list(grid.pull_messages(list(self.roster.flights))) if self.roster.flights else []
            kinds = [self._kind(message) for message in replies]
            self.aggregate_train(self.version + 1, [m for m, k in zip(replies, kinds, strict=True) if k == TRAIN])
            judged = self.round.version if self.round is not None else self.version
            measured = self.aggregate_evaluate(
                self.version, [m for m, kind in zip(replies, kinds, strict=True) if kind != TRAIN]
            )
            if measured is not None:
                self.result.evaluate_metrics_clientapp[judged] = measured
            if not (moved or replies):
                self._check_stall()
                self.clock.pause(self.settings.poll_seconds, self._next_moment())
        if self.version:
            self.result.arrays = self._last_record()
        self.journal.record("finished", version=self.version, reason=self.stop_reason)
        log(INFO, "Finished at version %s: %s", self.version, self.stop_reason)
        return self.result

    # ------------------------------------------------------------------ what FedAvg changes

    def _may_train(self, view: NodeView) -> bool:
        """Whether an idle node gets a training task now."""
        return not view.todo and not view.waiting

    def _ready(self) -> list[Buffered]:
        """Updates that become a version now: a full buffer of one layout, or what is there after max-wait."""
        groups: dict[tuple[str, tuple[tuple[str, int], ...]], list[Buffered]] = {}
        for update in self.buffer:
            groups.setdefault((update.layout, update.shape), []).append(update)
        waited = self.clock.now() - self._version_began >= self.settings.max_wait
        needed = self.settings.min_contributors if waited else self.settings.buffer_size
        most = self.settings.buffer_size
        return next((group[:most] for group in groups.values() if len(group) >= needed), [])

    # ------------------------------------------------------------------ sending

    def _idle(self) -> list[NodeView]:
        return self.roster.idle(self.clock.now())

    def _room(self, views: Iterable[NodeView]) -> list[NodeView]:
        cap = self.settings.concurrency
        return list(views)[: max(cap - len(self.roster.flights), 0)] if cap else list(views)

    def _message(self, view: NodeView, kind: str) -> Message:
        held = min(view.held, self.version)
        snapshot = None
        if (head := self.snapshots.confirmed) is not None and held < head.version:
            direct = self.catch_up.count(held, self.version)
            if 2 * len(head.epochs) + self.catch_up.count(head.version, self.version) < direct:
                snapshot, held = self.snapshots.load(), head.version
        every = self.settings.snapshot_every
        newest = max([h.version for h in (self.snapshots.confirmed,) if h is not None], default=0)
        self._next_task += 1
        task = Task(
            lineage=self.journal.lineage,
            task=self._next_task,
            version=self.version,
            epoch=self.schedule.epoch(self.version),
            from_version=held,
            versions=self.schedule.versions,
            plan=(self.plan.value_bits, self.plan.weight_bits, self.plan.guard_bits),
            head=self.journal.head(),
            accepted=view.accepted if view.public_key else tuple(self._orphans.values()),
            want_snapshot=kind == TRAIN and every > 0 and self.version - newest >= every,
            state_hash=self.hashes.agreed(self.version),
            steps=self.last_steps if kind == self.last_task else 0,
            records=tuple(self.catch_up.records(held, self.version)),
            snapshot=snapshot,
        )
        ttl = self.settings.task_timeout
        message = Message(
            content=write_task(task), dst_node_id=view.node, message_type=kind, ttl=ttl, group_id=str(self.version)
        )
        size = sum(len(p.data) for _, p in task.records) + sum(len(p.data) for p in (snapshot or (None, ()))[1])
        now = self.clock.now()
        self._drafts[id(message)] = Flight(view.node, task.task, kind, self.version, task.epoch, now, now + ttl, size)
        return message

    def _send(self, grid: Grid, messages: list[Message]) -> None:
        if not messages:
            return
        ids = list(grid.push_messages(messages))
        for message, message_id in zip(messages, ids, strict=True):
            flight = self._drafts.pop(id(message))
            view = self.roster.nodes[flight.node]
            if not message_id:
                self._fail(flight, view, FAILED, "the message could not be handed to Flower")
                continue
            self.roster.launch(message_id, flight)
            if flight.kind == TRAIN:
                view.trained, view.last_version = view.trained + 1, self.version
            self.journal.record(
                "dispatched",
                task=flight.task,
                node=str(flight.node),
                hospital=view.hospital,
                kind=flight.kind,
                version=flight.version,
                bytes=flight.bytes_down,
            )

    # ------------------------------------------------------------------ receiving

    def _kind(self, message: Message) -> str:
        flight = self.roster.flights.get(message.metadata.reply_to_message_id)
        return flight.kind if flight is not None else TRAIN

    def _receive(self, message: Message) -> None:
        flight = self.roster.land(message.metadata.reply_to_message_id)
        if flight is None:
            self.journal.record(
                DUPLICATE, task=-1, node=str(message.metadata.src_node_id), reason="a reply to no task under way"
            )
            return
        view = self.roster.nodes[flight.node]
        if message.has_error():
            error = message.error
            self._fail(flight, view, FAILED, f"Flower error {error.code}: {(error.reason or '')[-500:]}")
            return
        try:
            reply = read_reply(message.content)
            if (reply.lineage, reply.task) != (self.journal.lineage, flight.task):
                raise ProtocolError(
                    f"the reply is to task {reply.task} of lineage {reply.lineage!r}, asked was {flight.task}"
                )
            if not isinstance(reply, Failure) and isinstance(reply, Update) != (flight.kind == TRAIN):
                raise ProtocolError(f"a {type(reply).__name__} came in reply to '{flight.kind}'")
        except ProtocolError as error:
            self._fail(flight, view, MALFORMED, str(error))
            return
        self._answer(flight, view, reply)

    def _answer(self, flight: Flight, view: NodeView, reply: Reply) -> None:
        if isinstance(reply, Failure):
            if reply.kind == BEHIND:
                view.held = reply.held if 0 <= reply.held < flight.version else 0
                if view.held == 0 and self.snapshots.confirmed is not None and view.failures:
                    self.snapshots.forget()
                    self.journal.record("snapshot-dropped", reason=reply.reason)
            self._fail(flight, view, reply.kind, reply.reason)
            return
        view.held = flight.version
        if isinstance(reply, Evaluation):
            view.failures = view.attempts = 0
            self._progress = self.clock.now()
            if view.todo == flight.kind:
                view.todo = ""
            self._report(view, reply.version, reply.state_hash)
            measures = {f"{m}_{k}": v for m, row in reply.measures.items() for k, v in row.as_dict().items()}
            self.journal.record(
                "measured",
                task=flight.task,
                node=str(flight.node),
                hospital=view.hospital,
                site=reply.site,
                version=reply.version,
                seconds=reply.seconds,
                **measures,
            )
            if self.round is not None:
                self.round.add(view.node, reply.site, reply.measures)
            return
        self._admit(flight, view, reply)

    def _admit(self, flight: Flight, view: NodeView, update: Update) -> None:
        now = self.clock.now()
        staleness = self.version - flight.version
        multiplier = 1 << (self.schedule.epoch(self.version) - flight.epoch)
        expected = Expected(
            self.journal.lineage,
            flight.task,
            flight.version,
            flight.epoch,
            "",
            self.layout,
            self.shape,
            view.public_key,
        )
        room = self.plan.total_weight // (2 * max(self.settings.buffer_size, 1))
        refusal = examine(update, expected, self.plan, staleness, self.settings.max_staleness, multiplier, room)
        hospital = update.public_key.hex()[:16]
        if refusal is None and any(waiting.hospital == hospital for waiting in self.buffer):
            refusal = Refusal(DUPLICATE, "an update of the same hospital already waits for this version")
        if refusal is None and self.stop_reason:
            refusal = Refusal(LATE, f"the run is complete: {self.stop_reason}")
        if refusal is not None:
            self._fail(flight, view, refusal.outcome, refusal.reason)
            return
        size = len(update.payload.data) + sum(len(p.data) for p in (update.snapshot or (None, ()))[1])
        seconds = now - flight.sent
        self.bandwidths.observe(view.node, size + flight.bytes_down, seconds, update.compute_seconds)
        buffered = Buffered(
            flight.task,
            view.node,
            hospital,
            update.site,
            flight.version,
            update.layout,
            update.payload.shape,
            Contribution(
                update.loss_sum,
                update.num_tokens,
                update.num_examples,
                self.bandwidths.value(view.node),
                staleness,
                multiplier,
            ),
        )
        self.journal.keep(buffered.name, {}, update.payload)
        self.journal.record(
            ACCEPTED,
            **buffered_facts(buffered),
            digest=update.payload.digest(),
            signature=update.signature.hex(),
            state_hash=update.state_hash,
            bytes=size,
            seconds=seconds,
            train_seconds=update.train_seconds,
            clipped=update.clipped,
        )
        view.public_key, view.site = update.public_key, update.site
        view.accepted, view.waiting, view.failures = (flight.task,), True, 0
        self._orphans.pop(hospital, None)
        self.buffer.append(buffered)
        self._progress = now
        self._report(view, flight.version, update.state_hash)
        if update.snapshot is not None:
            self.snapshots.offer(*update.snapshot, update.state_hash)
        if (confirmed := self.snapshots.confirm()) is not None:
            self.journal.record("snapshot", version=confirmed.version, epochs=list(confirmed.epochs))

    def _report(self, view: NodeView, version: int, digest: str) -> None:
        if not self.hashes.report(version, view.hospital, digest):
            log(WARNING, "%s reports another state of version %s than the others", view.hospital, version)
            self.journal.record("disagreement", node=str(view.node), hospital=view.hospital, version=version)

    def _fail(self, flight: Flight, view: NodeView, outcome: str, reason: str) -> None:
        self.journal.record(
            outcome,
            task=flight.task,
            node=str(flight.node),
            hospital=view.hospital,
            kind=flight.kind,
            version=flight.version,
            reason=reason,
        )
        if outcome == LATE:
            return
        self.roster.back_off(view, self.clock.now(), self.settings.retry_seconds if outcome != BEHIND else 0.0)
        if view.todo and flight.kind == view.todo:
            view.attempts += 1
            if view.attempts >= ATTEMPTS:
                log(WARNING, "%s could not do '%s' in %s attempts: %s", view.hospital, view.todo, ATTEMPTS, reason)
                view.todo, view.attempts = "", 0

    def _expire(self) -> bool:
        overdue = self.roster.overdue(self.clock.now())
        for message_id in overdue:
            flight = self.roster.land(message_id)
            if flight is not None:
                view = self.roster.nodes[flight.node]
                self._fail(flight, view, FAILED, f"no reply within {self.settings.task_timeout:g} s")
        return bool(overdue)

    # ------------------------------------------------------------------ versions

    def _advance(self) -> MetricRecord | None:
        """Make the next version if its updates are there; its metrics."""
        chosen = [] if self.stop_reason else self._ready()
        if not chosen:
            return None
        metrics = self._make_version(chosen)
        self.result.train_metrics_clientapp[self.version] = metrics
        if self.version >= self._last and not self.stop_reason:
            self._stop(f"all {self._last} versions are made")
        return metrics

    def _last_record(self) -> ArrayRecord:
        """The newest version's record as nodes are sent it: a combination of updates, not the adapter."""
        data = bytes(self.journal.open(version_name(self.version))[1].data)
        return ArrayRecord({"record": Array("uint8", (len(data),), "raw.bytes", data)})

    def _make_version(self, chosen: list[Buffered]) -> MetricRecord:
        if not self.layout:
            self.layout, self.shape = chosen[0].layout, chosen[0].shape
            for other in [u for u in self.buffer if (u.layout, u.shape) != (self.layout, self.shape)]:
                self._discard(other)
        contributions = [u.contribution for u in chosen]
        share = shares(contributions, self.settings)
        total = damped_total(contributions, share, self.plan.total_weight, self.settings)
        multipliers = [c.multiplier for c in contributions]
        weights = [n * m for n, m in zip(integer_weights(share, total, multipliers), multipliers, strict=True)]
        payloads = [self.journal.open(u.name)[1] for u in chosen]
        epoch = self.schedule.epoch(self.version)
        mean_loss = sum(s * c.mean_loss for s, c in zip(share, contributions, strict=True))
        self._append(
            combine(payloads, weights, self.plan.sum_bits(1)),
            VersionFacts(epoch, sum(weights), 1),
            tasks=[u.task for u in chosen],
            hospitals=[u.hospital for u in chosen],
            sites=[u.site for u in chosen],
            weights=weights,
            staleness=[c.staleness for c in contributions],
            losses=[c.mean_loss for c in contributions],
            bandwidths=[c.bandwidth for c in contributions],
            train_loss=mean_loss,
            seconds=self.clock.now() - self._version_began,
        )
        for update in chosen:
            self.journal.drop(update.name)
            self.buffer.remove(update)
        for view in self.roster.nodes.values():
            view.waiting = False
        self._version_began = self.clock.now()
        every = self.settings.evaluate_every
        if every and self.version % every == 0 and self.version < self.schedule.versions:
            self._ask_all(EVALUATE)
        elif not every and (reason := self.convergence.observe(self.version, mean_loss)):
            self._stop(reason)
        staleness = sum(c.staleness for c in contributions) / len(contributions)
        return MetricRecord({"train-loss": mean_loss, "staleness": staleness, "contributors": len(chosen)})

    def _append(self, parts: Iterable[Part], facts: VersionFacts, **more: object) -> None:
        version = self.version + 1
        line = {"version": version, "epoch": facts.epoch, "weight_sum": facts.weight_sum, "sign": facts.sign}
        digest = self.journal.keep(version_name(version), line, parts)
        self.journal.record(
            "version", **line, layout=self.layout, shape=[list(r) for r in self.shape], digest=digest, **more
        )
        self.version = version
        self.catch_up.append(version, facts)

    def _discard(self, update: Buffered) -> None:
        self.buffer.remove(update)
        self.journal.drop(update.name)
        reason = f"layout {update.layout[:12]} is not the one that {self.layout[:12]} fixed with version 1"
        self.journal.record(
            WRONG_LAYOUT, task=update.task, node=str(update.node), hospital=update.hospital, kind=TRAIN, reason=reason
        )
        view = self.roster.nodes.get(update.node)
        if view is not None:
            view.accepted = ()

    def _roll_back(self, to: int) -> None:
        """Subtract the versions after ``to``, newest first, each by a version of its own."""
        for version in range(self.version, to, -1):
            facts = self.catch_up.versions[version]
            record = self.journal.open(version_name(version))[1]
            reverse = VersionFacts(facts.epoch, facts.weight_sum, -facts.sign)
            self._append(record, reverse, tasks=[], reverts=version)
        log(WARNING, "The loss jumped: versions after %s are rolled back", to)

    # ------------------------------------------------------------------ federated evaluation

    def _ask_all(self, kind: str) -> None:
        if self.round is not None:
            self._close_round()
        self.round = EvaluationRound(self.version)
        for node in self.roster.present:
            self.roster.nodes[node].todo = kind

    def _owing(self) -> bool:
        return any(self.roster.nodes[n].todo for n in self.roster.present)

    def _close_round(self) -> MetricRecord | None:
        done, self.round = self.round, None
        if done is None:
            return None
        loss = done.loss("global")
        self.journal.record("evaluated", version=done.version, loss=loss, sites=sorted(done.sites()))
        if loss is None:
            return None
        if not self.stop_reason and self.convergence.must_roll_back(loss):
            self._roll_back(self.convergence.best_version)
        elif (reason := self.convergence.observe(done.version, loss)) and not self.stop_reason:
            self._stop(reason)
        return done.metrics()

    # ------------------------------------------------------------------ beginning and end

    def _stop(self, reason: str) -> None:
        self.stop_reason = reason
        self._ask_all(self.last_task)

    def _done(self) -> bool:
        return bool(self.stop_reason) and not self.roster.flights and not self._owing() and self.round is None

    def _meet(self, grid: Grid) -> None:
        joined, left = self.roster.update(grid.get_node_ids())
        for node in joined:
            self.journal.record("joined", node=str(node))
            if self.stop_reason:
                self.roster.nodes[node].todo = self.last_task
        for node in left:
            self.journal.record("left", node=str(node), hospital=self.roster.nodes[node].hospital)
            self.roster.nodes[node].todo = ""

    def _next_moment(self) -> float:
        moment = self.roster.next_moment(self.clock.now())
        end_of_wait = self._version_began + self.settings.max_wait
        if self.buffer and end_of_wait > self.clock.now():
            moment = min(moment, end_of_wait)
        return min(moment, self._progress + self.settings.stall_timeout + 1e-3)

    def _check_stall(self) -> None:
        if self.clock.now() - self._progress > self.settings.stall_timeout:
            raise RunError(
                f"no update was accepted for {self.settings.stall_timeout:g} s (strategy.stall-timeout): "
                f"{len(self.buffer)} updates of {self.settings.min_contributors} needed wait and "
                f"{len(self.roster.present)} nodes are connected. The ledger's last lines say what failed; "
                "the run can be resumed"
            )
