"""AsyncHybrid: asynchronous federated learning over integer updates that the server need not be able to read.

Follows arXiv 2503.12226 (hybrid aggregation, weights w_k = L_k / (|D_k| B_k^a), asynchronous synchronisation) with
FedBuff's buffer (arXiv 2106.06639). One task is under way per node; an idle node is sent the next at once. When
the buffer holds updates of ``buffer-size`` distinct hospitals they become the next version: an integer combination
whose weights sum to at most W. Every outcome of every task has a line in the journal.

Not for: synchronous rounds (``strategies.fedavg``), files (``strategies.history.journal``), model weights (nodes have
them).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from logging import INFO

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.common import log
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from crossward.config.privacy_settings import NO_UNIT
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.config.weightings import missing
from crossward.encryption.aggregator import Kinds, clear_arithmetic
from crossward.encryption.dither import Dither
from crossward.encryption.plan import FieldPlan
from crossward.ledger import reasons
from crossward.ledger.events import Accepted, Finished, Resumed, Started, Version
from crossward.protocol.messages import EVALUATE, TRAIN
from strategies.aggregation.catchup import version_name
from strategies.aggregation.ranks import chosen_of
from strategies.aggregation.resumption import take_up
from strategies.aggregation.suspects import separate_suspects
from strategies.aggregation.versions import make_version
from strategies.callbacks import Callback, stop_requested
from strategies.exchange.bandwidth import Bandwidths
from strategies.exchange.clock import Clock, SystemClock
from strategies.exchange.dispatch import compose, send
from strategies.exchange.launches import adopt
from strategies.exchange.membership import meet, wait_for_nodes
from strategies.exchange.reception import expire, receive
from strategies.exchange.replies import Replies
from strategies.exchange.timeliness import timely
from strategies.exchange.waiting import Waiting
from strategies.history.journal import Journal
from strategies.history.roster import NodeView
from strategies.history.state import RunError, ServerState
from strategies.opening.committee import Committee
from strategies.opening.making import begin, finish
from strategies.opening.questions import asking, questions, settle_roster, under_way
from strategies.opening.recheck import forget_verified
from strategies.stopping.ending import Ending
from strategies.stopping.hospital_budget import HospitalBudget

MANY = 4  # buffers full of hospitals, from which a version more to lag behind hardly counts
OPENING_POLL, OPENED_SOON = 0.01, 2.0  # seconds; a simulation's members answer within a poll, a deployment's in seconds


class AsyncHybrid(Strategy):
    """Asynchronous hybrid aggregation.

    ``lists_at_once`` is how many version lists a committee is asked for at once; they become versions in order.

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
    kinds : Kinds (default: clear parts only)
        Kinds of part that the run's encryption policy allows (``crossward.encryption.aggregator.arithmetic``).
    key : str (default: "")
        Fingerprint of the consortium key that updates must be made under; empty: version 1 fixes it.
    privacy_unit : str (default: "none")
        The run's ``privacy.unit``, which every update must name.
    budget : HospitalBudget (default: none)
        With hospital-level privacy: what versions cost hospitals, and how much they may.
    dither : Dither (default: under a random key)
        What every version carries so that its sum does not separate into updates. A resumed run needs its own.
    committee : Committee (default: none)
        Under a scheme whose versions a committee of hospitals opens: what is known of it.
    callbacks : sequence of Callback (default: none)
        What sees every event as it is written, and may ask the run to stop (``strategies.callbacks``).
    ranks : sequence of int (default: all hospitals train all components)
        The ranks that hospitals may train (``lora.ranks``).
    """

    lists_at_once = 4

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
        kinds: Kinds | None = None,
        key: str = "",
        privacy_unit: str = NO_UNIT,
        budget: HospitalBudget | None = None,
        dither: Dither | None = None,
        callbacks: Sequence[Callback] = (),
        committee: Committee | None = None,
        ranks: Sequence[int] = (),
    ) -> None:
        plan.check_buffer(max(settings.buffer_size, 1))
        if withheld := missing(settings.rule.weighting, privacy_unit):
            raise ValueError(
                f"strategy.weighting = {settings.rule.weighting!r} is made of {', '.join(sorted(withheld))}, which no "
                f"node reports under privacy.unit = {privacy_unit!r}: use another weighting, such as 'equal'"
            )
        self.state = ServerState(
            settings,
            plan,
            schedule,
            journal,
            clock or SystemClock(),
            bandwidths or Bandwidths(),
            last_task,
            last_steps,
            kinds or clear_arithmetic(),
            key,
            privacy_unit,
            budget,
            dither or Dither(),
            callbacks,
            committee,
            ranks=frozenset(ranks),
        )
        self.result = Result()
        self.ending = Ending(self.state, self.result, schedule.versions)
        self._replies = Replies()

    # ------------------------------------------------------------------ what FedAvg changes

    def may_train(self, view: NodeView) -> bool:
        """Whether an idle node gets a training task now."""
        s = self.state
        if view.todo or (s.waiting(view.node) and not self.goes_on(view)) or not s.may_contribute(view):
            return False
        return s.committee is None or s.committee.invites(view.node)

    def goes_on(self, view: NodeView) -> bool:
        """Whether a node whose update is in a list that is being opened trains on meanwhile, from a version before it.

        Where versions are made of few of many hospitals, one version more to lag behind costs less than waiting.
        """
        s = self.state
        many = len(s.roster.present) >= MANY * max(s.settings.buffer_size, 1)
        return many and bool(s.openings) and all(int(update.node) != view.node for update in s.free)

    def may_queue(self) -> bool:
        """Whether another list may be begun behind those that are being opened."""
        s = self.state
        begun = len(s.openings)
        if not begun:
            return not s.run.openings  # those of an interrupted run are taken up first
        settled = bool(s.run.layout) and s.budget is None and begun == len(s.run.openings)
        return settled and begun < self.lists_at_once and s.version + begun < self.ending.last_version

    def worth_asking(self) -> Callable[[NodeView], bool]:
        """Says whether a node's update can still come in time (:func:`~strategies.exchange.timeliness.timely`)."""
        return timely(self.state, self.ending.last_version)

    def ready(self) -> list[Accepted]:
        """Updates that become a version now: a full buffer of one layout, or what is there after max-wait."""
        s = self.state
        waited = s.clock.now() >= s.version_began + s.settings.max_wait
        needed = s.settings.min_contributors if waited else s.settings.buffer_size
        groups = (separate_suspects(s, group) for group in self.groups())
        most, fewest = s.settings.buffer_size, s.settings.min_contributors
        return next((chosen for group in groups if (chosen := chosen_of(group, needed, most, fewest))), [])

    def groups(self) -> list[list[Accepted]]:
        """The buffer by layout and key: only updates of one can be added. Version 1 fixes which."""
        groups: dict[object, list[Accepted]] = {}
        for update in self.state.free:
            groups.setdefault((update.layout, update.key, update.shape), []).append(update)
        return list(groups.values())

    # ------------------------------------------------------------------ Flower's hooks

    def summary(self) -> None:
        """Log the strategy's settings."""
        s, p = self.state.settings, self.state.plan
        lines = [
            f"weighting: {s.rule.weighting}, damping: {s.rule.damping}, a={s.bandwidth_exponent}, "
            f"p={s.staleness_exponent}, share up to {s.max_share}",
            f"buffer: {s.buffer_size} updates of at least {s.min_contributors} hospitals, "
            f"up to {'10 or 4 N/K' if s.max_staleness < 0 else s.max_staleness} versions stale",
            f"plan: {p.value_bits} value + {p.weight_bits} weight + {p.guard_bits} guard bits (W={p.total_weight}, "
            f"V={p.max_versions})",
            f"versions: {self.ending.last_version}; evaluation every {s.evaluate_every}, snapshot every "
            f"{s.snapshot_every}",
        ]
        log(INFO, "%s strategy:", type(self).__name__)
        for number, line in enumerate(lines):
            log(INFO, "\t%s %s", "└──" if number == len(lines) - 1 else "├──", line)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterator[Message]:
        """Training tasks at the newest version for the idle nodes that may train now, as :meth:`start` sends them.

        Each is composed when it is asked for, since it may carry records as large as the adapter: push it before the
        next. (Where a Grid goes through its messages twice, give it lists.) A task names its version, records and
        settings by itself; ``server_round``, ``arrays`` and ``config`` have no part in it.
        """
        meet(self.state, grid)
        settle_roster(self.state)
        return itertools.chain(self._asked(), self._drafted(self._train_kind()))

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterator[Message]:
        """Evaluation tasks for the idle nodes that owe one; otherwise as :meth:`configure_train`."""
        meet(self.state, grid)
        return self._drafted(lambda view: view.todo)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Take training replies into the buffer, one at a time, and make the versions that they fill.

        All that are there come first: how many come at once has a part in weights.
        Returns None, as the server has no adapter to return, and the newest version's metrics, or None without one.
        """
        metrics, received = self._advance(), 0
        for message in replies:
            receive(self.state, message)
            received += 1
            del message  # it may be as large as the adapter: gone before the next is pulled
        expire(self.state)
        for _ in range(received + 1):  # each may have filled a buffer
            metrics = self._advance() or metrics
        return None, metrics

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Take evaluation replies in; the round's measures once every node has answered."""
        for message in replies:
            receive(self.state, message)
        return self.ending.close_round() if self.state.round is not None and not self.state.owing() else None

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

        Of Flower's parameters, ``initial_arrays`` is not needed (every node derives version 0 from the run's
        seed), ``timeout`` follows each node's measured times, and the server cannot evaluate what it cannot open.

        Raises
        ------
        RunError
            too few nodes connected, or no update was accepted, within ``settings.stall_seconds``.
        """
        s = self.state
        interrupted = list(s.run.under_way.values())
        arrays, train_config = initial_arrays or ArrayRecord(), train_config or ConfigRecord()
        evaluate_config = evaluate_config or ConfigRecord()
        self.ending.last_version = min(num_rounds or s.schedule.versions, s.schedule.versions)
        self.summary()
        session = Resumed if s.resumed else Started
        s.record(session(version=s.version, lineage=s.journal.lineage, last=self.ending.last_version))
        if s.budget is not None:
            s.record(s.budget.promise(self.ending.last_version))
        wait_for_nodes(grid, s.settings, s.clock)
        s.progress = s.version_began = self.ending.began = s.clock.now()
        meet(s, grid)
        take_up(s, interrupted)
        self.ending.stop_at_last()
        if s.ended:
            self.ending.stop(s.ended)
        self._advance()  # a full buffer that an interruption left becomes its version before anybody trains
        waiting = Waiting(s)
        while not self.ending.done():
            send(s, grid, self.configure_evaluate(s.version + 1, arrays, evaluate_config, grid))
            send(s, grid, self.configure_train(s.version + 1, arrays, train_config, grid))
            moved = expire(s)
            pulled = self._replies.pulled
            made = self.aggregate_train(s.version + 1, self._training_replies(grid))[1]
            moved = moved or self._replies.pulled > pulled
            self.ending.stop_without_budget()
            self.aggregate_evaluate(s.version, ())
            if moved or made:
                waiting.over()
            else:
                waiting.look()
                self.ending.check_stall()
                s.clock.pause(self._poll(), self._next_moment())
        forget_verified(s)
        if s.version:
            self.result.arrays = self._last_record()
        s.record(Finished(version=s.version, reason=s.stop_reason))
        log(INFO, "Finished at version %s: %s", s.version, s.stop_reason)
        return self.result

    # ------------------------------------------------------------------ asking

    def _drafted(self, kind_for: Callable[[NodeView], str]) -> Iterator[Message]:
        """Tasks for idle nodes for which ``kind_for`` names one, as many as ``concurrency`` has room for."""
        s = self.state
        adopt(s)
        under_way = sum(not flight.beside for flight in s.roster.flights.values())
        room = max(s.settings.concurrency - under_way, 0) if s.settings.concurrency else None
        idle = s.roster.idle(s.clock.now()) if room != 0 else []
        wanted = list(itertools.islice(((view, kind) for view in idle if (kind := kind_for(view))), room))
        for view, kind in wanted:
            message, flight = compose(s, view, kind)
            s.roster.draft(message.metadata, flight)
            yield message

    def _asked(self) -> Iterator[Message]:
        """Questions for the committee's sake."""
        s = self.state
        adopt(s)
        for message, flight in questions(s):
            s.roster.draft(message.metadata, flight)
            yield message

    def _train_kind(self) -> Callable[[NodeView], str]:
        s = self.state
        training = not s.stop_reason and (s.committee is None or s.committee.ready(s.version, asking(s)))
        worth = self.worth_asking()
        return lambda view: TRAIN if training and self.may_train(view) and worth(view) else ""

    def _training_replies(self, grid: Grid) -> Iterator[Message]:
        """Pull the replies that are there; evaluations among them are taken in on the way."""
        for message in self._replies.pull(grid, self.state.roster.flights):
            if self._kind(message) == TRAIN:
                yield message
            else:
                self.aggregate_evaluate(self.state.version, [message])
            del message

    def _kind(self, message: Message) -> str:
        flight = self.state.roster.flights.get(message.metadata.reply_to_message_id)
        return flight.kind if flight is not None else TRAIN

    # ------------------------------------------------------------------ versions

    def _advance(self) -> MetricRecord | None:
        """Make the next version if its updates are there; its metrics."""
        s = self.state
        if asked := stop_requested(s.callbacks):
            self.ending.stop(reasons.CALLBACK(reason=asked).text)
        if s.run.openings and not s.stop_reason and (opened := finish(s)) is not None:
            return self._made(opened)
        if s.committee is not None and s.committee.book is None:
            return None  # a resumed run has updates that wait before a node has said which roster it follows
        chosen = [] if s.stop_reason or not self.may_queue() else self.ready()
        if not chosen:
            return None
        if s.budget is not None and (refusal := s.budget.refusal([update.hospital for update in chosen])):
            if not s.version:
                raise RunError(f"no version can be made: {refusal}")
            self.ending.stop(reasons.NEXT_VERSION_OVER_BUDGET(refusal=refusal).text)
            return None
        if s.committee is not None:
            begin(s, chosen)
            return None
        return self._made(make_version(s, chosen))

    def _made(self, made: Version) -> MetricRecord:
        """What follows from a new version; its metrics."""
        s = self.state
        stale = sum(made.staleness) / len(made.tasks)
        metrics = MetricRecord({"staleness": stale, "contributors": len(made.tasks)})
        if (loss := made.train_loss) is not None:
            metrics["train-loss"] = loss
        self.result.train_metrics_clientapp[s.version] = metrics
        every = s.settings.evaluate_every
        if s.version >= self.ending.last_version:
            self.ending.stop_at_last()
        elif every and s.version % every == 0:
            self.ending.close_round()
            s.ask_all(EVALUATE)
        elif not every and loss is not None and (reason := s.convergence.observe(s.version, loss)):
            self.ending.stop(reason)
        return metrics

    def _last_record(self) -> ArrayRecord:
        """The newest version's record as nodes are sent it: a combination of updates, not the adapter."""
        data = bytes(self.state.journal.open(version_name(self.state.version))[1].data)
        return ArrayRecord({"record": Array("uint8", (len(data),), "raw.bytes", data)})

    # ------------------------------------------------------------------ beginning and end

    def _poll(self) -> float:
        """Seconds between looks for replies: fewer while a version is opened, for which its contributors wait."""
        s = self.state
        brief = s.opening is not None and s.clock.now() - s.opening.began < OPENED_SOON
        return min(s.settings.poll_seconds, OPENING_POLL) if brief else s.settings.poll_seconds

    def _next_moment(self) -> float:
        s = self.state
        now = s.clock.now()
        moment = s.roster.next_moment(now)
        if moment > s.progress + s.settings.stall_seconds:  # patience is no less, and asks every node's forecast
            moment = min(moment, s.progress + self.ending.patience() + 1e-3)
        end_of_wait = s.version_began + s.settings.max_wait
        moment = min([moment, *(found.next_moment(now) for found in under_way(s))])
        return min(moment, end_of_wait) if s.run.buffer and end_of_wait > now else moment
