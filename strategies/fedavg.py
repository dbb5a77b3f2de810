"""FedAvg (arXiv 1602.05629): synchronous rounds, through the same code as AsyncHybrid.

Every round samples ``strategy.buffer-size`` nodes (all when 0), sends each one task and waits until all have
answered, failed for good or left; ``max-wait`` ends a round early with at least ``min-contributors``, and where too few
are left for that, others step in for members that are lost. Use it with ``strategy.weighting = "examples"``.

Not for: nodes of very different speed; that is what AsyncHybrid is for.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from strategies.async_hybrid import AsyncHybrid
from strategies.reception import ATTEMPTS
from strategies.restore import Buffered
from strategies.roster import NodeView
from strategies.settings import StrategySettings


class FedAvg(AsyncHybrid):
    """Synchronous federated averaging of quantised updates. Parameters as for AsyncHybrid."""

    def __init__(self, settings: StrategySettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(replace(settings, max_staleness=0), *args, **kwargs)
        self._cohort_version = -1
        self._cohort: frozenset[int] = frozenset()

    def _choose(self) -> frozenset[int]:
        """The round's nodes: sampled once per version, the same in every run of the lineage, among those connected.

        It is asked of every idle node at every turn, so it does not go through the whole cohort each time.
        """
        s = self.state
        if self._cohort_version != s.version or self._cohort.isdisjoint(s.roster.present):
            present = filter(self._able, s.roster.present)
            self._cohort, self._cohort_version = self._sampled(frozenset(), sorted(present)), s.version
            for node in self._cohort:
                s.roster.nodes[node].failures = 0
        elif self._short():
            kept = frozenset(filter(self._serves, self._cohort))
            self._cohort = self._sampled(kept, sorted(filter(self._free, s.roster.present - kept)))
        return self._cohort

    def _able(self, node: int) -> bool:
        return self.state.may_contribute(self.state.roster.nodes[node])

    def _free(self, node: int) -> bool:
        """Whether a node that is here may step in for a member."""
        return self._able(node) and self.state.roster.nodes[node].failures < ATTEMPTS

    def _serves(self, node: int) -> bool:
        """Whether the round has, or may still have, something of a member.

        It waits ``max-wait`` for one that is away or failed; after that only for one that has not failed in it.
        """
        s, view = self.state, self.state.roster.nodes[node]
        if view.waiting or not self._able(node):
            return self._able(node)
        if s.clock.now() < s.version_began + s.settings.max_wait:
            return view.failures < ATTEMPTS
        return node in s.roster.present and not view.failures

    def _short(self) -> bool:
        """Whether the cohort can make no version while others, who are not in it, could: some of its hospitals have
        spent their privacy budget since, fail or left, or it was sampled while the others were away."""
        needed = self.state.settings.min_contributors
        if sum(1 for _ in itertools.islice(filter(self._serves, self._cohort), needed)) == needed:
            return False
        return any(self._free(node) for node in self.state.roster.present - self._cohort)

    def _sampled(self, kept: frozenset[int], others: list[int]) -> frozenset[int]:
        """``kept`` and, up to the round's size, a sample of ``others``; of all who are here where there is nobody."""
        s = self.state
        others = others or sorted(s.roster.present - kept)
        everybody = len(kept) + len(others)
        size = min(s.settings.buffer_size or everybody, everybody)
        s.plan.check_buffer(size)
        draw = random.Random(f"{s.journal.lineage}:{s.version}")
        return kept | frozenset(draw.sample(others, max(size - len(kept), 0)))

    def may_train(self, view: NodeView) -> bool:
        """Nodes of the round's cohort that have neither answered nor failed for good."""
        return view.node in self._choose() and super().may_train(view) and view.failures < ATTEMPTS

    def worth_asking(self) -> Callable[[NodeView], bool]:
        """A round waits for whoever it sampled."""
        return lambda view: True

    def ready(self) -> list[Buffered]:
        """All updates of the round, once every node of the cohort has answered, failed for good or left."""
        s = self.state
        members = [s.roster.nodes[node] for node in self._choose() & s.roster.present]
        settled = all(v.waiting or v.failures >= ATTEMPTS or not s.may_contribute(v) for v in members)
        waited = s.clock.now() >= s.version_began + s.settings.max_wait
        group = max(self.groups(), key=len, default=[])
        return group if (settled or waited) and len(group) >= s.settings.min_contributors else []
