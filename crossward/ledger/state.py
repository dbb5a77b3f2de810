"""What follows from a ledger: one fold of its events, shared by all who need to know where a run stands.

A live run changes what it knows of its lineage by writing an event and applying it; whoever resumes it, watches it,
draws its report, prints its progress or evaluates its adapter applies the same events with the same code. So they
cannot disagree, and a resumed run begins where the live one stood, by construction.

:class:`RunState` is changed in place rather than copied, as a run has tens of thousands of events. Its only method that
changes anything is :meth:`RunState.apply`, whose only input is the event: it reads no clock, no settings and no file.

The ledger is the truth: an update counts from its ``accepted`` line until the ``version`` line that names it; a version
counts from its line on.

Not here, as no line holds it: messages in flight, deadlines and pauses, which versions nodes hold, state hashes they
reported, doubts about a version, the evaluation round under way, a snapshot that is not confirmed yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from crossward.config.variance_reduction import NO_BLOCK, Block
from crossward.ledger import reasons
from crossward.ledger.chain import LedgerError
from crossward.ledger.events import (
    VERSION,
    Accepted,
    Assisted,
    CommitteeMet,
    Corrected,
    Discarded,
    Dispatched,
    Evaluated,
    Event,
    Excluded,
    Finished,
    HospitalPrivacy,
    Joined,
    Left,
    Liar,
    Measured,
    Opening,
    OpeningDropped,
    Outcome,
    OverBudget,
    Refused,
    Session,
    Shape,
    Snapshot,
    SnapshotDropped,
    Unknown,
    Version,
)
from crossward.protocol.measures import Measure
from crossward.protocol.messages import ANSWER, CONSENT, Included, RecordHead, SnapshotHead

TASKS_PER_SESSION = 32  # bits of a task's number: those of a resumed run never meet those of the run before


class Claim(NamedTuple):
    """What a hospital last said, as it was counted; of its examples what it said first."""

    loss_sum: float
    num_tokens: int
    num_examples: int


@dataclass(frozen=True)
class VersionFacts:
    """What is needed of a version to add it up: ``discarded`` ones are stepped over; ``dithered``: see RecordHead.

    ``reverts`` is the version whose updates it takes back, or puts back after that was taken back; 0 in others.
    ``tasks`` and ``weights`` are of these updates, ``block`` is where they are among the blocks of cached updates.
    """

    epoch: int
    weight_sum: int
    sign: int
    key: str = ""
    dithered: int = 0
    discarded: bool = False
    reverts: int = 0
    tasks: tuple[int, ...] = ()
    weights: tuple[int, ...] = ()
    block: Block = NO_BLOCK

    def head(self, version: int, proof: str = "") -> RecordHead:
        """The head of the record of ``version``, whose facts these are."""
        if self.discarded:
            return RecordHead(version, version, self.epoch, 0, self.sign)
        head = RecordHead(version, version, self.epoch, self.weight_sum, self.sign, self.key, self.dithered)
        if proof:
            head = head._replace(proof=proof, reverts=self.reverts)
        return head._replace(block=self.block)

    def included(self, version: int) -> Iterator[Included]:
        """The updates that ``version``, whose facts these are, adds or takes back."""
        for task, weight in zip(() if self.discarded else self.tasks, self.weights, strict=False):
            yield Included(version, task, self.sign * weight, self.epoch, self.block.number)


@dataclass
class RunState:
    """Where a run lineage stands.

    ``sessions``, ``planned`` (its last version) and ``finished`` (why it ended, None while it goes on) are of the
    process that wrote last; ``ended`` is why the run needs no more training when it is resumed. ``present`` and
    ``exhausted`` are node ids of this session: who is connected, and who has no privacy budget left.

    ``version`` is the newest one, ``versions`` what is known of each, ``digests`` of their records,
    ``discarded_versions`` those that nobody can open; ``layout``, ``shape`` and ``key`` are what version 1 fixed (a
    rotated key: what the newest version is sealed under).

    ``buffer`` holds accepted updates that wait, by task; ``waiting`` their nodes; ``accepted`` every hospital's last
    accepted task; ``under_way`` tasks without an outcome; ``claims`` what hospitals said of themselves; ``taken`` in
    how many versions each took part, which hospital-level privacy is paid by, and ``last_taken`` the last of them;
    ``bases`` how many updates that were trained from a version are in versions;
    ``promise`` what that guarantees and ``epsilon`` what the hospital that took part most has spent of it.

    ``losses`` and ``train_losses`` are (version, nats a token) that convergence is judged by; ``reverting`` versions
    that a rollback still has to subtract; ``discarded_groups`` who contributed to each discarded one, ``excluded``
    who gets no more tasks for that. ``committee`` is the roster in force, ``openings`` the lists that its members
    are being asked to open, by version, ``helped`` who consented and answered in this session, ``liars`` which of them
    ever
    answered wrongly; ``members`` are hospitals by their names in the roster. ``heldout`` is the last evaluation with a
    loss. ``sites`` are names by hospital, ``measures`` the newest ones by (model, site). ``met`` are all nodes of this
    session; ``unknown`` is an event not known here.
    """

    sessions: int = 0
    planned: int = 0
    finished: str | None = None
    ended: str = ""
    present: set[int] = field(default_factory=set)
    exhausted: set[int] = field(default_factory=set)
    met: set[int] = field(default_factory=set)
    version: int = 0
    versions: dict[int, VersionFacts] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)
    layout: str = ""
    shape: Shape = ()
    key: str = ""
    buffer: dict[int, Accepted] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    accepted: dict[str, int] = field(default_factory=dict)
    under_way: dict[int, Dispatched] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)
    last_taken: dict[str, int] = field(default_factory=dict)
    bases: Counter[int] = field(default_factory=Counter)
    promise: HospitalPrivacy | None = None
    epsilon: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    train_losses: list[tuple[int, float]] = field(default_factory=list)
    heldout: Evaluated | None = None
    reverting: list[int] = field(default_factory=list)
    discarded_groups: list[frozenset[str]] = field(default_factory=list)
    excluded: set[str] = field(default_factory=set)
    committee: CommitteeMet | None = None
    openings: dict[int, Opening] = field(default_factory=dict)
    helped: set[tuple[int, str, str]] = field(default_factory=set)  # version, kind of question, member
    members: dict[str, str] = field(default_factory=dict)
    liars: set[str] = field(default_factory=set)
    snapshot: SnapshotHead | None = None
    snapshot_digests: tuple[str, ...] = ()
    sites: dict[str, str] = field(default_factory=dict)
    measures: dict[tuple[str, str], Measure] = field(default_factory=dict)
    unknown: Unknown | None = None

    def apply(self, event: Event) -> None:
        """Take in the next event of the ledger."""
        for kind in type(event).__mro__:  # a Failed is a Refused and an Outcome too
            if (change := _CHANGES.get(kind)) is not None:
                change(self, event)

    @property
    def discarded_versions(self) -> set[int]:
        """Versions that nobody can open and everybody leaves out."""
        return {version for version, facts in self.versions.items() if facts.discarded}

    def member(self, name: str) -> str:
        """The member ``name`` of the roster, for people: with its site's name, where that is known and another."""
        site = self.sites.get(self.members.get(name, ""), "")
        return f"{name} ({site})" if site and site != name else name

    @property
    def opening(self) -> Opening | None:
        """The first list that is being opened."""
        return self.openings[min(self.openings)] if self.openings else None

    @property
    def listed(self) -> set[int]:
        """Tasks whose updates are in a list that is being opened."""
        return {task for opening in self.openings.values() for task in opening.tasks}

    @property
    def opening_text(self) -> str:
        """How far the opening of a version has got, in words; empty while none is being opened."""
        if (opening := self.opening) is None or self.committee is None:
            return ""
        kinds = [kind for version, kind, _ in self.helped if version == opening.version]
        done, of, what = kinds.count(CONSENT), self.committee.quorum, "consented"
        if done >= of:
            done, of, what = kinds.count(ANSWER), self.committee.openers, "answered"
        more = f" ({len(self.openings) - 1} more begun)" if len(self.openings) > 1 else ""
        return f"opening version {opening.version}: {done} of {of} members {what}{more}"

    @property
    def first_task(self) -> int:
        """Tasks of a process that takes up the run now are numbered from here on."""
        return self.sessions << TASKS_PER_SESSION

    def check_known(self) -> None:
        """Whether this version of the project understands the ledger well enough to go on with the run.

        Raises
        ------
        LedgerError
            it has an event that this version does not know.
        """
        if self.unknown is not None:
            raise LedgerError(
                f"the ledger has an event {self.unknown.name[:60]!r}, which this version of the project (ledger events "
                f"{VERSION}) does not know: resume the run with the version that wrote it"
            )


