"""Which blocks of an adapter are sealed, and how its values are laid into parts.

Sealed values are packed back to back, whatever blocks they come from (a ciphertext of its own for every small block
would waste twelvefold), and cut into parts of a few ciphertexts. A clear block is a part by itself. Everything here
follows from public facts: the blocks' sizes, which of them are sealed, and the scheme.

Not for: choosing the blocks (``crossward.adapters.sensitivity``), nor sealing them (``crossward.encryption.holder``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """The values of one part: ``ranges`` of the adapter's vector, in order."""

    sealed: bool
    ranges: tuple[tuple[int, int], ...]

    @property
    def length(self) -> int:
        """Number of values."""
        return sum(stop - start for start, stop in self.ranges)

    def gather(self, vector: NDArray[Any]) -> NDArray[Any]:
        """The piece's values of ``vector`` ([total] of any integer type), [length] of the same type."""
        parts = [vector[start:stop] for start, stop in self.ranges]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def spread(self, values: Integers) -> list[tuple[slice, Integers]]:
        """``values`` ([length]) with the places they belong to."""
        out, done = [], 0
        for start, stop in self.ranges:
            out.append((slice(start, stop), values[done : done + stop - start]))
            done += stop - start
        return out


def pieces(sizes: Sequence[int], sealed: Sequence[bool], chunk: int) -> tuple[Piece, ...]:
    """Parts of an adapter with blocks of ``sizes`` values: sealed of up to ``chunk`` values first, then clear."""
    if len(sizes) != len(sealed):
        raise ValueError(f"{len(sealed)} blocks are marked sealed or clear, the layout has {len(sizes)}")
    out: list[Piece] = []
    clear: list[Piece] = []
    ranges: list[tuple[int, int]] = []
    room, start = chunk, 0
    for size, hidden in zip(sizes, sealed, strict=True):
        stop = start + size
        if not hidden and size:
            clear.append(Piece(False, ((start, stop),)))
        while hidden and start < stop:
            taken = min(room, stop - start)
            if ranges and ranges[-1][1] == start:
                ranges[-1] = (ranges[-1][0], start + taken)
            else:
                ranges.append((start, start + taken))
            start, room = start + taken, room - taken
            if room == 0:
                out.append(Piece(True, tuple(ranges)))
                ranges, room = [], chunk
        start = stop
    if ranges:
        out.append(Piece(True, tuple(ranges)))
    return (*out, *clear)


def sealed_layout(layout: str, scheme: str, sealed: Sequence[bool]) -> str:
    """What updates must share to be added: the adapter's layout and which blocks are sealed how, SHA-256 hex."""
    marks = "".join("1" if hidden else "0" for hidden in sealed)
    return hashlib.sha256(f"{layout}|{scheme if any(sealed) else 'clear'}|{marks}".encode()).hexdigest()
