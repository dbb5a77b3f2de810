"""Private set intersection of two or more parties by Diffie-Hellman over ristretto255: one party's side, in a folder.

Every step reads what it needs from the folder and leaves its result there. A party that was killed does the step again
and gives the same bytes. Nothing here sends anything: messages are bytes, which the caller seals and signs.

Not for: what an observer learns of all this (``docs/alignment.md``).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossward.alignment.compare import common_keys, positions
from crossward.alignment.errors import AlignmentError
from crossward.alignment.given import Given
from crossward.alignment.messages import Batch
from crossward.alignment.own import POSITION, OwnSet
from crossward.alignment.points import check_points, raised
from crossward.alignment.receipts import Receipt, check_receipts
from crossward.alignment.ring import Declared, Ring, agreed
from crossward.alignment.secret import Secret
from crossward.alignment.sets import POINT, PointSet
from crossward.machine.files import write_atomic


@dataclass(frozen=True)
class Aligned:
    """The common patients at one party.

    Parameters
    ----------
    rows : int64 [common]
        Row of each among the party's patients, in the order that all parties share; -1 is a decoy.
    digest : str
        Of their spellings in that order, under the pepper: the same at all parties that are aligned.
    """

    rows: NDArray[np.int64]
    digest: str


class Party:
    """A party's side of one alignment.

    Parameters
    ----------
    folder : Path
        Its own, for this run alone; holds a secret (0600), blinded sets, no identifier.
    ring : Ring
        What the parties agreed on.
    name : str
        Its name in the ring.
    threads : int (default: 0)
        That compute; 0: one a core.

    Every method raises :class:`~crossward.alignment.errors.AlignmentError` for what does not belong to the alignment.
    """

    def __init__(self, folder: Path, ring: Ring, name: str, threads: int = 0) -> None:
        ring.number(name)
        self.folder, self.ring, self.name, self.threads = folder, ring, name, threads
        self._secret = Secret.of(folder, ring.lineage, name)
        self._own = OwnSet(folder, ring, self._secret, threads)

    def prepare(self, given: Given) -> Declared:
        """Blind the party's identifiers; what to send to all the others.

        A second call with the same identifiers returns the same declaration; with others it is refused.
        """
        return self._own.prepare(given)

    # ------------------------------------------------------------------ every party's sets

    def agree(self, declared: Iterable[Declared]) -> None:
        """Check every party's declaration and keep them: later ones have to be equal."""
        found = agreed(self.ring, declared)
        if found[self.name] != self._own.declared():
            raise AlignmentError(f"the others have another declaration of {self.name} than it made")
        path = self.folder / "declared.json"
        text = json.dumps([asdict(found[party]) for party in self.ring.parties])
        if path.exists() and path.read_text("utf-8") != text:
            raise AlignmentError("a party declares another set than before: begin the alignment anew at all parties")
        write_atomic(path, text)

    def receive(self, message: bytes, sender: str | None = None) -> str | None:
        """Keep one batch; whose set it is once all of that set is there, else None.

        ``sender`` is the party that signed it, where that is known: it is the one that the set comes from.
        """
        one = Batch.decode(message)
        origin, declared = one.origin, self._declared()
        if one.lineage != self.ring.lineage or one.hop != self.ring.hop(origin, self.name):
            raise AlignmentError(f"a set of {origin} from another run, or for another party, arrived at {self.name}")
        if sender is not None and sender != self.ring.sender(origin, self.name):
            raise AlignmentError(f"{sender} sends the set of {origin}, which comes from another party")
        if one.size != declared[origin].size:
            raise AlignmentError(f"a set of {one.size:,} of {origin}, who declared {declared[origin].size:,}")
        there = self._arrived(origin)
        if not 0 <= one.number < there.batches or len(one.points) != POINT.itemsize * there.count(one.number):
            raise AlignmentError(f"batch {one.number} of the set of {origin} does not exist, or has another size")
        self._pin(origin, declared[origin].digest if one.hop == 1 else one.digest, one.digest)
        if there.has(one.number) and there.read(one.number) != one.points:
            raise AlignmentError(f"batch {one.number} of the set of {origin} arrived twice and differs")
        there.write(one.number, one.points)
        if not there.complete():
            return None
        self._check_arrived(origin)
        return origin

    def raise_set(self, origin: str) -> Receipt:
        """Raise another party's set, which has arrived; what to report of it."""
        if origin == self.name:
            raise AlignmentError(f"{self.name} does not raise its own set twice")
        received = self._check_arrived(origin)
        arrived, sent = self._arrived(origin), self._raised(origin)
        done = self._set(f"raising-{self.ring.number(origin)}", origin) if self.ring.cardinality else sent
        if not sent.complete():
            for number in range(arrived.batches):
                if not done.has(number):
                    done.write(number, raised(arrived.read(number), self._secret.scalar, self.threads))
            if done is not sent:
                sent.write_all(np.sort(done.points()))
                shutil.rmtree(done.folder)
        return Receipt(origin, self.name, received, self._digest(sent, origin))

    def messages(self, origin: str) -> Iterator[bytes]:
        """The set of ``origin`` in batches, for ``ring.next(origin, name)``."""
        one = self._own.points() if origin == self.name else self._raised(origin)
        if not one.complete():
            raise AlignmentError(f"{self.name} has not raised the set of {origin} yet")
        hop, digest = self._hops(origin), self._digest(one, origin)
        for number, points in enumerate(one.all()):
            yield Batch(self.ring.lineage, origin, hop, number, one.size, digest, points).encode()

    # ------------------------------------------------------------------ the label holder

    def compare(self, receipts: Iterable[Receipt]) -> dict[str, bytes]:
        """The label holder's step: what to send to each party, itself included, for :meth:`accept`."""
        if self.ring.cardinality:
            raise AlignmentError("this alignment finds the number of common patients alone: no positions to give out")
        found = positions(self._blinded(receipts), self._secret.order)
        return {name: one.astype(POSITION).tobytes() for name, one in found.items()}

    def cardinality(self, receipts: Iterable[Receipt]) -> int:
        """The label holder's step where only the number of common patients is wanted."""
        return len(common_keys(self._blinded(receipts)))

    def _blinded(self, receipts: Iterable[Receipt]) -> dict[str, PointSet]:
        """Every party's fully blinded set, by name, after its checks."""
        if self.name != self.ring.label_holder:
            raise AlignmentError(f"{self.name} does not compare: {self.ring.label_holder} does")
        returned = self._check_arrived(self.name)
        check_receipts(self.ring, self._declared(), receipts, returned)
        own = self._arrived(self.name)
        for points in own.all():
            check_points(points, self.threads)
        return {party: own if party == self.name else self._raised(party) for party in self.ring.parties}

    # ------------------------------------------------------------------ the result

    def accept(self, given: Given, message: bytes) -> Aligned:
        """The common patients at this party, from what the label holder sent."""
        self.prepare(given)  # the same identifiers as at the beginning
        order = self._own.order()
        if len(message) % POSITION.itemsize:
            raise AlignmentError(f"positions of {len(message)} bytes: expected 4 for each")
        at = np.frombuffer(message, POSITION)
        if len(np.unique(at)) != len(at) or bool((at >= len(order)).any()):
            raise AlignmentError(f"positions for {self.name} repeat, or lie beyond its set")
        which = order[at].astype(np.int64)
        if bool((which >= len(given.names)).any()):
            raise AlignmentError("padding is said to be in common: the label holder or another party is dishonest")
        rows = np.full(len(given.names), -1, np.int64)
        rows[: len(given.spelt.rows)] = given.spelt.rows
        digest = given.digest(b"aligned", self.ring.lineage, (given.names[one] for one in which))
        return Aligned(rows[which], digest)

    def forget(self) -> None:
        """Remove the folder with the secret, once every party reported the same digest."""
        shutil.rmtree(self.folder)

    # ------------------------------------------------------------------ places

    def _set(self, name: str, origin: str) -> PointSet:
        return PointSet(self.folder / name, self._declared()[origin].size, self.ring.batch)

    def _arrived(self, origin: str) -> PointSet:
        return self._set(f"arrived-{self.ring.number(origin)}", origin)

    def _raised(self, origin: str) -> PointSet:
        return self._set(f"raised-{self.ring.number(origin)}", origin)

    def _hops(self, origin: str) -> int:
        """How many have raised the set of ``origin`` when this party sends it."""
        return 1 if origin == self.name else self.ring.hop(origin, self.name) + 1

    def _digest(self, sent: PointSet, origin: str) -> str:
        return sent.digest(self.ring.lineage, origin, self._hops(origin))

    def _declared(self) -> dict[str, Declared]:
        try:
            found = json.loads((self.folder / "declared.json").read_bytes())
        except FileNotFoundError:
            raise AlignmentError(f"{self.name} has not checked what the parties declare yet") from None
        return {one["origin"]: Declared(**one) for one in found}

    def _pin(self, origin: str, expected: str, digest: str) -> None:
        """Every batch of a set names one digest, the one that its origin declared where it comes from there."""
        path = self.folder / f"arrived-{self.ring.number(origin)}.digest"
        pinned = path.exists()
        if digest != (path.read_text("utf-8") if pinned else expected):
            raise AlignmentError(f"the set of {origin} is not the one that was declared, or changed on its way")
        if not pinned:
            write_atomic(path, digest)

    def _check_arrived(self, origin: str) -> str:
        """The digest of a set that has arrived whole, and is what its sender said."""
        there, hop = self._arrived(origin), self.ring.hop(origin, self.name)
        if not there.complete():
            raise AlignmentError(f"the set of {origin} has not arrived at {self.name} yet")
        digest = there.digest(self.ring.lineage, origin, hop)
        self._pin(origin, digest, digest)
        there.check_distinct(origin)
        return digest