def fold(events: Iterable[Event]) -> RunState:
    """Where a lineage with these ``events`` stands."""
    state = RunState()
    for event in events:
        state.apply(event)
    return state


# ---------------------------------------------------------------------- what each event changes


def _begin_session(state: RunState, event: Session) -> None:
    state.sessions += 1
    state.planned, state.finished = event.last, None
    for nodes in (state.present, state.exhausted, state.met):
        nodes.clear()
    state.helped.clear()


def _end(state: RunState, event: Finished) -> None:
    state.finished = event.reason
    # budgets may be raised, and others may join: whoever resumes such a run asks the hospitals again
    state.ended = "" if reasons.reason_of(event.reason) is reasons.SPENT else event.reason


def _join(state: RunState, event: Joined) -> None:
    node = int(event.node)
    state.present.add(node)
    state.met.add(node)
    state.exhausted.discard(node)  # its budget may have been raised meanwhile


def _leave(state: RunState, event: Left) -> None:
    state.present.discard(int(event.node))


def _promise(state: RunState, event: HospitalPrivacy) -> None:
    state.promise = event


def _dispatch(state: RunState, event: Dispatched) -> None:
    state.under_way[event.task] = event


def _settle(state: RunState, event: Outcome) -> None:
    state.under_way.pop(event.task, None)


