"""Which rank component each value of an adapter belongs to, and what its sum over hospitals is divided by.

Component j is row j of every A and column j of every B; of a core [r, r] the values whose row or column is j and
neither is beyond it. A hospital of rank k trains components 0 to k-1, a *slice* of every block, and sends zeros for the
others. A sum over all hospitals then moves component j by only the share n_j / N of hospitals that train it. Divided by
it, every node multiplies what was opened by N / n_j. The factors follow from the run config alone and are the same for
all versions: they apply to sums of any versions, and the integers, their sums and their hashes are as without ranks.

Not for: training a slice (``crossward.adapters.slices``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossward.adapters.errors import AdapterError
from crossward.config.model_settings import LoraSettings

Shapes = Sequence[tuple[str, Sequence[int]]]
"""(name, shape) of every block of a layout, in order."""
_STRETCH = 1 << 20


@dataclass(frozen=True)
class Ranks:
    """Components of the values of an adapter of ``blocks``: (factor, rows, columns) each; ``hospitals`` are the ranks.

    ``divided``: sums are divided by the share of hospitals that train a component. A place is a slice of the adapter's
    vector.
    """

    blocks: tuple[tuple[str, int, int], ...]
    hospitals: tuple[int, ...]
    divided: bool = False

    @classmethod
    def of(cls, shapes: Shapes, settings: LoraSettings) -> Ranks | None:
        """Those of a layout of ``shapes``; None where all hospitals train the same.

        Raises
        ------
        AdapterError
            a block is no pair of factors of a linear layer.
        """
        if not settings.hospital_ranks:
            return None
        blocks = []
        for name, shape in shapes:
            factor = name.rsplit(".", 2)[-2]
            sides = {"lora_A": shape[:1], "lora_B": shape[1:], "lora_core": shape}.get(factor, ())
            if len(shape) != 2 or set(sides) != {settings.rank}:
                raise AdapterError(
                    f"lora.ranks needs factors of linear layers: {name} is {list(shape)}, of rank {settings.rank}. "
                    "Leave lora.ranks empty, or name linear layers in lora.target-modules."
                )
            blocks.append((factor, int(shape[0]), int(shape[1])))
        return cls(tuple(blocks), settings.hospital_ranks, settings.divided)

    def own(self, hospital: int) -> int:
        """The rank of ``hospital`` by its place; 0 where it trains all components."""
        rank = self.hospitals[hospital]
        return rank if rank < max(self.hospitals) else 0

    def components(self, place: slice) -> NDArray[np.int64]:
        """The component of each value in ``place``, int64."""
        out = np.empty(place.stop - place.start, dtype=np.int64)
        begin = 0
        for factor, rows, columns in self.blocks:
            first, last = max(begin, place.start), min(begin + rows * columns, place.stop)
            if first < last:
                row, column = np.divmod(np.arange(first - begin, last - begin), columns)
                both = {"lora_A": row, "lora_B": column}.get(factor)
                out[first - place.start : last - place.start] = np.maximum(row, column) if both is None else both
            begin += rows * columns
        return out

    def factors(self, place: slice) -> NDArray[np.float64]:
        """What each value in ``place`` of an opened sum is multiplied by, float64: ``N / n_j``, or 1 undivided."""
        if not self.divided:
            return np.ones(place.stop - place.start)
        ranks = np.array(self.hospitals)
        held = (ranks[:, None] > np.arange(ranks.max())[None, :]).sum(0)
        return np.asarray((len(ranks) / held)[self.components(place)], dtype=np.float64)

    def confine(self, values: NDArray[np.float32], rank: int) -> None:
        """Set what a hospital of ``rank`` does not train to zero, in place; ``values`` float32 [total]."""
        for place in _places(values.size):
            values[place][self.components(place) >= rank] = 0.0


def _places(total: int) -> Iterator[slice]:
    for start in range(0, total, _STRETCH):
        yield slice(start, min(start + _STRETCH, total))
