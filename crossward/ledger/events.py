"""What the lines of a ledger mean: one dataclass for each event.

The contract, as ledgers outlive the version of the project that wrote them:

- A field is never renamed, and never changes its meaning. A fact that changes what an event means is a new event.
- A fact added later is declared with :func:`~crossward.ledger.facts.newer`; lines without it get its default, and are
  written back without.
- A fact that only some lines have is declared with :func:`~crossward.ledger.facts.sometimes`, and written where it
  differs from its default.
- Facts that this version does not know are kept in ``more`` and written back: a newer version may add them freely.
- An event that this version does not know is read as :class:`Unknown`. Views skip it; a run is not resumed over it
  (:class:`crossward.ledger.state.RunState`), since nobody here can say what it did.
- A line that lacks a fact, or has one of another type, is refused: :class:`~crossward.ledger.lines.EventError` names
  event and fact.

So reading a line and writing it gives the same bytes. :data:`VERSION` counts the changes of this vocabulary.

Not for: reading lines (``crossward.ledger.lines``), what follows from the events (``crossward.ledger.state``), texts of
reasons (``crossward.ledger.reasons``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, dataclass_transform

from crossward.ledger.facts import facts_of, newer, plain, sometimes
from crossward.protocol import messages
from crossward.protocol.measures import Measure
from crossward.protocol.messages import MODELS

VERSION = 4
_T = TypeVar("_T")
Shape = tuple[tuple[str, int], ...]
"""(kind, length) of every part of a payload."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def event(kind: type[_T]) -> type[_T]:
    """Make a class of facts an event: a frozen dataclass with keywords alone."""
    return dataclass(frozen=True, kw_only=True)(kind)


@event
class Event:
    """A line. ``time`` in seconds since 1970, 0.0 before it is written; ``more`` are facts unknown to this version.

    ``lacks`` are the facts that an older ledger's line does not have.
    """

    name: ClassVar[str] = ""
    time: float = field(default=0.0, compare=False, repr=False)
    more: Mapping[str, Any] = field(default_factory=dict, repr=False)
    lacks: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    def facts(self) -> dict[str, Any]:
        """The line's facts as plain JSON values."""
        out: dict[str, Any] = {}
        for fact in facts_of(type(self)):
            value = getattr(self, fact.name)
            if not (fact.name in self.lacks or (fact.sometimes and value == fact.default)):
                out[fact.name] = plain(value)
        return {**out, **self.more}

    @classmethod
    def take(cls, more: dict[str, Any]) -> dict[str, Any]:
        """Fields that are not one fact each, taken out of a line's other facts ``more``; none by default."""
        return {}


@event
class Unknown(Event):
    """A line of an event that this version does not know; its facts are in ``more``."""

    name: str  # type: ignore[misc]

    def facts(self) -> dict[str, Any]:
        """All of the line's facts."""
        return dict(self.more)


# ---------------------------------------------------------------------- a run and its members


@event
class Session(Event):
    """A process takes up the run at ``version``; ``last`` is the run's last one."""

    version: int
    lineage: str
    last: int


@event
class Started(Session):
    """A run begins."""

    name = "started"


@event
class Resumed(Session):
    """A run goes on; its nodes join anew."""

    name = "resumed"


@event
class Finished(Event):
    """A run has ended at ``version``."""

    name = "finished"
    version: int
    reason: str


@event
class Repaired(Event):
    """A torn last line was set aside."""

    name = "repaired"
    torn_bytes: int
    torn_sha256: str
    kept_in: str


@event
class HospitalPrivacy(Event):
    """What a run with hospital-level privacy guarantees (``HospitalBudget.promise``)."""

    name = "hospital-privacy"
    unit: str
    neighbours: str
    epsilon: float
    limit: float
    delta: float
    versions: int
    noise_multiplier: float
    clip: float
    honest: int
    accountant: str
    exposed: bool = newer(False)
    alone_epsilon: tuple[float | None, ...] = newer((None, None))


@event
class Joined(Event):
    """A node has connected."""

    name = "joined"
    node: str


@event
class Left(Event):
    """A node has disconnected."""

    name = "left"
    node: str
    hospital: str = sometimes("")


@event
class Excluded(Event):
    """A hospital contributed to every one of ``versions`` versions that did not open, and gets no more tasks."""

    name = "excluded"
    hospital: str
    versions: int


@event
class Disagreement(Event):
    """``hospitals`` hold another state of ``version`` than the others."""

    name = "disagreement"
    node: str
    hospitals: tuple[str, ...]
    version: int


# ---------------------------------------------------------------------- tasks and their outcomes


@event
class Dispatched(Event):
    """A task was sent: ``bytes`` of records and of what a committee adds, and ``deadline_seconds`` to answer."""

    name = "dispatched"
    task: int
    node: str
    hospital: str
    kind: str
    version: int
    bytes: int
    deadline_seconds: float | None = newer(None)