def _accept(state: RunState, event: Accepted) -> None:
    state.buffer[event.task] = event
    state.waiting.add(int(event.node))
    state.accepted[event.hospital] = event.task
    state.sites[event.hospital] = event.site
    before = state.claims.get(event.hospital)
    examples = event.num_examples if before is None else before.num_examples
    state.claims[event.hospital] = Claim(event.loss_sum, event.num_tokens, examples)


def _take_out(state: RunState, task: int) -> Accepted | None:
    """An update waits no more."""
    update = state.buffer.pop(task, None)
    if update is not None and not any(other.node == update.node for other in state.buffer.values()):
        state.waiting.discard(int(update.node))
    return update


def _refuse(state: RunState, event: Refused) -> None:
    """An update that waited may be refused after all."""
    update = _take_out(state, event.task)
    if update is not None and state.accepted.get(update.hospital) == update.task:
        del state.accepted[update.hospital]


def _exhaust(state: RunState, event: OverBudget) -> None:
    state.exhausted.add(int(event.node))


def _measure(state: RunState, event: Measured) -> None:
    state.sites[event.hospital] = event.site
    for model, measure in event.measures.items():
        state.measures[model, event.site] = measure


def _make(state: RunState, event: Version) -> None:
    state.version = event.version
    reverts, made = event.reverts or 0, (event.tasks, event.weights, Block(*event.block))
    if reverts and (before := state.versions.get(reverts)) is not None:
        reverts, made = before.reverts or reverts, (before.tasks, before.weights, before.block)
    facts = VersionFacts(event.epoch, event.weight_sum, event.sign, event.key, event.dithered, False, reverts, *made)
    state.versions[event.version] = facts
    state.digests[event.version] = event.digest
    state.layout, state.shape = event.layout, event.shape
    if event.reverts is None:
        state.key = event.key
    elif event.reverts in state.reverting:
        state.reverting.remove(event.reverts)
    if event.train_loss is not None:
        state.train_losses.append((event.version, event.train_loss))
    for task in event.tasks:
        _take_out(state, task)
    if event.reverts is None:
        _end_opening(state, event.version)
    state.taken.update(event.hospitals)
    state.last_taken.update(dict.fromkeys(event.hospitals, event.version))
    state.bases.update(event.version - 1 - stale for stale in event.staleness)
    if event.hospital_epsilon is not None:
        state.epsilon = event.hospital_epsilon


