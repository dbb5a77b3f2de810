"""How a node's trained delta becomes an update: quantised, with the hospital's noise where the run asks, and sealed.

Not for: any of the steps (``client_app.update.quantise``, ``client_app.update.hospital_noise``,
``client_app.update.payloads``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from client_app.update.hospital_noise import HospitalNoise
from client_app.update.payloads import Payloads, Vault
from client_app.update.quantise import Quantised, quantise
from crossward.encryption.plan import FieldPlan


@dataclass(frozen=True)
class UpdateSealer:
    """``vault`` seals; ``noise`` is of hospital-level privacy; without ``feedback`` residuals are dropped."""

    vault: Vault = field(default_factory=Vault)
    noise: HospitalNoise | None = None
    feedback: bool = True

    def payloads(self, sizes: Sequence[int], plan: FieldPlan) -> Payloads:
        """Payloads of an adapter whose blocks have ``sizes`` values."""
        return Payloads(sizes, plan, self.vault)

    def quantise(
        self,
        delta: NDArray[np.float32],
        residual: NDArray[np.float32] | None,
        value_range: float,
        q_max: int,
        rng: np.random.Generator,
    ) -> Quantised:
        """``delta + residual`` (float32 [n]) in integers: :func:`quantise`, with noise where there is any."""
        how = quantise if self.noise is None else self.noise.quantise
        return how(delta, residual, value_range, q_max, rng)
