"""What a node reports about itself, bounded by what the server can see and by what the others report.

Loss, counts and times come from the hospital, unsealed and unproven; weights are computed from them. So they are
bounded before they count: times by the round trip that the server measured, mean loss and tokens by a factor around the
other hospitals' median (the size of its data set by the factor's square, later by its first report). A value out of
bounds is set to the bound and recorded in the ledger; an impossible one (more steps than the run allows) is refused by
``strategies.exchange.admission``. Within the bounds, ``strategy.max-share`` limits what a false report can gain.

Not for: what an update holds; the server cannot read it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from crossward.config.strategy_settings import StrategySettings
from crossward.ledger.state import Claim
from crossward.protocol.messages import Update

OTHERS = 2  # hospitals that must have spoken before one is measured by them
GROWTH = 2.0  # a hospital's data set may become so many times larger or smaller in a run


def around(others: Sequence[float], ratio: float) -> tuple[float, float]:
    """Bounds for one hospital's claim: ``ratio`` below and above the median of ``others``, if there are enough."""
    if len(others) < OTHERS or not ratio:
        return 0.0, float("inf")
    middle = statistics.median(others)
    return middle / ratio, middle * ratio


class Claims:
    """Bounds by what every hospital last said, as it was counted (``RunState.claims``)."""

    def __init__(self, settings: StrategySettings, known: Mapping[str, Claim]) -> None:
        self.ratio, self.known = settings.claim_ratio, known

    def _others(self, hospital: str, of: Callable[[Claim], float]) -> list[float]:
        return [of(claim) for name, claim in self.known.items() if name != hospital]

    def bounded(self, hospital: str, update: Update, round_trip: float) -> tuple[Update, list[str]]:
        """``update`` with its claims within bounds, and what was changed, in words."""
        clamped: list[str] = []

        def within(name: str, value: float, low: float, high: float) -> float:
            kept = min(max(value, low), high)
            if kept != value:
                clamped.append(f"{name} {value:.6g} -> {kept:.6g}")
            return kept

        compute = within("compute_seconds", update.compute_seconds, 0.0, round_trip)
        train = within("train_seconds", update.train_seconds, 0.0, compute)
        seal = within("seal_seconds", update.seal_seconds, 0.0, compute)
        opened = within("open_seconds", update.open_seconds, 0.0, compute)
        losses = self._others(hospital, lambda claim: claim.loss_sum / claim.num_tokens)
        counts = self._others(hospital, lambda claim: float(claim.num_tokens))
        tokens = update.num_tokens
        mean = within("mean loss", update.loss_sum / tokens, *around(losses, self.ratio))
        loss = update.loss_sum if mean == update.loss_sum / tokens else mean * tokens
        tokens = round(within("num_tokens", tokens, *around(counts, self.ratio)))
        loss *= tokens / update.num_tokens
        examples, before = update.num_examples, self.known.get(hospital)
        if before is not None:
            first = before.num_examples
            examples = round(within("num_examples", examples, first / GROWTH, first * GROWTH))
        else:  # hospitals differ more in size than in anything else
            sizes = self._others(hospital, lambda claim: claim.num_examples)
            examples = round(within("num_examples", examples, *around(sizes, self.ratio**2)))
        if not clamped:
            return update, clamped
        changed = replace(
            update,
            compute_seconds=compute,
            train_seconds=train,
            seal_seconds=seal,
            open_seconds=opened,
            num_tokens=max(tokens, 1),
            num_examples=max(examples, 1),
            loss_sum=loss,
        )
        return changed, clamped
