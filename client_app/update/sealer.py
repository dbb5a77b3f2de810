"""How a node's trained delta becomes an update: quantised, with the hospital's noise where the run asks, and sealed.

Not for: any of the steps (``client_app.update.quantise``, ``client_app.update.hospital_noise``,
``client_app.update.payloads``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from client_app.committee.keys import CommitteeKeys
from client_app.committee.payloads import CommitteePayloads
from client_app.update.hospital_noise import HospitalNoise
from client_app.update.payloads import Payloads, Vault
from client_app.update.quantise import Quantised, quantise
from crossward.encryption.plan import FieldPlan
from crossward.protocol.messages import Task


@dataclass(frozen=True)
class UpdateSealer:
    """``vault`` seals; ``noise`` is of hospital-level privacy; without ``feedback`` residuals are dropped.

    ``committee`` is what a scheme with a committee seals and opens with besides; ``rank`` is how many of the adapter's
    components the hospital trains, 0 for all.
    """

    vault: Vault = field(default_factory=Vault)
    noise: HospitalNoise | None = None
    feedback: bool = True
    committee: CommitteeKeys | None = None
    rank: int = 0

    def payloads(self, sizes: Sequence[int], plan: FieldPlan, lineage: str) -> Payloads:
        """Payloads of a ``lineage``'s adapter whose blocks have ``sizes`` values."""
        if self.committee is None or not self.vault.fingerprint:
            return Payloads(sizes, plan, self.vault)
        return CommitteePayloads(sizes, plan, self.vault, lineage, self.committee, self.rank)

    def check(self, task: Task) -> None:
        """Refuse a training whose update could not be sealed, before anything is trained.

        Raises
        ------
        MissingKeyError
            the committee's keys that it names are not such as this hospital seals to.
        """
        if self.committee is not None and self.vault.fingerprint:
            self.committee.invitation(task)

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
