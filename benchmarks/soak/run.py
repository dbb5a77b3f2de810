"""One soak: a federation with its server's lives in a row, and what it counted.

Not for: what must hold of ledger, versions and nodes (``benchmarks.soak.checks``), a table (``benchmarks.soak``).
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.soak import faults as soak_faults
from benchmarks.soak import lies as soak_lies
from benchmarks.soak import members as soak_members
from benchmarks.soak.chance import drawn_from
from benchmarks.soak.checks import Checks
from benchmarks.soak.consortium import MOST_HOSPITALS, NEW, STRETCH, shared
from benchmarks.soak.hospitals import DIMENSION, Books, SoakGrid, SoakHospital
from benchmarks.soak.members import LIE
from benchmarks.soak.memory import Memory
from benchmarks.soak.server import LOSSES, Deaths, FaultyFolder, Killed, lose
from benchmarks.soak.trouble import Faults
from client_app.update.payloads import Payloads, Vault
from crossward.config.encryption_schemes import BFV, COMMITTEE
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.dither import KNOWN
from crossward.encryption.plan import FieldPlan
from crossward.evaluation.replay import open_run
from crossward.ledger import reasons
from crossward.ledger.events import Accepted, Duplicate, Event, Outcome, Refused, Resumed, Version
from crossward.ledger.file import LedgerError
from crossward.ledger.reasons import reason_of
from crossward.ledger.state import RunState
from crossward.protocol.messages import OUTCOMES
from crossward.simulation.virtual_grid import Speed, VirtualClock
from server_app.files import PayloadError
from strategies.async_hybrid import AsyncHybrid
from strategies.callbacks import Callback
from strategies.opening.committee import Committee

__all__ = ["soak_faults", "soak_lies", "soak_members"]  # importing them registers their faults
SPEEDS = ((1000, 6), (300, 8), (100, 10), (50, 12), (100, 15), (20, 25), (300, 9), (10, 60))
PLAN = FieldPlan(8, 7, 2)

# what the server says of a task without having had a reply to it, beside refusing after all an update that waits
OWN = (
    reasons.NO_REPLY,
    reasons.INTERRUPTED,
    reasons.LOST,
    reasons.NOT_SENT,
)


@dataclass
class Soaked:
    """What a soak counted. ``problems`` must be empty."""

    versions: int
    seed: int
    scheme: str = COMMITTEE
    seconds: float = 0.0
    virtual_hours: float = 0.0
    sessions: int = 0
    messages: int = 0
    without_line: int = 0
    replies: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    unaccounted: int = 0
    arrived: int = 0
    hospitals: int = 0
    residuals: int = 0
    heads: int = 0
    memory: dict[str, dict[str, float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Soak(Callback):
    """One soak in ``folder``."""

    def __init__(
        self, versions: int, seed: int, folder: Path, deaths: int = 25, rate: float = 0.4, scheme: str = COMMITTEE
    ) -> None:
        self.out, self.folder, self.rng = Soaked(versions, seed, scheme), folder, random.Random(seed)
        self.schedule = Schedule(versions=versions, local_steps=5, peak=0.05)
        self.config: dict[str, Any] = {"encryption.scheme": scheme, "encryption.stretch": STRETCH}
        self.config |= {"strategy.num-versions": versions, "train.local-steps": 5, "train.learning-rate": 0.05}
        self.settings = StrategySettings(
            buffer_size=3,
            evaluate_every=min(max(versions // 12, 5), 10),  # a rollback takes back no more versions than that
            snapshot_every=10,
            task_timeout=150.0,
            min_timeout=60.0,
            max_wait=120.0,
            retry_seconds=2.0,
        )
        self.clock, self.books = VirtualClock(), Books(folder / "books")
        clear = Payloads((8, 8), PLAN, Vault()).seal(np.zeros(DIMENSION, np.int64))
        self.shared = shared(scheme, folder, PLAN, self.settings)
        bfv = Vault(EncryptionSettings(workers=1, scheme=BFV), self.shared.before.key)
        other = Payloads((8, 8), FieldPlan(6, 8, 1), bfv).seal(np.zeros(DIMENSION, np.int64))
        self.faults = Faults(self.rng, rate, [clear, other], self.shared, PLAN, self._newcomer)
        self.grid = SoakGrid(self.clock, self.faults)
        self.rotated = False
        self.hospitals: list[SoakHospital] = []
        operations = versions * (30 if self.shared.has_committee else 20)  # of a run without a fault, or fewer
        self.deaths = Deaths(random.Random(seed + 1), max(operations / max(deaths, 1), 20.0), self._may_die)
        self.strategy: AsyncHybrid | None = None
        self.memory = Memory(versions)
        self.out.memory = self.memory.found
        self._lines = 0
        self._accepted: set[int] = set()
        self._losses: list[str] = []

    def _new(self) -> SoakHospital:
        number = len(self.hospitals)
        place = self.folder / "nodes" / str(number)
        vault = self.shared.after if self.rotated else self.shared.before
        book = self.shared.books[self.rotated]
        hospital = SoakHospital(number, place, self.schedule, PLAN, self.shared, vault, book, self.books)
        self.hospitals.append(hospital)
        return hospital

    def _newcomer(self) -> SoakHospital | None:
        return self._new() if len(self.hospitals) < MOST_HOSPITALS else None

    def _may_die(self) -> bool:
        """The server lives through the third quarter, so that memory can be compared within one session."""
        version = self.strategy.state.version if self.strategy is not None else 0
        return not 0.5 * self.out.versions <= version <= 0.75 * self.out.versions

    # ------------------------------------------------------------------ the run

    def run(self) -> Soaked:
        """Soak, check, and count; the same again with the same seed."""
        with drawn_from(random.Random(self.out.seed + 2)):
            return self._run()

    def _run(self) -> Soaked:
        began = time.perf_counter()
        run_folder = self.folder / "run"
        folder = FaultyFolder.create(run_folder, self.config, PLAN, durable=False)
        for number, (mbit, compute) in enumerate(SPEEDS):
            self.grid.connect(self._new(), Speed(mbit, 0.05, compute), 40.0 if number > 5 else 0.0)
        versions = self.out.versions
        rotate_at, key = max(versions * 2 // 5, 2), ""
        while True:
            self.out.sessions += 1
            folder.deaths = self.deaths
            folder.rotate_at = 0 if key else rotate_at
            finished = self._session(folder, key)
            folder.close()
            if finished:
                break
            self.clock.time += self.rng.uniform(1, 300)
            lost = self.grid.forget(self.rng, self.rng.choice((0.0, 0.5, 1.0)))
            self.faults.counts["reply lost with the ServerApp"] += lost
            self._losses = self._losses or list(LOSSES)
            going = self.out.sessions % 2 and self._version() < versions  # the last evaluation settles what waits
            if going and (way := lose(run_folder, self._losses, self.deaths.rng)):
                self.faults.counts[way] += 1
            if not key and rotate_at - 1 <= self._version() < versions:  # it died before it knew of that version
                key = self._rotate()
            config = self.config | ({"encryption.key": key} if key else {})
            folder = FaultyFolder.resume(run_folder, config, durable=False)
        self.out.seconds = time.perf_counter() - began
        self._check(run_folder)
        return self.out

    def _version(self) -> int:
        return self.strategy.state.version if self.strategy is not None else 0

    def _session(self, folder: FaultyFolder, key: str) -> bool:
        """One life of the ServerApp; whether it went to its end."""
        before, self._lines = self.grid.delivered, 0
        kinds = arithmetic(PLAN, "all", self.out.scheme)
        given: dict[str, Any] = {"clock": self.clock, "kinds": kinds, "key": key, "dither": KNOWN}
        if self.shared.has_committee:
            given["committee"] = Committee(folder.lineage, STRETCH)
        self.strategy = AsyncHybrid(self.settings, PLAN, self.schedule, folder, **given, callbacks=[self])
        finished = False
        try:
            self.strategy.start(self.grid)
            finished = True
        except Killed:
            pass
        except (PayloadError, LedgerError, OSError) as error:
            if "No space left" not in str(error):
                raise
        replies = self.grid.delivered - before
        if not 0 <= replies - self._lines <= (0 if finished else self.grid.batch + 1):
            self.out.problems.append(f"of {replies} replies of session {self.out.sessions} {self._lines} have a line")
        return finished

    def _rotate(self) -> str:
        """A new consortium key and another committee; some hospitals put these files in place only later."""
        self.faults.counts["consortium key rotated"] += 1
        self.rotated = True
        for hospital in self.hospitals:
            keys = self.shared.after, self.shared.books[-1]
            if self.rng.random() < 0.7:
                hospital.vault, hospital.book = keys
            else:
                hospital.keys_due = keys
                self.faults.counts["hospital late with the new key"] += 1
        return NEW.fingerprint

    def on_event(self, event: Event, state: RunState) -> None:
        if isinstance(event, Resumed):  # a server that was killed just after a line had shown it to nobody
            self._accepted.update(state.buffer)
        if isinstance(event, Accepted):
            self._accepted.add(event.task)
        unasked = isinstance(event, Refused) and (reason_of(event.reason) in OWN or event.task in self._accepted)
        if isinstance(event, Outcome) and not unasked:
            self._lines += 1
        if isinstance(event, Version) and self.strategy is not None:
            elsewhere = [*self.grid.on_their_way(), *self.faults.replies]
            self.memory.observe(event.version, self.strategy.state, elsewhere)
            if not self._may_die() and event.version % 4 == 0 and not state.liars:
                self.faults.due.add(LIE)  # a server that lives finds out who lied

    # ------------------------------------------------------------------ afterwards

    def _check(self, run_folder: Path) -> None:
        out, run = self.out, open_run(run_folder)
        checks = Checks(run, self.schedule, self.shared, self.books, self.grid.hospitals)
        counts = Counter(event.name for event in run.events)
        out.virtual_hours = self.clock.now() / 3600
        out.messages, out.replies = self.grid.sent, self.grid.delivered
        out.without_line = out.messages - counts["dispatched"]
        out.faults = dict(sorted((self.faults.counts + self.deaths.counts).items()))
        out.outcomes = {name: counts[name] for name in (*OUTCOMES, "measured") if counts[name]}
        names = (
            "version",
            "void",
            "snapshot",
            "snapshot-dropped",
            "disagreement",
            "excluded",
            "joined",
            "left",
            "repaired",
            "committee",
            "assisted",
            "opening",
            "opening-dropped",
            "corrected",
            "liar",
        )
        out.made = {name: counts[name] for name in names if counts[name]}
        out.made["reverting versions"] = sum(made.reverts is not None for made in run.versions)
        out.made["clamped claims"] = sum(bool(getattr(event, "clamped", ())) for event in run.events)
        out.duplicates = sum(isinstance(event, Duplicate) and event.task < 0 for event in run.events)
        unaccounted = checks.unaccounted()
        out.unaccounted = len(unaccounted)
        out.hospitals, out.arrived = len(self.hospitals), len(checks.arrived())
        out.residuals, residuals = checks.residuals()
        out.problems += unaccounted + checks.versions() + checks.replay() + residuals + checks.ledger()
        out.problems += checks.committee(self.faults.lies) + self.faults.allowed
        out.problems += checks.files() + checks.forged(self.faults.forged) + self.memory.problems(len(self.hospitals))
        if not 0 <= out.without_line <= out.sessions:
            out.problems.append(f"{out.without_line} messages have no line, the server died {out.sessions - 1} times")
        if checks.version < out.versions:  # a rollback at the very end takes more than the last one
            out.problems.append(f"the run ended at version {checks.version}")
        if out.arrived < 3:
            out.problems.append(f"{out.arrived} hospitals are at the last version")