@event
class Outcome(Event):
    """What became of a task; -1 for a reply to none."""

    task: int
    node: str


@event
class Accepted(Outcome):
    """An update waits for its version; its payload lies in the run folder under :attr:`payload`.

    ``version`` is the one it was trained from, ``digest`` its payload's, ``bandwidth`` in Mbit/s, ``multiplier`` =
    2**(scale epochs behind), ``loss_sum`` in nats over ``num_tokens``; with a ``loss_noise`` (standard deviation, nats
    a token) it is an estimate of the loss on held-out notes. ``clamped`` are claims out of bounds.
    The epsilons are those of a hospital that protects its examples or patients. ``rank`` is how many components it
    trains, 0 for all.
    """

    name = "accepted"
    hospital: str
    site: str
    version: int
    layout: str
    key: str
    seal_seconds: float
    open_seconds: float
    shape: Shape
    digest: str
    loss_sum: float
    num_tokens: int
    num_examples: int
    bandwidth: float
    staleness: int
    multiplier: int
    signature: str
    state_hash: str
    bytes: int
    steps: int | None = newer(None)
    seconds: float
    train_seconds: float
    compute_seconds: float
    clipped: float
    loss_noise: float = sometimes(0.0)
    privacy_unit: str = sometimes("")
    local_epsilon: float | None = sometimes()
    local_epsilon_step: float | None = sometimes()
    rank: int = sometimes(0)
    clamped: tuple[str, ...] = sometimes(())

    @property
    def payload(self) -> str:
        """Name of its payload in the journal."""
        return f"buffer/{self.task}"

    @property
    def loss(self) -> float | None:
        """Reported loss in nats a token; None where it is withheld."""
        return None if self.privacy_unit or not self.num_tokens else self.loss_sum / self.num_tokens


@event
class Measured(Outcome):
    """A node evaluated ``version``: by model (``base``, ``global``, ``own``) its held-out measure."""

    name = "measured"
    hospital: str
    kind: str
    site: str
    version: int
    seconds: float
    measures: Mapping[str, Measure] = field(default_factory=dict, metadata={"flat": True})

    def facts(self) -> dict[str, Any]:
        """Each measure's numbers under ``<model>_<number>``, beside the other facts."""
        flat = {f"{model}_{name}": v for model, row in self.measures.items() for name, v in row.as_dict().items()}
        return super().facts() | flat

    @classmethod
    def take(cls, more: dict[str, Any]) -> dict[str, Any]:
        """Whole measures, under ``measures``."""
        out = {}
        for model in MODELS:
            names = [f"{model}_{name}" for name in Measure.__dataclass_fields__]
            if all(type(more.get(name)) in (int, float) for name in names):
                out[model] = Measure(*(more.pop(name) for name in names))
        return {"measures": out}


@event
class Refused(Outcome):
    """A task without a result, for ``reason``: a text of ``crossward.ledger.reasons``, or a node's own words."""

    hospital: str = sometimes("")
    kind: str = sometimes("")
    version: int = sometimes(-1)
    reason: str


@event
class Failed(Refused):
    """The node could not do it, did not answer, or the server lost it."""

    name = messages.FAILED


@event
class Behind(Refused):
    """The node lacks versions that the task counted on."""

    name = messages.BEHIND


@event
class Late(Refused):
    """The update came too late to be added."""

    name = messages.LATE


@event
class Malformed(Refused):
    """The reply is not what the task asked for."""

    name = messages.MALFORMED


@event
class WrongKey(Refused):
    """The reply was made under another key."""

    name = messages.WRONG_KEY


@event
class WrongLayout(Refused):
    """The update is of another adapter layout."""

    name = messages.WRONG_LAYOUT


@event
class Duplicate(Refused):
    """A second reply, or a second update of a hospital."""

    name = messages.DUPLICATE


@event
class OverBudget(Refused):
    """The hospital's privacy budget does not allow the training."""

    name = messages.BUDGET


@event
class Declined(Refused):
    """A committee member does not open a version list, or did not understand it."""

    name = messages.DECLINED


# ---------------------------------------------------------------------- a committee that opens versions


@event
class CommitteeMet(Event):
    """The hospitals' roster in force from here on; the aggregator learnt it from its members and checked signatures.

    ``roster`` is its fingerprint, ``quorum`` how many of ``members`` consent to a list, ``openers`` how many answer.
    """

    name = "committee"
    roster: str
    revision: int
    members: tuple[str, ...]
    threshold: int
    quorum: int
    openers: int


@event
class Opening(Event):
    """The committee is asked to open the list ``digest``: ``tasks``' updates with ``weights``, as version ``version``.

    From here on these updates are opened in this list or in none.
    """

    name = "opening"
    version: int
    roster: str
    digest: str
    tasks: tuple[int, ...]
    weights: tuple[int, ...]


