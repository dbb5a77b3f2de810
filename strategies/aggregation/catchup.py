"""What a node that missed versions is sent: sums of version records, as few as the guard bits allow.

A node at version m of v needs records m+1..v. Records of one scale epoch, sign and key add up exactly, up to V of
them in one record, so it downloads ceil((v-m)/V) sums an epoch instead of v-m records. Sums over aligned
power-of-two stretches are kept, so that any stretch costs O(log V) additions, however long the run has been.

Not for: snapshots (``strategies.aggregation.snapshots``).
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping

from crossward.config.encryption_schemes import COMMITTEE
from crossward.config.variance_reduction import NO_BLOCK
from crossward.encryption.aggregator import Kinds
from crossward.encryption.committee.spelling import join_proofs
from crossward.encryption.plan import FieldPlan
from crossward.ledger.state import VersionFacts
from crossward.protocol.messages import EMPTY, RecordHead
from crossward.protocol.parts import Payload
from strategies.aggregation.combine import combine
from strategies.history.journal import Journal

Record = tuple[RecordHead, Payload]


def version_name(version: int) -> str:
    """Name of a version's payload in the journal."""
    return f"versions/{version:06d}"


def corrected_name(version: int) -> str:
    """Name of a version's new record until it takes the old one's place."""
    return f"{version_name(version)}-corrected"


class CatchUp:
    """Sums of the version records that ``journal`` keeps; ``versions`` is what the ledger says of them.

    ``kept_sums`` bounds how many aligned sums of each length stay in the journal; of these the one longest unused goes
    first, and is made again when needed.
    """

    def __init__(
        self,
        versions: Mapping[int, VersionFacts],
        journal: Journal,
        plan: FieldPlan,
        kinds: Kinds,
        kept_sums: int = 16,
    ) -> None:
        self.versions = versions
        self.journal = journal
        self.plan = plan
        self.kinds = kinds
        self._alone: set[int] = set()  # versions that are sent by themselves
        self._sums: dict[int, OrderedDict[int, RecordHead]] = defaultdict(OrderedDict)  # by length, by first
        self._kept = kept_sums
        self._last: tuple[tuple[int, int], list[Record]] | None = None
        self._passing: list[str] = []

    def part(self, versions: Iterable[int]) -> None:
        """From now on send each of ``versions`` by itself."""
        self._alone.update(versions)
        self.forget()

    def _one_sum(self, a: int, b: int) -> bool:
        """Whether versions ``a`` and ``b`` may be in one sum."""
        one, other = self.versions[a], self.versions[b]
        if one.discarded or other.discarded or a in self._alone or b in self._alone:
            return False
        if COMMITTEE in self.kinds and (one.reverts or other.reverts):
            return False  # nodes check one by one which version each takes back
        if one.block != NO_BLOCK and (one.block.number != other.block.number or one.sign < 0):
            return False  # nodes take what a block brought into the mean when it ends, and take versions back singly
        return (one.epoch, one.sign, one.key) == (other.epoch, other.sign, other.key)

    def forget(self) -> None:
        """Drop the sums made for one pair of versions: the next node may have another, or the versions changed."""
        for name in self._passing:
            self.journal.drop(name)
        self._last, self._passing = None, []

    def replaced(self, version: int) -> None:
        """The record of ``version`` is another: forget the sums that it is in."""
        for length, sums in self._sums.items():
            for first in [first for first in sums if first <= version < first + length]:
                del sums[first]
                self.journal.drop(f"sums/{first:06d}-{length:06d}")
        self.forget()

    def _record(self, version: int) -> Record:
        facts = self.versions[version]
        if facts.discarded:
            return facts.head(version), EMPTY
        kept, payload = self.journal.open(version_name(version))
        return facts.head(version, kept.get("proof", "")), payload

    def _aligned(self, first: int, length: int) -> Record:
        """Sum of versions first..first+length-1, where length is a power of two that divides first-1."""
        if length == 1:
            return self._record(first)
        sums, name = self._sums[length], f"sums/{first:06d}-{length:06d}"
        if first in sums:
            sums.move_to_end(first)
            return sums[first], self.journal.open(name)[1]
        half = length // 2
        head, payload = self._add([self._aligned(first, half), self._aligned(first + half, half)], name)
        sums[first] = head
        while len(sums) > self._kept:
            old, _ = sums.popitem(last=False)
            self.journal.drop(f"sums/{old:06d}-{length:06d}")
        return head, payload

    def _add(self, records: list[Record], name: str) -> Record:
        """The sum of ``records``, kept under ``name``: it is never whole in memory."""
        heads = [head for head, _ in records]
        total = heads[0]._replace(
            last=heads[-1].last,
            weight_sum=sum(h.weight_sum for h in heads),
            dithered=sum(h.dithered for h in heads),
            proof=join_proofs([h.proof for h in heads]),
        )
        bits = self.plan.sum_bits(total.last - total.first + 1)
        summed = combine([payload for _, payload in records], [1] * len(records), bits, self.kinds)
        self.journal.keep(name, total._asdict(), summed)
        return total, self.journal.open(name)[1]

    def _stretch(self, first: int, last: int) -> Record:
        """Sum of first..last (one epoch, sign and key, at most V versions) from aligned pieces."""
        pieces, name = [], f"sums/{first:06d}-to-{last:06d}"
        while first <= last:
            length = 1
            while (first - 1) % (2 * length) == 0 and first + 2 * length - 1 <= last:
                length *= 2
            pieces.append(self._aligned(first, length))
            first += length
        if len(pieces) == 1:
            return pieces[0]
        self._passing.append(name)
        return self._add(pieces, name)

    def records(self, held: int, version: int) -> list[Record]:
        """The sums that bring a node from version ``held`` to ``version``."""
        if self._last is not None and self._last[0] == (held, version):
            return self._last[1]
        self.forget()
        out: list[Record] = []
        first = held + 1
        while first <= version:
            last = first
            while last < version and last - first + 1 < self.plan.max_versions and self._one_sum(last + 1, first):
                last += 1
            out.append(self._stretch(first, last))
            first = last + 1
        self._last = ((held, version), out)
        return out

    def count(self, held: int, version: int) -> int:
        """How many sums :meth:`records` would give, without making them."""
        count, run = 0, 0
        for v in range(held + 1, version + 1):
            if not run or run == self.plan.max_versions or not self._one_sum(v, v - 1):
                count, run = count + 1, 0
            run += 1
        return count
