"""A set of points on disk: a folder of files of one batch each, written whole or not at all, in any order.

A party that is killed finds the batches that it had. Points are 32 bytes, back to back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossward.alignment.errors import AlignmentError
from crossward.alignment.points import POINT_BYTES
from crossward.machine.files import write_atomic

Points = NDArray[np.bytes_]
POINT = np.dtype(f"S{POINT_BYTES}")
KEY = np.dtype("S16")  # of a fully blinded point, which is pseudorandom: two of 10**7 agree with probability 10**-24


@dataclass(frozen=True)
class PointSet:
    """Points in batches of ``batch``, ``size`` in all, in ``folder``."""

    folder: Path
    size: int
    batch: int

    @property
    def batches(self) -> int:
        """Files that a complete set has."""
        return -(-self.size // self.batch)

    def count(self, number: int) -> int:
        """Points of batch ``number``."""
        return min(self.batch, self.size - number * self.batch)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.points"

    def has(self, number: int) -> bool:
        """Whether batch ``number`` is there, with all its bytes."""
        path = self._path(number)
        return path.is_file() and path.stat().st_size == POINT_BYTES * self.count(number)

    def complete(self) -> bool:
        """Whether every batch is there."""
        return all(map(self.has, range(self.batches)))

    def write(self, number: int, points: bytes) -> None:
        """Put batch ``number`` there, in the place of what is."""
        if len(points) != POINT_BYTES * self.count(number):
            raise ValueError(f"batch {number} of {len(points)} bytes: expected {self.count(number)} points")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path(number), points)

    def write_all(self, points: Points) -> None:
        """Put the whole set there: [size]."""
        for number in range(self.batches):
            at = number * self.batch
            self.write(number, points[at : at + self.batch].tobytes())

    def read(self, number: int) -> bytes:
        """Batch ``number``."""
        return self._path(number).read_bytes()

    def all(self) -> Iterator[bytes]:
        """Every batch, in order."""
        return map(self.read, range(self.batches))

    def points(self, kind: np.dtype[np.bytes_] = POINT) -> Points:
        """The whole set, [size]: its points, or their first bytes where ``kind`` is shorter."""
        found = np.empty(self.size, kind)
        for number, data in enumerate(self.all()):
            at = number * self.batch
            found[at : at + self.batch] = np.frombuffer(data, POINT).astype(kind)
        return found

    def digest(self, lineage: str, origin: str, hop: int) -> str:
        """SHA-256 of the points and of what they are: 64 hexadecimal digits."""
        what = json.dumps(["set of an alignment 1", lineage, origin, hop, self.size]).encode()
        found = hashlib.sha256(len(what).to_bytes(4, "big") + what)
        for data in self.all():
            found.update(data)
        return found.hexdigest()

    def check_distinct(self, origin: str) -> None:
        """Refuse a set in which a point is there twice: a blinded set has no repetitions."""
        ordered = np.sort(self.points())
        if repeated := int((ordered[1:] == ordered[:-1]).sum()):
            raise AlignmentError(
                f"the set of {origin} has {repeated:,} points more than once: its identifiers were not made distinct, "
                "or the set was changed on its way"
            )
