"""FedAvg (arXiv 1602.05629): synchronous rounds, through the same code as AsyncHybrid.

Every round samples ``strategy.buffer-size`` nodes (all when 0), sends each one task and waits until all have
answered, failed for good or left; ``max-wait`` ends a round early with at least ``min-contributors``, and where too few
are left for that, others step in for members that are lost. Use it with ``strategy.weighting = "examples"``.

With ``privacy.unit`` it is DP-FedAvg (arXiv 1710.06963), whose privacy is the nodes' work. The article samples every
user independently and counts on that. Cohorts here have a fixed size and follow from the public lineage, so no
amplification is claimed. With a hospital's unit and ``encryption.policy = "none"`` (the article's setting, whose server
is trusted) the aggregator reads each update with that update's share of the noise only.

Not for: nodes of very different speed; that is what AsyncHybrid is for.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from crossward.config.strategy_settings import StrategySettings
from crossward.ledger.events import Accepted
from strategies.aggregation.ranks import chosen_of
from strategies.async_hybrid import AsyncHybrid
from strategies.exchange.reception import ATTEMPTS
from strategies.history.roster import NodeView


class FedAvg(AsyncHybrid):
    """Synchronous federated averaging of quantised updates. Parameters as for AsyncHybrid."""

    lists_at_once = 1

    def __init__(self, settings: StrategySettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(replace(settings, max_staleness=0), *args, **kwargs)
        self._cohort_version = -1
        self._cohort: frozenset[int] = frozenset()
        self._drawn = 0.0

    def _choose(self) -> frozenset[int]:
        """The round's nodes: sampled once per version, the same in every run of the lineage, among those connected.

        It is asked of every idle node at every turn, so it does not go through the whole cohort each time.
        """
        s = self.state
        if self._cohort_version != s.version or self._cohort.isdisjoint(s.roster.present):
            for node in s.roster.present:
                s.roster.nodes[node].failures = 0
            present = filter(self._able, s.roster.present)
            self._cohort, self._cohort_version = self._sampled(frozenset(), sorted(present)), s.version
            self._drawn = s.clock.now()
        return self._cohort

    def _able(self, node: int) -> bool:
        return self.state.may_contribute(self.state.roster.nodes[node])

    def _step_in(self) -> None:
        """Have others join a cohort that can make no version any more.

        Some of its hospitals have spent their privacy budget since, or failed for good, or ``max-wait`` after it was
        drawn too few have answered.
        Whoever is dropped and answers after all is still in time: its update is of this version.
        """
        s, cohort = self.state, self._choose()
        patient = s.clock.now() < self._drawn + s.settings.max_wait
        able = {node: view for node, view in s.roster.nodes.items() if self._able(node)}
        kept = frozenset(
            node
            for node, view in able.items()
            if s.waiting(node) or (patient and node in cohort and view.failures < ATTEMPTS)
        )
        if len(kept) >= s.settings.min_contributors:
            return
        free = sorted(n for n in s.roster.present - cohort - kept if n in able and able[n].failures < ATTEMPTS)
        if free:
            self._cohort, self._drawn = self._sampled(kept, free), s.clock.now()

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

    def goes_on(self, view: NodeView) -> bool:
        """A round ends with its version."""
        return False

    def worth_asking(self) -> Callable[[NodeView], bool]:
        """A round waits for whoever it sampled."""
        self._step_in()  # once a turn
        return lambda view: True

    def ready(self) -> list[Accepted]:
        """All updates of the round, once every node of the cohort has answered, failed for good or left."""
        s = self.state
        members = [s.roster.nodes[node] for node in self._choose() & s.roster.present]
        settled = all(s.waiting(v.node) or v.failures >= ATTEMPTS or not s.may_contribute(v) for v in members)
        waited = s.clock.now() >= s.version_began + s.settings.max_wait
        group = max(self.groups(), key=len, default=[])
        most = s.settings.buffer_size or s.plan.total_weight // 4  # see FieldPlan.check_buffer
        fewest = s.settings.min_contributors
        return chosen_of(group, fewest, most, fewest) if settled or waited else []
