"""Clipped sums: the gradients of a unit's sequences are added up, cut to an L2 norm of C, and the units' summed.

A *group* is what is clipped as one: an example, a patient, or one of EFLS's micro-batches of examples.

``micro_batches`` (arXiv 1812.06210; EFLS has them) puts every sampled example into one of a fixed number of groups,
each independently and at random. So with or without an example one group changes, whose clipped mean may turn from any
vector of norm C to any other: the sum's sensitivity is 2C, where it is C for groups of one unit each (arXiv 2303.00654,
Section 5.6). Cutting the sampled examples into consecutive groups of m would not do: without one of them all later
groups would shift. The price: for the same epsilon twice the noise on a sum of batch/m instead of batch vectors, on the
mean 2m times as much; what it buys is a mean that is clipped less.

Not for: the noise (``crossward.privacy.noise``) or which units were sampled (``data.sampling``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

Ints = NDArray[np.int64]
_MARGIN = 1.0 + 1e-6  # float32 rounds the scaled gradient's norm, too


class ClippedSum:
    """Sum over groups of ``min(1, clip / |g|) g``, g being the sum of the group's rows over all parameters.

    A group whose gradient is not finite counts as zero: stopping there would reveal it.
    """

    def __init__(self, parameters: Sequence[torch.Tensor], clip: float) -> None:
        self.clip = clip
        self.total = [torch.zeros_like(p, dtype=torch.float32, requires_grad=False) for p in parameters]
        self._open: list[torch.Tensor] | None = None

    def add(self, gradients: Sequence[torch.Tensor], groups: Sequence[int], ends: bool) -> None:
        """Take in rows: ``gradients[p]`` is float32 [n, ...], row i of group ``groups[i]``, in ascending order.

        Groups count from 0 in every call; group 0 goes on with the one left open by the last call, if it did.
        ``ends``: the last group has all its rows.
        """
        where = torch.tensor(groups, device=gradients[0].device)
        count = int(groups[-1]) + 1
        sums = [rows.new_zeros((count, *rows.shape[1:])).index_add_(0, where, rows) for rows in gradients]
        if self._open is not None:
            for found, left in zip(sums, self._open, strict=True):
                found[0] += left
        self._open = None if ends else [found[-1].clone() for found in sums]
        if not ends:
            sums = [found[:-1] for found in sums]
        if len(sums[0]):
            self._clip(sums)

    def _clip(self, sums: list[torch.Tensor]) -> None:
        norms = torch.stack([found.flatten(1).double().square().sum(1) for found in sums]).sum(0).sqrt()
        sound = torch.isfinite(norms)
        factors = torch.where(sound, (self.clip / (norms * _MARGIN).clamp(min=1e-30)).clamp(max=1.0), 0.0).float()
        for total, found in zip(self.total, sums, strict=True):
            shape = (-1, *[1] * (found.ndim - 1))
            total += (torch.where(sound.view(shape), found, 0.0) * factors.view(shape)).sum(0)


def micro_batches(units: Sequence[Ints], groups: int, generator: np.random.Generator) -> list[Ints]:
    """The sequences of ``units`` in at most ``groups`` groups, each unit in one drawn at random; none is empty."""
    chosen = generator.integers(groups, size=len(units))
    joined = ([unit for unit, group in zip(units, chosen, strict=True) if group == g] for g in range(groups))
    return [np.concatenate(members) for members in joined if members]
