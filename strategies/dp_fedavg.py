"""DP-FedAvg (arXiv 1710.06963): synchronous rounds of updates that carry differential privacy.

The rounds are FedAvg's; the privacy is the nodes' work, and this strategy refuses to run without any. Which threat it
answers depends on ``privacy.unit`` and on ``encryption.policy``:

- ``example``, ``patient``: DP-SGD at every hospital. Whatever leaves a node is protected already, also from an
  aggregator that reads every update in the clear.
- ``hospital``: every update is bounded as a whole and carries a share of the noise. Readers of versions and of the
  released adapter are covered. With policy ``all`` the aggregator reads nothing else. With ``none`` (the article's
  setting, whose server is trusted) it reads each update with that update's share only: the epsilon of that alone is in
  the ledger's ``hospital-privacy`` line, and is no part of the run's promise.

The article samples every user independently and counts on that. Cohorts here have a fixed size and are derived from
the public lineage, so no amplification is claimed.

Not for: nodes of very different speed (``strategies.async_hybrid`` takes the same units).
"""

from __future__ import annotations

from typing import Any

from crossward.config.privacy_settings import NO_UNIT
from crossward.config.strategy_settings import StrategySettings
from strategies.fedavg import FedAvg


class DpFedAvg(FedAvg):
    """FedAvg that does not start without a privacy unit. ``unit`` is ``privacy.unit``; else as for FedAvg."""

    def __init__(self, settings: StrategySettings, *args: Any, unit: str = NO_UNIT, **kwargs: Any) -> None:
        if unit == NO_UNIT:
            raise ValueError(
                "strategy.name = 'dp-fedavg' without privacy.unit protects nobody: choose example, patient or hospital"
            )
        super().__init__(settings, *args, **kwargs)
