"""What each hospital's node is doing, told by the ledger's lines alone, one line at a time.

A row belongs to a hospital, known by the identity that signed its updates; a node that has not answered yet has a row
of its own. The ledger does not say how long a failed node is left in peace: it pauses until it is asked again.

Not for: reading the file (``crossward.report.watch.command``), drawing (``crossward.report.watch.view``), a run's whole
history (``crossward.report.history``).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from crossward.protocol.messages import ACCEPTED, ALONE, BEHIND, BUDGET, EVALUATE, LATE, OUTCOMES, TRAIN
from crossward.report.reported_loss import ExactLoss
from crossward.report.svg import clean
from crossward.report.watch.row import (
    ABSENT,
    CLAMPED,
    EVALUATING,
    EXCLUDED,
    IDLE,
    LEFT,
    PAUSING,
    SPENT,
    TRAINING,
    TRAINING_ALONE,
    WAITING,
    Row,
    Updates,
)
from strategies.stopping.hospital_budget import EVENT as HOSPITAL_PRIVACY

KINDS = {TRAIN: TRAINING, EVALUATE: EVALUATING, ALONE: TRAINING_ALONE}
NOTABLE = {"left", "evaluated", "void", "excluded", "disagreement", "snapshot-dropped", "repaired", "resumed"}
NOTABLE |= {*OUTCOMES} - {ACCEPTED}
NAME, REASON, NOTES, PACES = 64, 200, 6, 7  # most characters of two, most notes, versions that tell the pace
NODE = "node-"  # what a hospital's name begins with while its identity is unknown


@dataclass
class _Node:
    """A node of the present sitting; ``doing`` is empty when no task is under way, ``reason`` after a success."""

    since: float
    key: str = ""
    present: bool = True
    task: int = -1
    doing: str = ""
    version: int | None = None
    deadline: float | None = None
    failures: int = 0
    reason: str = ""
    spent: bool = False

    def rest(self, at: float) -> None:
        """What it waited for, or did, is over."""
        self.since = at if self.present and not self.doing else self.since


class WatchState:
    """Call it with every line (``{"time", "event", ...facts}``) in order, then ask what holds at a moment.

    ``last`` is the last line's time, ``heldout`` the last evaluation's (loss, version, whether every node answered),
    ``finished`` why the run ended, ``notes`` the last notable lines, each with its hospital's name. ``accepted`` and
    the bytes are the whole run's; ``failures`` counts by kind what came to nothing or was clamped.

    ``rounding``: how the training losses of its rows are rounded. Empty: they are exact, as always with ``exact``.
    """

    def __init__(self, rounding: str = "", exact: ExactLoss | None = None) -> None:
        self.rounding, self._exact = rounding if exact is None else "", exact
        self.last, self.version, self.planned = 0.0, 0, 0
        self.finished: str | None = None
        self.heldout: tuple[float, int, bool] | None = None
        self.epsilon: float | None = None  # of the hospital that took part most, where hospitals are protected
        self.planned_epsilon = 0.0
        self.notes: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=NOTES)
        self.failures: Counter[str] = Counter()
        self.accepted, self.bytes_up, self.bytes_down = 0, 0, 0
        self._sittings, self._sat, self._ran = 0, 0.0, 0.0
        self._version_began: float | None = None  # from the first task of a sitting on
        self._paces: deque[float] = deque(maxlen=PACES)
        self._hospitals: dict[str, Updates] = {}
        self._nodes: dict[str, _Node] = {}
        self._owners: dict[str, str] = {}  # node -> hospital, of all sittings
        self._waiting: dict[int, tuple[_Node, float]] = {}  # accepted updates that are in no version yet
        self._newest = -1  # task
        self._excluded: dict[str, float] = {}

    def moment(self, now: float) -> float:
        """``now``, or the run's end if that was before."""
        return self.last if self.finished is not None else max(now, self.last)

    def elapsed(self, now: float) -> float:
        """Seconds that the run took until ``now``, without those between an interruption and the resumption."""
        return self._ran + self.moment(now) - self._sat if self._sittings else 0.0

    def pace(self) -> float | None:
        """Seconds a version: the median of the last few."""
        return median(self._paces) if self._paces else None

    def to_go(self, now: float) -> float | None:
        """Seconds to the last version, by :meth:`pace`."""
        pace, versions = self.pace(), self.planned - self.version
        if pace is None or versions <= 0 or self.finished is not None:
            return None
        began = self._sat if self._version_began is None else self._version_began
        return pace * (versions - 1) + max(pace - (self.moment(now) - began), 0.0)

    def rows(self, now: float) -> list[Row]:
        """Every hospital, by name; those without one last."""
        nodes: dict[str, _Node] = {}
        for node in self._nodes.values():  # of a hospital's nodes the one that is there and came last
            if (other := nodes.get(node.key)) is None or (node.present, node.since) >= (other.present, other.since):
                nodes[node.key] = node
        waiting = {node.key: since for node, since in self._waiting.values()} if self.finished is None else {}
        names = {key: self._name(key) for key in self._hospitals}
        twins, now = Counter(names.values()), self.moment(now)
        names |= {k: f"{n} ({clean(k.removeprefix(NODE)[:6])})" for k, n in names.items() if twins[n] > 1}
        order = sorted(names, key=lambda key: (not self._hospitals[key].site, names[key].casefold(), key))
        return [self._row(names[key], key, nodes.get(key), waiting.get(key), now) for key in order]

    def _name(self, key: str) -> str:
        return (self._hospitals[key].site if key in self._hospitals else "") or clean(key, NAME)

    def _row(self, name: str, key: str, node: _Node | None, waiting: float | None, now: float) -> Row:
        state, since, detail = IDLE, node.since if node is not None else self._sat, ""
        if node is None or not node.present:
            state, detail = ABSENT if node is None else LEFT, "" if waiting is None else WAITING
        elif node.doing:
            state, detail = node.doing, EXCLUDED if key in self._excluded else ""
        elif key in self._excluded:
            state, since = EXCLUDED, max(since, self._excluded[key])
        elif node.spent and self.finished is None:
            state = SPENT
        elif waiting is not None:
            state, since = WAITING, waiting
        elif node.reason and self.finished is None:
            state, detail = PAUSING, node.reason
        version = node.version if node is not None else None
        at_most = node.deadline if node is not None and node.present and node.doing else None
        return Row(name, state, max(now - since, 0.0), version, self._hospitals[key], detail, at_most)

    def __call__(self, line: Mapping[str, Any]) -> None:  # noqa: C901 - one branch an event
        """Take in the next line."""
        at, event = max(float(line["time"]), self.last), str(line["event"])
        if event in ("started", "resumed"):
            self._sit_down(line, at)
        self.last = at
        node = self._node(line, event, at) if "node" in line else None
        if event in OUTCOMES or event == "measured":
            self._answered(line, event, node, at)
        elif event == "dispatched" and node is not None:
            self._version_began = at if self._version_began is None else self._version_began
            self._newest = node.task = int(line["task"])
            node.doing, node.version = KINDS.get(line["kind"], "at work"), int(line["version"])
            node.since, node.reason, node.deadline = at, "", line.get("deadline_seconds")
            self._hospitals[node.key].bytes_down += int(line["bytes"])
        elif event == "left" and node is not None:
            node.present, node.since = False, at
        elif event == "version":
            self.version = int(line["version"])
            self.epsilon = float(line["hospital_epsilon"]) if "hospital_epsilon" in line else self.epsilon
            if "reverts" not in line and self._version_began is not None:
                self._paces.append(at - self._version_began)
            self._version_began = at
            for task in line["tasks"]:
                if task in self._waiting:
                    self._waiting.pop(task)[0].rest(at)
        elif event == "evaluated" and line["loss"] is not None:
            self.heldout = (float(line["loss"]), int(line["version"]), bool(line["complete"]))
        elif event == "void":
            for other in self._nodes.values():  # nobody pauses any longer: it was the version's fault
                other.failures, other.reason = 0, ""
        elif event == "excluded":
            self._excluded[str(line["hospital"])] = at
        elif event == "finished":
            self.finished = str(line["reason"])
        elif event == HOSPITAL_PRIVACY:
            self.planned_epsilon, self.epsilon = float(line["epsilon"]), self.epsilon or 0.0
        back = event == "joined" and self._version_began is not None
        if event in NOTABLE or back or (event == "version" and "reverts" in line) or line.get(CLAMPED):
            key = node.key if node is not None else str(line.get("hospital", line.get("node", "")))
            self._note(self._name(key), line)
        self._add_up(line, event)

    def _add_up(self, line: Mapping[str, Any], event: str) -> None:
        if event == "dispatched":
            self.bytes_down += int(line["bytes"])
        elif event == ACCEPTED:
            self.accepted, self.bytes_up = self.accepted + 1, self.bytes_up + int(line["bytes"])
            self.failures.update([CLAMPED] if line.get(CLAMPED) else ())
        elif event in OUTCOMES:
            self.failures[event] += 1

    def _note(self, name: str, line: Mapping[str, Any]) -> None:
        if line.get(CLAMPED):  # one for each hospital: some are clamped in every update
            others = [(who, told) for who, told in self.notes if who != name or not told.get(CLAMPED)]
            self.notes = deque(others, maxlen=NOTES)
        self.notes.append((name, line))

    def _sit_down(self, line: Mapping[str, Any], at: float) -> None:
        """A run begins or goes on: nodes join anew, and no task is under way."""
        self._ran += self.last - self._sat if self._sittings else 0.0
        self._sittings, self._sat, self._version_began = self._sittings + 1, at, None
        self.planned, self.version, self.finished = int(line["last"]), int(line["version"]), None
        self._hospitals = {key: found for key, found in self._hospitals.items() if not key.startswith(NODE)}
        self._nodes.clear()

    def _node(self, line: Mapping[str, Any], event: str, at: float) -> _Node | None:
        """The node that a line speaks of, known by what the line tells of its hospital."""
        name = str(line["node"])
        node = self._nodes.get(name)
        if node is None:
            if event not in ("joined", "dispatched"):
                return None  # of an earlier sitting, or never asked
            node = self._nodes[name] = _Node(at)
        elif event == "joined":
            node.present, node.spent = True, False  # it is asked again
            node.rest(at)
        key, site = str(line.get("hospital", "")), clean(line.get("site", ""), NAME)
        if not key or key.startswith(NODE):  # the server itself knows a node only by the update that it signed
            key = self._owners.get(name) or (site and self._namesake(site)) or node.key or NODE + name
        if key != node.key:
            nameless = self._hospitals.pop(node.key, None) if node.key.startswith(NODE) else None
            self._hospitals.setdefault(key, nameless or Updates())
            node.key = key
        if not key.startswith(NODE):
            self._owners[name] = key
        self._hospitals[key].site = site or self._hospitals[key].site
        return node

    def _namesake(self, site: str) -> str:
        """The only hospital of that name, if it has no node in this sitting."""
        found = [key for key, updates in self._hospitals.items() if updates.site == site]
        taken = {node.key for node in self._nodes.values()}
        return found[0] if len(found) == 1 and found[0] not in taken else ""

    def _answered(self, line: Mapping[str, Any], event: str, node: _Node | None, at: float) -> None:
        task = int(line["task"])
        if event != ACCEPTED and task in self._waiting:  # refused after all
            return self._waiting.pop(task)[0].rest(at)
        if node is None or not (task == node.task or task > self._newest):
            return  # of an earlier sitting, or answered already
        node.task, node.doing = -1, ""
        node.rest(at)
        if event == ACCEPTED or event == "measured":
            node.failures, node.reason = 0, ""
        elif event == BUDGET:
            node.spent = True  # it is asked no more
        elif event != LATE:
            at_once = event == BEHIND and node.failures == 0
            node.failures += 1
            node.reason = "" if at_once else clean(line.get("reason", ""), REASON) or "no reason given"
        if event == ACCEPTED:
            self._waiting[task] = (node, at)
            self._hospitals[node.key].add(line, self._exact)
        if event == "measured" and line.get("global_tokens"):
            self._hospitals[node.key].heldout = line["global_loss_sum"] / line["global_tokens"]
