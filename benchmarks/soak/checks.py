"""What must hold after a soak, each checked from the run folder and the nodes' disks alone.

Not for: making the trouble (``benchmarks.soak.trouble``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from benchmarks.soak import opened
from benchmarks.soak.consortium import Shared
from benchmarks.soak.hospitals import DIMENSION, Books, SoakHospital
from client_app.update.payloads import Payloads, UnopenedError
from crossward.config.schedule import Schedule
from crossward.encryption.committee.spelling import Proof
from crossward.encryption.dither import KNOWN
from crossward.evaluation.replay import Run, global_vector
from crossward.ledger.events import Accepted, Disagreement, Discarded, Dispatched, Event, Measured, Outcome, Version
from crossward.ledger.file import FILE_NAME, read_heads, verify
from crossward.protocol.messages import ACCEPTED, FAILED, LATE, WRONG_KEY, WRONG_LAYOUT, RecordHead
from crossward.protocol.parts import Payload
from server_app.files import read_payload

REVOKED = (LATE, FAILED, WRONG_KEY, WRONG_LAYOUT)  # what an update that waits may become after all
E = TypeVar("E", bound=Event)
SIZES = (DIMENSION // 2, DIMENSION - DIMENSION // 2)


class Checks:
    """Facts of a finished run; every method gives what does not hold, in words."""

    def __init__(
        self, run: Run, schedule: Schedule, shared: Shared, books: Books, nodes: Mapping[int, SoakHospital]
    ) -> None:
        self.run, self.schedule, self.shared = run, schedule, shared
        self.names: dict[int, set[str]] = defaultdict(set)  # what the ledger may call a hospital
        for node, hospital in nodes.items():
            public = hospital.identity.public_key().public_bytes_raw().hex()[:16]
            self.names[hospital.number] |= {public, f"node-{node}"}
        self.hospitals = list({hospital.number: hospital for hospital in nodes.values()}.values())
        self.outcomes: dict[int, list[str]] = defaultdict(list)
        for event in run.events:
            if isinstance(event, Outcome) and event.task >= 0:
                self.outcomes[event.task].append(event.name)
        self.rows = {int(row["task"]): row for row in books.rows()}
        self.version = run.state.version

    def events(self, kind: type[E]) -> list[E]:
        """The ledger's events of a kind, in order."""
        return [event for event in self.run.events if isinstance(event, kind)]

    def unaccounted(self) -> list[str]:
        """Tasks without exactly one outcome; accepted updates that are not in exactly one version."""
        tasks = [event.task for event in self.events(Dispatched)]
        wrong = [f"task {task} was dispatched {n} times" for task, n in Counter(tasks).items() if n > 1]
        for task in {*tasks, *self.outcomes}:
            got = self.outcomes.get(task, [])
            revoked = len(got) == 2 and got[0] == ACCEPTED and got[1] in REVOKED
            if not (len(got) == 1 or revoked) or task not in set(tasks):
                wrong.append(f"task {task} has the outcomes {got}")
        used = Counter(task for made in self.run.versions for task in made.tasks)
        waiting = set(self.run.state.buffer)
        for task in {*used, *(task for task, got in self.outcomes.items() if ACCEPTED in got)}:
            want = 0 if task in waiting or self.outcomes[task] != [ACCEPTED] else 1
            if used[task] != want:
                wrong.append(f"update {task} ({self.outcomes[task]}) is in {used[task]} versions")
        return wrong

    def versions(self) -> list[str]:
        """Versions whose record is not exactly the weighted sum of what their contributors' updates hold."""
        wrong, base = [], {event.task: event.version for event in self.events(Accepted)}
        with self._opener() as payloads:
            opened: dict[int, np.ndarray] = {}
            for made in self.run.versions:
                number = made.version
                payload, head, digest = self._record(made)
                got = opened[number] = np.zeros(DIMENSION, np.int64)
                try:
                    for place, values in payloads.open(payload, head):
                        got[place] = values
                except UnopenedError:
                    if not self.run.state.versions[number].discarded:
                        wrong.append(f"version {number} does not open")
                    continue
                if made.reverts is not None:
                    fits = bool((got == opened[made.reverts]).all())
                else:
                    rows = [self.rows[task]["integers"] for task in made.tasks]
                    exact = sum(w * q for w, q in zip(made.weights, rows, strict=True))
                    fits = self._dithered(made, got - exact)
                    fits &= made.weight_sum == sum(made.weights) <= self.run.plan.total_weight
                    fits &= len(set(made.hospitals)) == len(made.tasks)
                    fits &= made.staleness == tuple(number - 1 - base[task] for task in made.tasks)
                if not fits or digest != self.run.state.digests[number]:
                    wrong.append(f"version {number} is not the sum of its updates {made.tasks}")
        return wrong

    def _opener(self) -> Payloads:
        return self.shared.opener(SIZES, self.run.lineage)

    def _record(self, made: Version) -> tuple[Payload, RecordHead, str]:
        number = made.version
        facts, payload, digest = read_payload(self.run.folder / "versions" / f"{number:06d}.payload", check=True)
        proof, reverts = str(facts.get("proof", "")), self.run.state.versions[number].reverts
        head = RecordHead(number, number, made.epoch, made.weight_sum, made.sign, made.key, made.dithered, proof)
        return payload, head._replace(reverts=reverts if proof else 0), digest

    def _dithered(self, version: Version, left: np.ndarray) -> bool:
        """Whether what is ``left`` of a version's opened sum is its dither, or one that it may have of members."""
        plan, count = self.run.plan, sum(length for _, length in version.shape)
        if self.shared.has_committee:
            carriers = len(self.shared.books[0].roster.carriers)
            return bool(np.abs(left).max() <= carriers * plan.dither_mean and left.any())
        made = KNOWN.version(plan.total_weight, version.version, version.sites, version.weights)
        assert made is not None and version.dithered == 1
        return bool((left == made(0, count) - plan.dither_mean).all())

    def committee(self, lies: Iterable[tuple[str, tuple[int, ...]]]) -> list[str]:
        """What does not hold of members' records, and of who is called a liar."""
        if not self.shared.has_committee:
            return []
        found = opened.records(self.shared.folder)
        own = [made for made in self.run.versions if made.reverts is None]
        proofs = {made.version: Proof.from_text(self._record(made)[1].proof) for made in own}
        wrong = opened.opened_twice(found, [book.roster for book in self.shared.books])
        return wrong + opened.unrecorded(proofs, found, self.shared) + opened.liars(self.run, proofs, lies)

    def arrived(self) -> list[SoakHospital]:
        """Hospitals that answered from the last version, whose state the ledger does not call another.

        Whoever's disk was damaged after that, and still waits for somebody to look after it, is none of them.
        """
        sites = {event.site for event in self.events(Measured) if event.version == self.version}
        reported = [event for event in self.events(Disagreement) if event.version == self.version]
        disagreeing = {name for event in reported for name in (*event.hospitals, f"node-{event.node}")}
        sound = [h for h in self.hospitals if f"toy-{h.number}" in sites and not h.repair]
        return [h for h in sound if not disagreeing & self.names[h.number]]

    def replay(self) -> list[str]:
        """Hospitals at the last version whose integers or floats are not those of the replayed ledger."""
        total: dict[int, np.ndarray] = {}
        with self._opener() as payloads:
            for made in self.run.versions:
                if self.run.state.versions[made.version].discarded:
                    continue
                payload, head, _ = self._record(made)
                held = total.setdefault(made.epoch, np.zeros(DIMENSION, np.int64))
                for place, values in payloads.open(payload, head):
                    held[place] += values * made.sign
        initial = np.zeros(DIMENSION, np.float32)
        given: dict[str, Any] = {"vault": self.shared.after, "consortium": self.shared.consortium}
        vector = global_vector(self.run, initial, f"toy-layout-{DIMENSION}", SIZES, **given).tobytes()
        wanted, wrong = {epoch: v.tolist() for epoch, v in total.items() if v.any()}, []
        for hospital in self.arrived():
            copy = hospital.store().load(hospital.layout()).copy
            if {epoch: v.tolist() for epoch, v in copy.values.items() if v.any()} != wanted:
                wrong.append(f"hospital {hospital.number} holds other integers than the ledger's versions give")
            if copy.vector(initial, self.run.plan, self.schedule).tobytes() != vector:
                wrong.append(f"hospital {hospital.number} holds another adapter than crossward.evaluation.replay gives")
        return wrong

    def residuals(self) -> tuple[int, list[str]]:
        """Of how many hospitals that never lost state; whose residual is not what accepted updates left over."""
        voided = {task for event in self.events(Discarded) for task in event.tasks}
        counted = {task for task, got in self.outcomes.items() if got == [ACCEPTED]} - voided
        wrong, kept = [], [hospital for hospital in self.arrived() if not hospital.wiped]
        for hospital in kept:
            state = hospital.store().load(hospital.layout())
            rows = [r for task, r in self.rows.items() if task in counted and r["hospital"] == hospital.number]
            left = sum((r["delta"] - r["integers"] * self._unit(int(r["epoch"])) for r in rows), np.zeros(DIMENSION))
            residual = np.zeros(DIMENSION) if state.residual is None else state.residual
            if state.pending is not None or not np.allclose(left, residual, atol=1e-5):
                off = float(np.abs(left - residual).max())
                wrong.append(f"hospital {hospital.number}'s residual is off by {off:.2g}")
        return len(kept), wrong

    def _unit(self, epoch: int) -> float:
        return self.schedule.value_range(epoch) / self.run.plan.q_max

    def ledger(self) -> list[str]:
        """Problems of the chain, or of a head that a node kept."""
        heads = [head for h in self.hospitals for file in h.folder.glob("heads.jsonl") for head in read_heads(file)]
        found = verify(self.run.folder / FILE_NAME, heads)
        return [*found.problems, *([] if found.heads else ["no node kept a head"])]

    def files(self) -> list[str]:
        """Payloads in the run folder that nothing needs any more."""
        past, folder = self.run.state, self.run.folder
        wanted = {f"versions/{v:06d}.payload" for v in past.versions} | {f"buffer/{t}.payload" for t in past.buffer}
        kept = ("versions", "buffer", "answers")
        found = {str(path.relative_to(folder)) for part in kept for path in (folder / part).rglob("*.payload")}
        found |= {str(path.relative_to(folder)) for path in folder.glob("*/.*")}
        return [f"{name} is left over" for name in sorted(found - wanted)]

    def forged(self, tasks: Iterable[int]) -> list[str]:
        """Replies changed on their way that were accepted."""
        return [f"task {task}, changed on its way, was accepted" for task in tasks if ACCEPTED in self.outcomes[task]]