def _meet_committee(state: RunState, event: CommitteeMet) -> None:
    state.committee = event


def _end_opening(state: RunState, version: int) -> None:
    state.openings.pop(version, None)
    state.helped = {row for row in state.helped if row[0] != version}


def _open(state: RunState, event: Opening) -> None:
    _end_opening(state, event.version)
    state.openings[event.version] = event


def _assist(state: RunState, event: Assisted) -> None:
    if event.member:
        state.members[event.member] = event.hospital
    if event.member and event.version in state.openings:
        state.helped.add((event.version, event.kind, event.member))


def _drop_opening(state: RunState, event: OpeningDropped) -> None:
    _end_opening(state, event.version)
    if event.hospitals:
        state.discarded_groups.append(frozenset(event.hospitals))


def _correct(state: RunState, event: Corrected) -> None:
    state.digests[event.version] = event.digest


def _name_liar(state: RunState, event: Liar) -> None:
    state.liars.add(event.member)


def _discard(state: RunState, event: Discarded) -> None:
    if (facts := state.versions.get(event.version)) is None:
        raise LedgerError(f"the ledger leaves out version {event.version}, which was not made")
    state.versions[event.version] = replace(facts, discarded=True)
    state.discarded_groups.append(frozenset(event.hospitals))
    for hospital in [h for h, task in state.accepted.items() if task in event.tasks]:
        del state.accepted[hospital]


def _exclude(state: RunState, event: Excluded) -> None:
    state.excluded.add(event.hospital)


def _evaluate(state: RunState, event: Evaluated) -> None:
    if event.loss is not None:
        state.heldout = event
    judged = event.loss if event.judged is None else event.judged  # an older ledger has one loss only
    if event.reverts:
        state.reverting = list(event.reverts)
    elif event.complete and judged is not None:
        state.losses.append((event.version, judged))


def _confirm(state: RunState, event: Snapshot) -> None:
    state.snapshot = SnapshotHead(event.version, event.epochs, event.key, event.cached)
    state.snapshot_digests = event.digests


def _drop_snapshot(state: RunState, event: SnapshotDropped) -> None:
    state.snapshot, state.snapshot_digests = None, ()


def _not_known(state: RunState, event: Unknown) -> None:
    state.unknown = event


_CHANGES: dict[type, Callable[[RunState, Any], None]] = {
    Session: _begin_session,
    Finished: _end,
    Joined: _join,
    Left: _leave,
    HospitalPrivacy: _promise,
    Dispatched: _dispatch,
    Outcome: _settle,
    Accepted: _accept,
    Refused: _refuse,
    OverBudget: _exhaust,
    Measured: _measure,
    Assisted: _assist,
    CommitteeMet: _meet_committee,
    Opening: _open,
    OpeningDropped: _drop_opening,
    Liar: _name_liar,
    Corrected: _correct,
    Version: _make,
    Discarded: _discard,
    Excluded: _exclude,
    Evaluated: _evaluate,
    Snapshot: _confirm,
    SnapshotDropped: _drop_snapshot,
    Unknown: _not_known,
}
