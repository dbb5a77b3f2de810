"""When to stop: target loss, patience; and when a version must be rolled back.

Losses are federated held-out losses in nats a token where evaluations take place, else the contributors' mean
training loss.

Not for: measuring a loss (nodes do).
"""

from __future__ import annotations

from crossward.config.strategy_settings import StrategySettings
from crossward.ledger import reasons


class Convergence:
    """Watches the losses of versions in order."""

    def __init__(self, settings: StrategySettings) -> None:
        self.settings = settings
        self.best = float("inf")
        self.best_version = 0
        self.misses = 0

    def observe(self, version: int, loss: float) -> str:
        """Take in a loss; says why to stop, or nothing."""
        s = self.settings
        if loss < self.best - s.min_delta:
            self.best, self.best_version, self.misses = loss, version, 0
        else:
            self.misses += 1
        if s.target_loss > 0 and loss <= s.target_loss:
            return reasons.TARGET(target=s.target_loss, loss=loss, version=version).text
        if s.patience > 0 and self.misses >= s.patience:
            return reasons.NO_IMPROVEMENT(best=self.best, version=self.best_version, misses=self.misses).text
        return ""

    def must_roll_back(self, loss: float) -> bool:
        """Whether a loss is so much worse than the best that its versions must go."""
        ratio = self.settings.rollback_ratio
        return ratio > 0 and self.best < float("inf") and loss > ratio * self.best
