"""Full buffers into versions: integer weights, integer combination, one record each.

Not for: when a buffer is full (``strategies.async_hybrid``) or which updates enter it
(``strategies.exchange.reception``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from crossward.config.strategy_settings import StrategySettings
from crossward.config.weightings import WEIGHTINGS
from crossward.protocol.messages import LATE, TRAIN, WRONG_KEY, WRONG_LAYOUT
from crossward.protocol.parts import Part
from strategies.aggregation.catchup import VersionFacts, version_name
from strategies.aggregation.combine import combine
from strategies.aggregation.weighting import Contribution, damped_total, equal_weights, integer_weights, shares
from strategies.history.restore import Buffered
from strategies.history.state import ServerState, multiplier, multiplier_room


def _append(
    state: ServerState,
    parts: Iterable[Part],
    facts: VersionFacts,
    measured: Callable[[], dict[str, float]] = dict,
    **more: Any,
) -> dict[str, Any]:
    """Keep ``parts`` as the next version; ``measured`` is asked for more facts once they are written."""
    version = state.version + 1
    line: dict[str, Any] = {
        "version": version,
        "epoch": facts.epoch,
        "weight_sum": facts.weight_sum,
        "sign": facts.sign,
        "key": facts.key,
        "dithered": facts.dithered,
    }
    digest = state.journal.keep(version_name(version), line, parts)
    line |= {
        "layout": state.layout,
        "shape": [list(row) for row in state.shape],
        "digest": digest,
        **more,
        **measured(),
    }
    state.journal.record("version", **line)
    state.version = version
    state.catch_up.append(version, facts)
    return line


def _now(state: ServerState, update: Buffered) -> Contribution:
    """An update's contribution as of now: a rollback may have passed since it arrived."""
    return replace(
        update.contribution,
        staleness=state.version - update.version,
        multiplier=multiplier(state, update.version),
    )


def discard(state: ServerState, update: Buffered, outcome: str, reason: str) -> None:
    """Refuse, after all, an update that waits."""
    state.buffer.remove(update)
    state.journal.drop(update.name)
    if state.accepted.get(update.hospital) == update.task:
        del state.accepted[update.hospital]
    state.journal.record(
        outcome,
        task=update.task,
        node=str(update.node),
        hospital=update.hospital,
        kind=TRAIN,
        version=update.version,
        reason=reason,
    )
    if (view := state.roster.nodes.get(update.node)) is not None:
        view.waiting, view.refused = False, reason


def drop_others(state: ServerState) -> None:
    """Discard updates that wait but cannot be added to the run's: of another layout, or under another key."""
    for other in list(state.buffer):
        if (other.layout, other.shape) != (state.layout, state.shape):
            reason = f"version 1 fixed layout {state.layout[:12]}, this update has {other.layout[:12]}"
            discard(state, other, WRONG_LAYOUT, reason)
        elif other.key != state.key:
            reason = (
                f"updates of this run are made under key {state.key or 'none'}, this one under {other.key or 'none'}"
            )
            discard(state, other, WRONG_KEY, reason)


def weigh(contributions: list[Contribution], most: int, settings: StrategySettings) -> tuple[list[float], list[int]]:
    """Shares, and integer weights of at most ``most`` in all, multipliers included."""
    share = shares(contributions, settings)
    if WEIGHTINGS[settings.weighting].fixed:
        return share, equal_weights(most, settings.buffer_size, [c.multiplier for c in contributions])
    total = damped_total(contributions, share, most, settings)
    multipliers = [c.multiplier for c in contributions]
    numbers = integer_weights(share, total, multipliers, settings.max_share)
    return share, [n * m for n, m in zip(numbers, multipliers, strict=True)]


def _weigh(
    state: ServerState, hospitals: list[str], contributions: list[Contribution]
) -> tuple[list[float], list[int]]:
    """Shares and integer weights of a version's updates, found in the hospitals' order: who came first has no part."""
    order = sorted(range(len(hospitals)), key=lambda k: hospitals[k])
    ordered = [contributions[k] for k in order]
    share, weights = weigh(ordered, state.plan.total_weight, state.settings)
    back = sorted(range(len(order)), key=lambda i: order[i])
    return [share[i] for i in back], [weights[i] for i in back]


def make_version(state: ServerState, chosen: list[Buffered]) -> dict[str, Any]:
    """Combine ``chosen``, of one layout and key, into the next version; the facts of its ledger line.

    ``version = sum_k n_k m_k (q_k + offset) + d`` with ``sum_k n_k m_k <= W``: n_k are the integer weights, m_k =
    2**(scale epochs behind) brings an older update to the present unit, d is a dither
    (``crossward.encryption.dither``).
    """
    if not state.layout:
        state.layout, state.shape, state.key = chosen[0].layout, chosen[0].shape, chosen[0].key
        drop_others(state)
    contributions = [_now(state, update) for update in chosen]
    hospitals, budget = [update.hospital for update in chosen], state.budget
    share, weights = _weigh(state, hospitals, contributions)
    payloads = [state.journal.open(update.name)[1] for update in chosen]
    sites = [update.site for update in chosen]
    dither = state.dither.version(state.plan.total_weight, state.version + 1, sites, weights)
    now = state.clock.now()
    line = _append(
        state,
        combine(payloads, weights, state.plan.sum_bits(1), state.kinds, dither),
        VersionFacts(state.schedule.epoch(state.version), sum(weights), 1, state.key, dithered=int(dither is not None)),
        lambda: {"add_seconds": state.clock.now() - now},
        tasks=[update.task for update in chosen],
        hospitals=hospitals,
        sites=sites,
        weights=weights,
        staleness=[c.staleness for c in contributions],
        bandwidths=[c.bandwidth for c in contributions],
        **({} if state.losses_withheld else _losses(share, contributions)),
        seconds=now - state.version_began,
        seal_seconds=[update.times[0] for update in chosen],
        open_seconds=[update.times[1] for update in chosen],
        **(budget.facts(hospitals) if budget is not None else {}),
    )
    if budget is not None:
        budget.spend(hospitals)
    for update in chosen:
        state.buffer.remove(update)
        state.journal.drop(update.name)
        if (view := state.roster.nodes.get(update.node)) is not None:
            view.waiting = False
    state.forecast.version(now - state.version_began)
    state.version_began = now
    if budget is not None:
        _drop_coarse(state)
    return line


def _losses(share: list[float], contributions: list[Contribution]) -> dict[str, Any]:
    losses = [c.mean_loss for c in contributions]
    return {"losses": losses, "train_loss": sum(s * loss for s, loss in zip(share, losses, strict=True))}


def _drop_coarse(state: ServerState) -> None:
    """Discard updates that wait but have become too coarse for W, or for the noise that a version counts on."""
    for update in list(state.buffer):
        if multiplier(state, update.version) > multiplier_room(state):
            discard(state, update, LATE, "the run has moved to a scale epoch that it does not fit")


def roll_back(state: ServerState, versions: list[int]) -> None:
    """Subtract ``versions``, newest first, each by a version of its own.

    Updates that wait keep waiting; those whose scale epoch has become too coarse for W meanwhile are late after all.
    """
    for version in list(versions):
        facts = state.catch_up.versions[version]
        if facts.void:
            continue
        record = state.journal.open(version_name(version))[1]
        reverse = VersionFacts(facts.epoch, facts.weight_sum, -facts.sign, facts.key, dithered=facts.dithered)
        _append(state, record, reverse, tasks=[], reverts=version)
    state.reverting = []
    _drop_coarse(state)