@event
class OpeningDropped(Event):
    """A list is not opened after all: its ``tasks``' updates are lost, their hospitals keep what they left over.

    ``hospitals`` are its contributors, where members declined what they sealed.
    """

    name = "opening-dropped"
    version: int
    tasks: tuple[int, ...]
    hospitals: tuple[str, ...] = sometimes(())
    reason: str


@event
class Assisted(Outcome):
    """A node answered a question for the committee's sake, as ``member`` of the roster, after ``seconds``.

    ``bytes`` are those of its share or roster, ``compute_seconds`` what it worked for a consent or a share.
    """

    name = "assisted"
    hospital: str
    member: str
    kind: str
    version: int
    seconds: float
    bytes: int
    compute_seconds: float = sometimes(0.0)


@event
class Liar(Event):
    """A committee member's signed answer for ``version`` is not what the others that hold the same seeds say."""

    name = "liar"
    version: int
    member: str
    subsets: tuple[int, ...]


@event
class Corrected(Event):
    """The record of ``version``, which nobody could verify, was made again of other members' answers."""

    name = "corrected"
    version: int
    digest: str
    openers: tuple[str, ...]


# ---------------------------------------------------------------------- versions


@event
class Version(Event):
    """A version was made of ``tasks``' updates; ``reverts`` is the version that it subtracts, if it does.

    ``weights``, ``staleness`` and so on are in the order of ``tasks``; ``hospital_epsilon`` is what the hospital that
    has taken part most has spent by then, in ``hospital_versions`` versions. ``seconds`` since the version before.
    With a committee, ``openers`` are the members whose answers opened it, ``opening_seconds`` what that took since the
    list was fixed, ``member_seconds`` what the members worked for it. ``block`` is where the version is among the
    blocks of cached updates (``crossward.config.variance_reduction.Block``). ``train_loss`` is the mean of the reported
    ``losses`` by weight; with a ``loss_noise``, its standard deviation, all of them are estimates of held-out losses.
    """

    name = "version"
    version: int
    epoch: int
    weight_sum: int
    sign: int
    key: str
    dithered: int = newer(0)
    layout: str
    shape: Shape
    digest: str
    tasks: tuple[int, ...]
    hospitals: tuple[str, ...] = sometimes(())
    sites: tuple[str, ...] = sometimes(())
    weights: tuple[int, ...] = sometimes(())
    staleness: tuple[int, ...] = sometimes(())
    bandwidths: tuple[float, ...] = sometimes(())
    losses: tuple[float, ...] = sometimes(())
    train_loss: float | None = sometimes()
    loss_noise: float = sometimes(0.0)
    seconds: float | None = sometimes()
    seal_seconds: tuple[float, ...] = sometimes(())
    open_seconds: tuple[float, ...] = sometimes(())
    hospital_epsilon: float | None = sometimes()
    hospital_epsilon_version: float | None = sometimes()
    hospital_versions: int | None = sometimes()
    reverts: int | None = sometimes()
    block: tuple[int, ...] = sometimes(())
    add_seconds: float | None = sometimes()
    openers: tuple[str, ...] = sometimes(())
    opening_seconds: float | None = sometimes()
    member_seconds: float | None = sometimes()


@event
class Discarded(Event):
    """A version opens at no node and is discarded."""

    name = "void"
    version: int
    tasks: tuple[int, ...]
    hospitals: tuple[str, ...]
    reason: str


@event
class Evaluated(Event):
    """An evaluation round is over: the plain mean ``loss``, nats a token, and the ``judged`` one that decides.

    ``reverts`` are the versions, newest first, that are rolled back for it.
    """

    name = "evaluated"
    version: int
    loss: float | None
    sites: tuple[str, ...]
    complete: bool
    reverts: tuple[int, ...]
    judged: float | None = newer(None)
    clamped: tuple[str, ...] = sometimes(())


@event
class Snapshot(Event):
    """A snapshot of ``version`` is confirmed: a payload with a digest for each of its scale epochs."""

    name = "snapshot"
    version: int
    epochs: tuple[int, ...]
    key: str
    digests: tuple[str, ...] = newer(())
    cached: tuple[int, ...] = sometimes(())


@event
class SnapshotDropped(Event):
    """The confirmed snapshot does not match and is used no more."""

    name = "snapshot-dropped"
    reason: str


def _named(kind: type[Event]) -> Iterator[type[Event]]:
    if kind.__dict__.get("name"):
        yield kind
    for below in kind.__subclasses__():
        yield from _named(below)


EVENTS: Mapping[str, type[Event]] = {kind.name: kind for kind in _named(Event)}
"""Every event by its name on a line."""
REFUSED: Mapping[str, type[Refused]] = {kind.name: kind for kind in Refused.__subclasses__()}
"""The outcomes of tasks without a result."""


def refused(outcome: str, **facts: Any) -> Refused:
    """The event of an ``outcome`` other than acceptance."""
    return REFUSED[outcome](**facts)
