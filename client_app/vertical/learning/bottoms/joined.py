"""Several bottoms over the same patients as one: what a party has that holds notes and a table, or all features.

Not for: embeddings of other parties (``client_app.vertical.learning.blocks``).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from client_app.vertical.learning.arrays import Array, Floats, Ints, LearningError, State
from client_app.vertical.learning.bottoms.bottom import Bottom, checked


class SideBySide(torch.nn.Module):
    """The outputs of several modules one after the other, divided such that together they keep the bound of each."""

    def __init__(self, modules: Sequence[torch.nn.Module], counts: Sequence[int]) -> None:
        super().__init__()
        self.parts, self.counts = torch.nn.ModuleList(modules), tuple(counts)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The inputs of all modules in order, to float32 [b, sum of dims]."""
        left, outputs = list(inputs), []
        for module, count in zip(self.parts, self.counts, strict=True):
            outputs.append(module(*left[:count]))
            del left[:count]
        joined: torch.Tensor = torch.cat(outputs, 1) / len(self.counts) ** 0.5
        return joined


class Joined(Bottom):
    """``bottoms`` over the same patients, each embedding beside the others."""

    kind = "joined"

    def __init__(self, bottoms: Sequence[Bottom]) -> None:
        sizes = {len(bottom) for bottom in bottoms}
        if len(sizes) != 1:
            raise LearningError(f"bottoms over {sorted(sizes)} patients cannot be joined: give the same patients.")
        some = torch.zeros(1, dtype=torch.int64).numpy()
        first = bottoms[0].settings
        settings = dataclasses.replace(first, dim=sum(bottom.dim for bottom in bottoms))
        super().__init__(len(bottoms[0]), torch.nn.Identity(), settings)
        self.bottoms, self.share = tuple(bottoms), len(bottoms) ** 0.5
        counts = [len(bottom.inputs(some)) for bottom in bottoms]
        self.module = SideBySide([bottom.module for bottom in bottoms], counts).eval()

    def inputs(self, rows: Ints) -> tuple[torch.Tensor, ...]:
        """The inputs of all bottoms, one after the other."""
        return tuple(one for bottom in self.bottoms for one in bottom.inputs(rows))

    def embed(self, rows: Ints) -> Floats:
        """Embeddings of all bottoms, one after the other, float32 [n, sum of dims]."""
        joined = np.concatenate([bottom.embed(rows) for bottom in self.bottoms], 1)
        shared: Floats = (joined / self.share).astype(np.float32)
        return shared

    def approach(self, rows: Ints, targets: Floats, seed: int) -> float:
        """Each bottom towards its part of the targets; the mean of the shares that they explain."""
        wanted = checked(targets, len(rows), self.dim, "targets").numpy() * np.float32(self.share)
        ends = np.cumsum([bottom.dim for bottom in self.bottoms])[:-1]
        each = zip(self.bottoms, np.split(wanted, ends, axis=1), strict=True)
        return float(np.mean([bottom.approach(rows, part, seed) for bottom, part in each]))

    def twin(self) -> Joined:
        """Twins of all bottoms side by side."""
        return Joined([bottom.twin() for bottom in self.bottoms])

    def digest(self) -> bytes:
        """Of all bottoms' digests."""
        return hashlib.sha256(b"".join(bottom.digest() for bottom in self.bottoms)).digest()

    def represent(self, seed: int) -> None:
        """Each by itself."""
        for number, bottom in enumerate(self.bottoms):
            bottom.represent(seed + number)

    def fitted(self) -> State:
        """That of every bottom, its names after the bottom's number."""
        return {
            f"{number}.{name}": array
            for number, bottom in enumerate(self.bottoms)
            for name, array in bottom.fitted().items()
        }

    def take(self, state: Mapping[str, Array], prefix: str) -> None:
        """Each its own."""
        for number, bottom in enumerate(self.bottoms):
            bottom.take(state, f"{prefix}{number}.")
