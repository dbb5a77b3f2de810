"""A batch of a set as bytes: a header that says what it is of, then points of 32 bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields

from crossward.alignment.errors import AlignmentError
from crossward.alignment.points import POINT_BYTES
from crossward.alignment.ring import checked

_LENGTH = 4  # bytes that say how long the header is
_LONGEST_HEADER = 4096


@dataclass(frozen=True)
class Batch:
    """One message of a set that travels.

    Parameters
    ----------
    lineage, origin : str
        Of which run, and whose set.
    hop : int
        How many have raised it.
    number : int
        Which batch of the set, from 0.
    size : int
        Points of the whole set.
    digest : str
        Of the whole set at this hop.
    points : bytes
        Those of this batch.
    """

    lineage: str
    origin: str
    hop: int
    number: int
    size: int
    digest: str
    points: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The message."""
        header = json.dumps({name: getattr(self, name) for name in _HEADER}, sort_keys=True).encode()
        return len(header).to_bytes(_LENGTH, "big") + header + self.points

    @classmethod
    def decode(cls, data: bytes) -> Batch:
        """What :meth:`encode` made.

        Raises
        ------
        AlignmentError
            it is something else.
        """
        length = int.from_bytes(data[:_LENGTH], "big")
        end = _LENGTH + length
        if len(data) < end or length > _LONGEST_HEADER or (len(data) - end) % POINT_BYTES:
            raise AlignmentError(f"a message of {len(data)} bytes is no batch of points: it was cut short or changed")
        return cls(**checked(data[_LENGTH:end], _HEADER), points=data[end:])


_HEADER = {one.name: str if one.type == "str" else int for one in fields(Batch) if one.name != "points"}
