"""What one party has of its patients where parties hold different features of the same ones: ``PartyData``.

``data.party.reading`` makes it of a ``party.toml``, ``data.party.simulated`` for the made-up parties of a simulation.
Not for hospitals that all hold notes of patients of their own (``data.load_hospital``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from collections.abc import Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from data.errors import DataError


@dataclasses.dataclass(frozen=True, eq=False)
class PartyData:
    """One row a patient, in the party's own order.

    Parameters
    ----------
    patients : tuple[str, ...]
        Identifiers as this party writes them; unique.
    values : float64 [patients, features] | None
        NaN where a value is missing; None at a party that holds notes.
    names : tuple[str, ...]
        Of the features. They may hold words of the party's own and stay with it.
    notes : tuple[str, ...] | None
        All notes of a patient up to the moment of prediction, the oldest first; None at a party without.
    outcome : uint8 [patients] | None
        1 where it happened; None at all but the label holder.
    digest : str
        SHA-256 of all of it, in hexadecimal.

    Raises
    ------
    DataError
        parts have another shape or type than this, a patient is named twice, or a value is infinite.
    """

    patients: tuple[str, ...]
    values: npt.NDArray[np.float64] | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] | None = None
    outcome: npt.NDArray[np.uint8] | None = None
    digest: str = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        count = len(self.patients)
        if not count or len(set(self.patients)) != count or not all(self.patients):
            raise DataError("a party's patients have to be named, each once, and there has to be one")
        if self.values is None and self.notes is None:
            raise DataError("a party needs features of its patients: values, notes, or both")
        if self.values is not None:
            _shaped("values", self.values, (count, len(self.names)), np.float64)
            if np.isinf(self.values).any():
                raise DataError("a party's values have to be finite, or NaN where they are missing")
        elif self.names:
            raise DataError("a party without values has no names of features")
        if self.notes is not None and len(self.notes) != count:
            raise DataError(f"there are notes of {len(self.notes)} patients, and {count} patients")
        if self.outcome is not None:
            _shaped("outcome", self.outcome, (count,), np.uint8)
            if self.outcome.max() > 1:
                raise DataError("an outcome is 1 where it happened and 0 where it did not")
        object.__setattr__(self, "digest", self._digest())

    def _digest(self) -> str:
        found = hashlib.sha256(b"crossward party 1")
        for texts in (self.patients, self.names, self.notes):
            _add(found, None if texts is None else (text.encode("utf-8", "surrogatepass") for text in texts))
        values = self.values if self.values is None else np.where(np.isnan(self.values), np.nan, self.values)
        for array, kind in ((values, "<f8"), (self.outcome, "u1")):
            _add(found, None if array is None else [np.ascontiguousarray(array, kind).tobytes()])
        return found.hexdigest()

    def take(self, rows: npt.NDArray[np.integer]) -> PartyData:
        """Its patients at ``rows``, in that order."""
        at = rows.tolist()
        return PartyData(
            tuple(self.patients[row] for row in at),
            None if self.values is None else self.values[rows],
            self.names,
            None if self.notes is None else tuple(self.notes[row] for row in at),
            None if self.outcome is None else self.outcome[rows],
        )


class _Digest(Protocol):
    def update(self, data: bytes, /) -> object:
        """Take in more bytes."""


def _shaped(name: str, array: npt.NDArray[np.generic], shape: tuple[int, ...], kind: type[np.generic]) -> None:
    if array.shape != shape or array.dtype != kind:
        raise DataError(
            f"a party's {name} are {array.dtype}{list(array.shape)}: {np.dtype(kind)}{list(shape)} was expected"
        )


def _add(found: _Digest, parts: Iterable[bytes] | None) -> None:
    """Add a list of texts so that no other list gives the same bytes."""
    if parts is None:
        found.update(b"none")
        return
    listed = list(parts)
    found.update(b"list" + struct.pack("<Q", len(listed)))
    for part in listed:
        found.update(struct.pack("<Q", len(part)))
        found.update(part)
