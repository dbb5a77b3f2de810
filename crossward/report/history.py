"""A run as its ledger tells it, for people: hospitals by name, tasks as spans of time, versions, held-out losses.

Time runs only while the server ran: the pause before a resumed sitting is left out.

Not for: resuming (``strategies.restore``) or drawing (``crossward.report.figures``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crossward.protocol.measures import Measure
from crossward.protocol.messages import ACCEPTED, OUTCOMES, TRAIN
from crossward.report import cost
from crossward.report.lanes import Hospital, named
from crossward.report.reported_loss import ExactLoss, exact_mean
from crossward.report.table import Rows, last_measures
from strategies.hospital_budget import EVENT as HOSPITAL_PRIVACY

MEASURED, LOST, UNDER_WAY, CLAMPED = "measured", "lost", "under way", "clamped"
NOTES = ("disagreement", "snapshot-dropped", "repaired", "void", "excluded")


@dataclass
class Span:
    """A task. Moments in seconds of running time; ``compute`` seconds as the hospital reported them.

    ``taken``: when a version took its accepted update, or the end if none did; 0 without one. ``loss`` in nats a token.
    ``epsilon``: what the hospital had spent with the update, where it protects examples or patients.
    """

    hospital: int
    kind: str
    version: int
    start: float
    end: float
    outcome: str = UNDER_WAY
    compute: float = 0.0
    down: int = 0
    up: int = 0
    taken: float = 0.0
    loss: float | None = None
    epsilon: float | None = None


@dataclass(frozen=True)
class Made:
    """A version: integer weight and staleness by hospital; ``reverts`` names the version that it subtracts.

    ``key`` is the fingerprint of the key that it is sealed under, ``crypto_share`` encryption's share of its time.
    """

    number: int
    at: float
    weights: Mapping[int, int]
    staleness: Mapping[int, int]
    train_loss: float | None
    reverts: int | None
    key: str = ""
    crypto_share: float = 0.0


@dataclass(frozen=True)
class Trouble:
    """Something that came to nothing, or that somebody should know."""

    at: float
    hospital: str
    what: str
    kind: str
    reason: str


@dataclass
class History:
    """A run. ``heldout``: (version, loss, whether every node answered); ``by_hospital``: loss by lane and version.

    ``privacy_unit`` is what hospitals protect themselves, empty where they do not. ``rounding`` says how the training
    losses here were rounded by who reported them; empty: they are exact.
    """

    hospitals: list[Hospital] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    versions: list[Made] = field(default_factory=list)
    heldout: list[tuple[int, float, bool]] = field(default_factory=list)
    by_hospital: dict[int, dict[int, float]] = field(default_factory=dict)
    measures: Rows = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    sittings: list[float] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0
    running: float = 0.0
    planned: int = 0
    finished: str | None = None
    privacy_unit: str = ""
    hospital_privacy: Mapping[str, Any] | None = None
    hospital_epsilons: list[tuple[int, float]] = field(default_factory=list)
    rounding: str = ""

    def count(self, *outcomes: str) -> int:
        """How many tasks came to one of ``outcomes``."""
        return sum(span.outcome in outcomes for span in self.spans)

    @property
    def last(self) -> int:
        """The newest version."""
        return self.versions[-1].number if self.versions else 0


class _Reader:
    """Takes the ledger's lines one by one into a :class:`History`; ``exact`` losses stand in for reported ones."""

    def __init__(self, hospitals: list[Hospital], lane: dict[str, int], rounding: str, exact: ExactLoss | None) -> None:
        self.out, self.lane, self.exact = History(hospitals, rounding=rounding if exact is None else ""), lane, exact
        self.open: dict[int, Span] = {}
        self.by_task: dict[int, Span] = {}
        self.waiting: dict[int, Span] = {}  # accepted, but in no version yet
        self.paused, self.last = 0.0, 0.0

    def __call__(self, line: Mapping[str, Any]) -> None:
        event, out = str(line["event"]), self.out
        if event in ("started", "resumed"):
            self._sit_down(line)
        at = self.last = max(float(line["time"]) - self.paused, self.last)
        where = self.lane.get(str(line.get("node", "")), -1)
        if event == "dispatched":
            span = Span(where, str(line["kind"]), int(line["version"]), at, at, down=int(line["bytes"]))
            self.open[line["task"]] = self.by_task[line["task"]] = span
            out.spans.append(span)
        elif event == "measured" or event in OUTCOMES:
            self._close(line, event, at)
        elif event == "version":
            self._version(line, at)
        elif event == "evaluated" and line["loss"] is not None:
            out.heldout.append((int(line["version"]), float(line["loss"]), bool(line["complete"])))
        elif event == "finished":
            out.finished = str(line["reason"])
        elif event == HOSPITAL_PRIVACY:
            out.hospital_privacy = line
        if event in NOTES or (event in OUTCOMES and event != ACCEPTED):
            name = out.hospitals[where].name if where >= 0 else "the server"
            told = line.get("reason") or {
                "disagreement": f"another state of version {line.get('version')} than the others",
                "repaired": f"{line.get('torn_bytes')} bytes of a torn last line were set aside",
            }.get(event, "")
            out.troubles.append(Trouble(at - out.began, name, event, str(line.get("kind", "")), str(told)))
        for claim in line.get(CLAMPED) or () if event == ACCEPTED and where >= 0 else ():
            out.troubles.append(Trouble(at - out.began, out.hospitals[where].name, CLAMPED, TRAIN, str(claim)))

    def _sit_down(self, line: Mapping[str, Any]) -> None:
        out, now = self.out, float(line["time"])
        if not out.sittings:
            out.began = self.last = now
        else:
            self.paused = max(now - self.last, self.paused)
        for span in self.open.values():
            span.end, span.outcome = self.last, LOST
        self.open.clear()
        out.sittings.append(self.last - out.began)
        out.planned, out.finished = int(line["last"]), None

    def _close(self, line: Mapping[str, Any], event: str, at: float) -> None:
        span = self.open.pop(line["task"], None)
        if span is None:  # refused after all, or nothing that was asked
            if (span := self.by_task.get(line["task"])) is not None:
                span.outcome, span.taken, span.loss = event, 0.0, None
                self.waiting.pop(line["task"], None)
            return
        span.end, span.outcome = at, event
        reported = line.get("compute_seconds", line.get("seconds", 0.0) if event == MEASURED else 0.0)
        span.compute = min(max(float(reported), 0.0), at - span.start)
        if event == ACCEPTED:
            withheld = self.out.hospital_privacy is not None
            span.up, self.waiting[line["task"]] = int(line.get("bytes", 0)), span
            if "local_epsilon" in line:
                span.epsilon, self.out.privacy_unit = float(line["local_epsilon"]), str(line["privacy_unit"])
            elif self.exact is not None:
                span.loss = self.exact(line["task"])
            elif not withheld:
                span.loss = line["loss_sum"] / line["num_tokens"] if line.get("num_tokens") else None
        if event == MEASURED and line.get("global_tokens"):
            loss = line["global_loss_sum"] / line["global_tokens"]
            self.out.by_hospital.setdefault(span.hospital, {})[span.version] = loss

    def _version(self, line: Mapping[str, Any], at: float) -> None:
        for task in line["tasks"]:
            if (update := self.waiting.pop(task, None)) is not None:
                update.taken = at
        weights: dict[int, int] = {}
        staleness: dict[int, int] = {}
        rows = zip(line["tasks"], line.get("weights", ()), line.get("staleness", ()), strict=True)
        for task, weight, stale in rows if line["tasks"] else ():
            if (span := self.by_task.get(task)) is not None:
                weights[span.hospital], staleness[span.hospital] = int(weight), int(stale)
        reverts = line.get("reverts")
        loss = line.get("train_loss") if self.out.hospital_privacy is None else None
        if self.exact is not None:
            loss = exact_mean(line["tasks"], line["weights"], self.exact) if line["tasks"] else None
        if "hospital_epsilon" in line:
            self.out.hospital_epsilons.append((int(line["version"]), float(line["hospital_epsilon"])))
        key, part = str(line.get("key", "")), cost.share(line)
        self.out.versions.append(
            Made(line["version"], at - self.out.began, weights, staleness, loss, reverts, key, part)
        )


