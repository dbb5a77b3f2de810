"""The Gaussian mechanism on a clipped sum, as a mean: noise once on the sum, divided by what is expected, not drawn.

DP-SGD (arXiv 1607.00133, algorithm 1). ``sum + N(0, (noise_multiplier * sensitivity)^2)`` over the number of groups
that a step holds on average: dividing by the number drawn would tell it, and would not be what is accounted for.

Not for: the sum itself (``crossward.privacy.clipping``), the price (``crossward.privacy.accounting``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from crossward.privacy.noise import Floats


@dataclass(frozen=True)
class GaussianMean:
    """``clip``: L2 bound of a group; ``batch``: units that a step samples on average; ``micro_batch``: units a group.

    ``noise_multiplier`` is the accountant's: in units of the sum's sensitivity.
    """

    clip: float
    noise_multiplier: float
    batch: int
    micro_batch: int = 1

    @property
    def groups(self) -> int:
        """Groups that a step holds on average (with micro-batches: that it has, empty or not)."""
        return max(1, round(self.batch / self.micro_batch))

    @property
    def sensitivity(self) -> float:
        """Most that the clipped sum changes, in L2, when one unit's notes are replaced by nothing."""
        return self.clip if self.micro_batch == 1 else 2.0 * self.clip

    @property
    def deviation(self) -> float:
        """Standard deviation of the noise on each value of the sum."""
        return self.noise_multiplier * self.sensitivity

    def __call__(self, total: torch.Tensor, normals: Callable[[int], Floats]) -> torch.Tensor:
        """The noised mean of a clipped sum [d], float32 [d] where ``total`` is; the noise is added in float64."""
        noised = total.detach().cpu().double() + self.deviation * torch.from_numpy(normals(total.numel()))
        return (noised / self.groups).float().to(total.device)
