"""A party's own set: blinded once, pinned to the identifiers that it was made of, and found again after a restart."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossward.alignment.errors import AlignmentError
from crossward.alignment.given import Given
from crossward.alignment.points import identifier_points, keyed, raised, random_points
from crossward.alignment.ring import Declared, Ring
from crossward.alignment.secret import Secret
from crossward.alignment.sets import POINT, PointSet
from crossward.machine.files import write_atomic

POSITION = np.dtype("<u4")


@dataclass(frozen=True)
class OwnSet:
    """The set of ``secret.party`` in ``folder``."""

    folder: Path
    ring: Ring
    secret: Secret
    threads: int = 0

    def prepare(self, given: Given) -> Declared:
        """Blind the identifiers, or find that this was done; what to send to all the others.

        Raises
        ------
        AlignmentError
            the identifiers are not those of an earlier call, or too many.
        """
        name, lineage, path = self.secret.party, self.ring.lineage, self.folder / "own.json"
        identifiers = given.digest(b"own", lineage, given.names)
        if path.exists():
            pinned, declared = json.loads(path.read_bytes())
            if pinned != [identifiers, given.size]:
                raise AlignmentError(
                    f"the patients of {name}, its decoys or padding have changed since the alignment began: restore "
                    "them, or begin a new run"
                )
            return Declared(**declared)
        if given.size > self.ring.most:
            raise AlignmentError(
                f"{name} has {given.size:,} identifiers with decoys and padding: the parties agreed on "
                f"{self.ring.most:,} at most"
            )
        blinded = self._blind(given, identifiers)
        found = Declared(
            name,
            given.size,
            blinded.digest(lineage, name, 1),
            given.rules.fingerprint(),
            keyed(given.pepper, b"same pepper", lineage)[:32].hex(),
        )
        write_atomic(path, json.dumps([[identifiers, given.size], asdict(found)]), private=True)
        return found

    def declared(self) -> Declared:
        """What :meth:`prepare` returned."""
        try:
            return Declared(**json.loads((self.folder / "own.json").read_bytes())[1])
        except FileNotFoundError:
            raise AlignmentError(f"{self.secret.party} has not blinded its identifiers yet") from None

    def points(self) -> PointSet:
        """The blinded set, sorted: the order in which it travels says nothing that the points do not."""
        return PointSet(self.folder / "own", self.declared().size, self.ring.batch)

    def order(self) -> NDArray[np.uint32]:
        """Which of ``Given.names`` each of the points is, uint32 [size]; beyond them it is padding."""
        return np.frombuffer((self.folder / "own.order").read_bytes(), POSITION)

    def _blind(self, given: Given, identifiers: str) -> PointSet:
        names, batch = given.names, self.ring.batch
        begun = PointSet(self.folder / f"blinding-{identifiers[:16]}", len(names), batch)
        for number in range(begun.batches):
            if not begun.has(number):
                some = names[number * batch : (number + 1) * batch]
                clear = identifier_points(some, given.pepper, self.ring.lineage)
                begun.write(number, raised(clear, self.secret.scalar, self.threads))
        padding = random_points(self.secret.padding, given.size - len(names))
        points = np.concatenate([begun.points(), np.frombuffer(padding, POINT)])
        order = np.argsort(points)
        write_atomic(self.folder / "own.order", order.astype(POSITION).tobytes(), private=True)
        own = PointSet(self.folder / "own", given.size, batch)
        own.write_all(points[order])
        shutil.rmtree(begun.folder)
        return own
