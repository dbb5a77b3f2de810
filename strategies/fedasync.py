"""FedAsync (arXiv 1903.03934): every update becomes a version at once, scaled by alpha (1+s)^-a.

alpha is ``strategy.server-learning-rate``, a the staleness exponent. The article mixes models, x + alpha (x_k - x); a
server that cannot read them adds the update, x + alpha (x_k - x_base), as FedBuff's comparison with it does.

A version of one update shows that update to every hospital that opens it, so the settings must ask for a buffer of one,
and there is none with a committee, which opens sums only.

Not for: hospitals whose updates are protected from one another (``strategies.fedbuff``, ``strategies.async_hybrid``).
"""

from __future__ import annotations

from typing import Any

from crossward.config.strategy_settings import StrategySettings
from strategies.async_hybrid import AsyncHybrid
from strategies.opening.committee import Committee


class FedAsync(AsyncHybrid):
    """Asynchronous aggregation without a buffer. Parameters as for AsyncHybrid.

    Raises
    ------
    ValueError
        the run's versions are opened by a committee.
    """

    def __init__(
        self, settings: StrategySettings, *args: Any, committee: Committee | None = None, **kwargs: Any
    ) -> None:
        if committee is not None:
            raise ValueError(
                "strategy.name = 'fedasync' makes a version of each update, and a committee opens none of fewer than "
                "3: set encryption.scheme = 'bfv', or strategy.name = 'fedbuff'"
            )
        super().__init__(settings, *args, **kwargs)