def read_history(events: Iterable[Mapping[str, Any]], rounding: str = "", exact: ExactLoss | None = None) -> History:
    """The run that ``events`` (a ledger's lines as flat dicts) tell of.

    ``rounding``: how hospitals rounded the losses they reported; ``exact`` ones are taken instead, where there are any.
    """
    lines = list(events)
    hospitals, lane = named(lines)
    reader = _Reader(hospitals, lane, rounding, exact)
    for line in lines:
        reader(line)
    out = reader.out
    for span in reader.open.values():
        span.end, span.outcome = reader.last, UNDER_WAY if out.finished is None else LOST
    for span in reader.waiting.values():
        span.taken = reader.last
    for span in out.spans:
        span.start, span.end = span.start - out.began, span.end - out.began
        span.taken = max(span.taken - out.began, 0.0)
    out.ended = float(lines[-1]["time"]) if lines else 0.0
    out.running = reader.last - out.began
    by_lane = (line | {"site": str(lane[line["node"]])} for line in map(dict, lines) if line["event"] == MEASURED)
    out.measures = {k: v for k, v in last_measures(by_lane).items() if v.tokens > 0}
    for (model, lane_name), measure in out.measures.items():
        if model == "base":
            out.by_hospital.setdefault(int(lane_name), {})[0] = measure.loss
    if (base := total(out, "base")) is not None:
        out.heldout.insert(0, (0, base.loss, True))
    return out


def total(history: History, model: str) -> Measure | None:
    """Measure of ``model`` over all hospitals, if each that was measured at all was measured with it."""
    lanes = {lane for _, lane in history.measures}
    if not lanes or any((model, lane) not in history.measures for lane in lanes):
        return None
    return sum((history.measures[model, lane] for lane in sorted(lanes)), Measure())
