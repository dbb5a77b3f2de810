"""State hashes that nodes report, and the lossless snapshots that bound a newcomer's download.

Every node reports a keyed hash of its exact state with each reply. A snapshot is used only when another node
reported the same hash for its version, so that one faulty node cannot mislead a newcomer.

Not for: what a snapshot holds (only holders can open it).
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict

from crossward.ledger.events import Snapshot
from crossward.ledger.state import RunState
from crossward.protocol.messages import SnapshotHead
from crossward.protocol.parts import Payload
from strategies.history.journal import Journal

_REMEMBERED = 256


class StateHashes:
    """Which hospital reported which state hash for which version."""

    def __init__(self) -> None:
        self._reports: dict[int, dict[str, str]] = defaultdict(dict)
        self._held: dict[str, int] = {}

    def report(self, version: int, hospital: str, digest: str) -> bool:
        """Take in a report; False when it, or with it an earlier one, disagrees with what most reported."""
        before, known = self.agreed(version), len(self.disagreeing(version))
        self._reports[version][hospital] = digest
        self._held[hospital] = max(version, self._held.get(hospital, version))
        for old in sorted(self._reports)[:-_REMEMBERED]:
            del self._reports[old]
        return (not before or digest == before) and len(self.disagreeing(version)) <= known

    def disagreeing(self, version: int) -> list[str]:
        """Hospitals whose state of ``version`` is not the one agreed on."""
        agreed = self.agreed(version)
        return [h for h, digest in self._reports.get(version, {}).items() if agreed and digest != agreed]

    @property
    def newest(self) -> int:
        """The newest version that any hospital reported a state of: it has opened all up to there; -1 when none."""
        return max(self._reports, default=-1)

    def holding(self, version: int) -> list[str]:
        """Hospitals that reported a state of ``version`` or a later one."""
        return [hospital for hospital, held in self._held.items() if held >= version]

    def verified(self, hospitals: int) -> int:
        """The newest version of which, or of a later one, so many ``hospitals`` reported a state; -1 when none."""
        return min(heapq.nlargest(hospitals, self._held.values()), default=-1) if len(self._held) >= hospitals else -1

    def agreed(self, version: int) -> str:
        """The hash that at least two hospitals and more than half of those that reported one share; empty when none."""
        reports = self._reports.get(version)
        if not reports:
            return ""
        digest, votes = Counter(reports.values()).most_common(1)[0]
        return digest if votes >= 2 and 2 * votes > len(reports) else ""


class Snapshots:
    """The newest confirmed snapshot and the newest candidate."""

    def __init__(self, journal: Journal, hashes: StateHashes, run: RunState) -> None:
        self.journal, self.hashes, self.run = journal, hashes, run
        self.candidate: tuple[SnapshotHead, str] | None = None
        self._offered: tuple[str, ...] = ()  # of the candidate's

    @property
    def confirmed(self) -> SnapshotHead | None:
        """The newest confirmed one."""
        return self.run.snapshot

    def offer(self, head: SnapshotHead, payloads: tuple[Payload, ...], digest: str) -> None:
        """Keep a node's snapshot as a candidate; ``digest`` is the state hash that it reported with it."""
        held = self.confirmed
        if held is not None and held.key == head.key and head.version <= held.version:
            return
        if self.candidate is not None and self.candidate[0] != head:
            self.drop(self.candidate[0])
        self._offered = tuple(
            self.journal.keep(snapshot_name(head, epoch), {**head._asdict(), "epoch": epoch}, payload)
            for epoch, payload in zip(head.epochs, payloads, strict=True)
        )
        self.candidate = (head, digest)

    def agreed(self) -> Snapshot | None:
        """The event that confirms the candidate, if others agree with it: it is no candidate any more.

        While the ledger names the one before, that must stay in the journal: :meth:`drop` it afterwards.
        """
        if self.candidate is None:
            return None
        head, digest = self.candidate
        if self.hashes.agreed(head.version) != digest:
            return None
        self.candidate = None
        return Snapshot(digests=self._offered, **head._asdict())

    def damage(self) -> str:
        """What is wrong with the confirmed snapshot's payloads, and with which; empty when nothing is."""
        if (head := self.confirmed) is None:
            return ""
        for epoch, digest in zip(head.epochs, self.run.snapshot_digests or ("",) * len(head.epochs), strict=True):
            if wrong := self.journal.damage(name := snapshot_name(head, epoch), digest):
                return f"{name}: {wrong}" + (f", the ledger has {digest}" if digest else "")
        return ""

    def drop(self, head: SnapshotHead) -> None:
        """Remove a snapshot that the ledger does not name any more from the journal."""
        for epoch in head.epochs:
            self.journal.drop(snapshot_name(head, epoch))

    def load(self) -> tuple[SnapshotHead, tuple[Payload, ...]] | None:
        """The confirmed snapshot with its payloads."""
        if self.confirmed is None:
            return None
        head = self.confirmed
        return head, tuple(self.journal.open(snapshot_name(head, epoch))[1] for epoch in head.epochs)


def snapshot_name(head: SnapshotHead, epoch: int) -> str:
    """Name of the payload of a snapshot's scale epoch in the journal."""
    return f"snapshots/{head.version:06d}-{epoch}" + (f"-{head.key}" if head.key else "")
