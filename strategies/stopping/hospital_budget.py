"""Privacy cost of versions for hospitals: counted by participation, kept within the run's budget.

A hospital pays for every version that its update is in, even one rolled back or discarded later: its sum was made and
could be read. A version that subtracts another costs nothing. Participations (``taken``) are those of the ledger's
version lines, so that a resumed run continues the count.

Of ``privacy`` the server reaches this accounting alone; what draws noise stays with the nodes.

Not for: how epsilon follows from noise (``crossward.privacy.hospital``), local DP-SGD.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossward.ledger.events import HospitalPrivacy

if TYPE_CHECKING:
    from crossward.privacy.hospital import HospitalMechanism


@dataclass
class HospitalBudget:
    """What the hospitals' noise is to keep.

    ``limit`` is ``privacy.epsilon``, 0 for none; ``least`` the fewest contributors whose noise shares were counted
    on; ``exposed`` whether the aggregator reads single updates, or parts of them, in the clear.
    """

    mechanism: HospitalMechanism
    delta: float
    limit: float
    least: int
    exposed: bool = False
    taken: Counter[str] = field(default_factory=Counter)

    def epsilon(self, versions: int) -> float:
        """Epsilon of a hospital that took part in so many versions."""
        return self.mechanism.epsilon(versions, self.delta)

    def _most(self, hospitals: Sequence[str]) -> int:
        """Participations of the hospital with the most, once these made a version."""
        return max([0, *self.taken.values(), *(self.taken[name] + 1 for name in hospitals)])

    def refusal(self, hospitals: Sequence[str]) -> str:
        """Why a version of ``hospitals`` must not be made; empty when it may."""
        if len(set(hospitals)) < self.least:
            return f"a version of {len(set(hospitals))} hospitals would carry the noise of fewer than {self.least}"
        spent = self.epsilon(self._most(hospitals))
        if math.isinf(spent):
            return f"with the next version no epsilon could be claimed after {self._most(hospitals)} versions"
        if self.limit and spent > self.limit:
            return (
                f"the next version would spend epsilon {spent:.4g} of a hospital that took part in "
                f"{self._most(hospitals) - 1} before, privacy.epsilon allows {self.limit:g}"
            )
        return ""

    def facts(self, hospitals: Sequence[str]) -> dict[str, float | int]:
        """For the line of a version of ``hospitals``: epsilon of it alone, and of whoever has taken part most by then.

        ``hospital_versions`` is in how many versions that was.
        """
        most = self._most(hospitals)
        return {
            "hospital_epsilon": self.epsilon(most),
            "hospital_epsilon_version": self.epsilon(1),
            "hospital_versions": most,
        }

    def promise(self, versions: int) -> HospitalPrivacy:
        """The ledger's event at a run's start: the guarantee, in full, and what it rests on.

        ``alone_epsilon`` is what protects a hospital from whoever reads its single updates, each with its own share of
        the noise only (one update, and ``versions`` of them); None where no epsilon can be claimed. The aggregator is
        such a reader where ``exposed``.
        """
        alone = self.mechanism.alone()
        each = [alone.epsilon(count, self.delta) for count in (1, versions)]
        return HospitalPrivacy(
            unit="hospital",
            neighbours="zero-out",
            epsilon=self.epsilon(versions),
            limit=self.limit,
            delta=self.delta,
            versions=versions,
            noise_multiplier=self.mechanism.noise_multiplier,
            clip=self.mechanism.clip,
            honest=self.mechanism.honest,
            accountant="rdp",
            exposed=self.exposed,
            alone_epsilon=tuple(None if math.isinf(value) else value for value in each),
        )
