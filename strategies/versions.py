"""Full buffers into versions: integer weights, integer combination, one record each.

Not for: when a buffer is full (``strategies.async_hybrid``) or which updates enter it (``strategies.reception``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from protocol.messages import TRAIN, WRONG_LAYOUT
from protocol.parts import Part
from strategies.catchup import VersionFacts, version_name
from strategies.combine import combine
from strategies.restore import Buffered
from strategies.state import ServerState
from strategies.weighting import damped_total, integer_weights, shares


def _append(state: ServerState, parts: Iterable[Part], facts: VersionFacts, **more: Any) -> dict[str, Any]:
    version = state.version + 1
    line: dict[str, Any] = {
        "version": version,
        "epoch": facts.epoch,
        "weight_sum": facts.weight_sum,
        "sign": facts.sign,
    }
    digest = state.journal.keep(version_name(version), line, parts)
    line |= {"layout": state.layout, "shape": [list(row) for row in state.shape], "digest": digest, **more}
    state.journal.record("version", **line)
    state.version = version
    state.catch_up.append(version, facts)
    return line


def _fix_layout(state: ServerState, layout: str, shape: tuple[tuple[str, int], ...]) -> None:
    """Version 1 fixes the layout; updates of another one that wait are refused after all."""
    state.layout, state.shape = layout, shape
    for other in [u for u in state.buffer if (u.layout, u.shape) != (layout, shape)]:
        state.buffer.remove(other)
        state.journal.drop(other.name)
        state.journal.record(
            WRONG_LAYOUT,
            task=other.task,
            node=str(other.node),
            hospital=other.hospital,
            kind=TRAIN,
            version=other.version,
            reason=f"version 1 fixed layout {layout[:12]}, this update has {other.layout[:12]}",
        )
        if (view := state.roster.nodes.get(other.node)) is not None:
            view.accepted = ()


def make_version(state: ServerState, chosen: list[Buffered]) -> dict[str, Any]:
    """Combine ``chosen`` into the next version; the facts of its ledger line.

    ``version = sum_k n_k m_k (q_k + offset)`` with ``sum_k n_k m_k <= W``: n_k are the integer weights, m_k = 2**(scale
    epochs behind) brings an older update to the present unit.
    """
    if not state.layout:
        _fix_layout(state, chosen[0].layout, chosen[0].shape)
    contributions = [update.contribution for update in chosen]
    share = shares(contributions, state.settings)
    total = damped_total(contributions, share, state.plan.total_weight, state.settings)
    multipliers = [c.multiplier for c in contributions]
    weights = [n * m for n, m in zip(integer_weights(share, total, multipliers), multipliers, strict=True)]
    payloads = [state.journal.open(update.name)[1] for update in chosen]
    now = state.clock.now()
    line = _append(
        state,
        combine(payloads, weights, state.plan.sum_bits(1)),
        VersionFacts(state.schedule.epoch(state.version), sum(weights), 1),
        tasks=[update.task for update in chosen],
        hospitals=[update.hospital for update in chosen],
        sites=[update.site for update in chosen],
        weights=weights,
        staleness=[c.staleness for c in contributions],
        losses=[c.mean_loss for c in contributions],
        bandwidths=[c.bandwidth for c in contributions],
        train_loss=sum(s * c.mean_loss for s, c in zip(share, contributions, strict=True)),
        seconds=now - state.version_began,
    )
    for update in chosen:
        state.buffer.remove(update)
        state.journal.drop(update.name)
        if (view := state.roster.nodes.get(update.node)) is not None:
            view.waiting = False
    state.version_began = now
    return line


def roll_back(state: ServerState, to: int) -> None:
    """Subtract the versions after ``to``, newest first, each by a version of its own."""
    for version in range(state.version, to, -1):
        facts = state.catch_up.versions[version]
        record = state.journal.open(version_name(version))[1]
        reverse = VersionFacts(facts.epoch, facts.weight_sum, -facts.sign)
        _append(state, record, reverse, tasks=[], reverts=version)
