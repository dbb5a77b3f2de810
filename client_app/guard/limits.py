"""What bounds what a node's replies can give away: its privacy budget, and the count of records that did not open.

Not for: either of them (``client_app.guard.budget``, ``client_app.guard.strikes``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from client_app.guard.budget import Budget, Cost
from crossward.config.privacy_settings import NO_UNIT


@dataclass(frozen=True)
class Limits:
    """``privacy_unit`` is the run's; with one that hospitals protect, ``budget`` decides on every training.

    Records that did not open are counted in the file ``unopened``, over all lineages (default: in the lineage's
    folder).
    """

    privacy_unit: str = NO_UNIT
    budget: Budget | None = None
    unopened: Path | None = None

    def spend(self) -> Cost | None:
        """What the next training costs, on disk before it begins; None without a budget.

        Raises
        ------
        BudgetError, RecordError
            see :meth:`Budget.spend`.
        """
        return self.budget.spend() if self.budget is not None else None

    @property
    def protected(self) -> str:
        """The unit for which a budget is kept, or ``NO_UNIT``."""
        return self.privacy_unit if self.budget is not None else NO_UNIT
