"""Federated evaluation: held-out measures of every hospital, added up without any note leaving it.

Measures are what hospitals say. Tables show the plain sums; what ends a run or rolls it back is the *judged* loss, in
which no hospital's tokens weigh more than ``strategy.max-share``, and its mean loss counts as at most
``claim_ratio`` times, or at least that part of, the others' median.

Not for: measuring (nodes do) or tables (``crossward.report.joining``).
"""

from __future__ import annotations

from collections.abc import Iterable

from flwr.app import MetricRecord

from crossward.config.strategy_settings import StrategySettings
from crossward.protocol.measures import Measure
from strategies.aggregation.weighting import capped
from strategies.exchange.claims import around


class EvaluationRound:
    """The measures of one round, asked of the nodes ``asked`` at ``version``."""

    def __init__(self, version: int, asked: Iterable[int]) -> None:
        self.version = version
        self.asked = frozenset(asked)
        self._by_node: dict[int, tuple[str, dict[str, Measure]]] = {}

    def add(self, node: int, site: str, measures: dict[str, Measure]) -> None:
        """Take in a node's measures."""
        self._by_node[node] = (site, measures)

    def complete(self) -> bool:
        """Whether every node asked has answered; only then can its loss be compared with another round's."""
        return self.asked <= self._by_node.keys()

    def sites(self) -> list[str]:
        """Sites that have answered."""
        return [site for site, _ in self._by_node.values()]

    def total(self, model: str) -> Measure:
        """Measure of ``model`` over all hospitals that answered (no tokens when nobody measured it)."""
        return sum((m[model] for _, m in self._by_node.values() if model in m), Measure())

    def loss(self, model: str) -> float | None:
        """Mean loss of ``model`` over all hospitals' held-out tokens, nats; None when nobody measured it."""
        total = self.total(model)
        return total.loss if total.tokens else None

    def judged(self, model: str, settings: StrategySettings) -> tuple[float | None, list[str]]:
        """Loss of ``model`` as it is judged, nats a token, and who was held to bounds, in words."""
        measured = [(site, m[model]) for site, m in self._by_node.values() if model in m and m[model].tokens]
        if not measured:
            return None, []
        share = capped([m.tokens for _, m in measured], max(settings.max_share, 1.0 / len(measured)))
        clamped, loss = [], 0.0
        for number, (site, found) in enumerate(measured):
            low, high = around([m.loss for i, (_, m) in enumerate(measured) if i != number], settings.claim_ratio)
            kept = min(max(found.loss, low), high)
            if kept != found.loss:
                clamped.append(f"{site}: mean loss {found.loss:.6g} -> {kept:.6g}")
            loss += share[number] * kept
        return loss, clamped

    def metrics(self) -> MetricRecord:
        """Loss, perplexity and next-token accuracy of every model over all hospitals."""
        out: dict[str, float] = {}
        for model in sorted({model for _, measures in self._by_node.values() for model in measures}):
            total = self.total(model)
            out[f"{model}-loss"] = total.loss
            out[f"{model}-perplexity"] = total.perplexity
            out[f"{model}-token-accuracy"] = total.token_accuracy
        return MetricRecord(dict(out))
