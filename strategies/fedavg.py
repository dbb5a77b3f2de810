"""FedAvg (arXiv 1602.05629): synchronous rounds, through the same code as AsyncHybrid.

Every round samples ``strategy.buffer-size`` nodes (all when 0), sends each one task and waits until all have
answered, failed for good or left; ``max-wait`` ends a round early with at least ``min-contributors``. Use it with
``strategy.weighting = "examples"``.

Not for: nodes of very different speed; that is what AsyncHybrid is for.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from strategies.async_hybrid import ATTEMPTS, AsyncHybrid
from strategies.restore import Buffered
from strategies.roster import NodeView
from strategies.settings import StrategySettings


class FedAvg(AsyncHybrid):
    """Synchronous federated averaging of quantised updates."""

    def __init__(self, settings: StrategySettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(replace(settings, max_staleness=0), *args, **kwargs)
        self._cohort_version = -1
        self._cohort: frozenset[int] = frozenset()

    def _choose(self) -> None:
        """Sample the round's nodes once per version, the same way in every run of the lineage."""
        if self._cohort_version == self.version and self._cohort & self.roster.present:
            return
        present = sorted(self.roster.present)
        size = min(self.settings.buffer_size or len(present), len(present))
        self.plan.check_buffer(size)
        rng = random.Random(f"{self.journal.lineage}:{self.version}")
        self._cohort = frozenset(rng.sample(present, size))
        self._cohort_version = self.version
        for node in self._cohort:
            self.roster.nodes[node].failures = 0

    def _may_train(self, view: NodeView) -> bool:
        self._choose()
        return view.node in self._cohort and super()._may_train(view) and view.failures < ATTEMPTS

    def _ready(self) -> list[Buffered]:
        self._choose()
        members = [self.roster.nodes[n] for n in self._cohort & self.roster.present]
        settled = all(view.waiting or view.failures >= ATTEMPTS for view in members)
        waited = self.clock.now() - self._version_began >= self.settings.max_wait
        layout = self.layout or (self.buffer[0].layout if self.buffer else "")
        group = [update for update in self.buffer if update.layout == layout]
        return group if (settled or waited) and len(group) >= self.settings.min_contributors else []
