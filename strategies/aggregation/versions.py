"""Full buffers into versions: integer weights, integer combination, one record each.

Not for: when a buffer is full (``strategies.async_hybrid``) or which updates enter it
(``strategies.exchange.reception``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from crossward.config.strategy_settings import StrategySettings
from crossward.config.weightings import WEIGHTINGS
from crossward.ledger import reasons
from crossward.ledger.events import Accepted, Shape, Version, refused
from crossward.ledger.reasons import Stated
from crossward.protocol.messages import LATE, TRAIN, WRONG_KEY, WRONG_LAYOUT
from crossward.protocol.parts import Part
from strategies.aggregation.blocks import next_block
from strategies.aggregation.catchup import version_name
from strategies.aggregation.combine import combine
from strategies.aggregation.ranks import within_share
from strategies.aggregation.weighting import (
    Contribution,
    breadth,
    damped_total,
    equal_weights,
    evenness,
    integer_weights,
    shares,
)
from strategies.history.state import ServerState, multiplier, multiplier_room


def _append(
    state: ServerState,
    parts: Iterable[Part],
    measured: Callable[[], dict[str, Any]] = dict,
    proof: str = "",
    **facts: Any,
) -> Version:
    """Keep ``parts`` as the next version, of these ``facts``; ``measured`` is asked for more once they are written.

    ``proof`` is what a committee opened it by; it is kept with the parts.
    """
    version = state.version + 1
    names = ("epoch", "weight_sum", "sign", "key", "dithered")
    head = {"version": version, **{name: facts[name] for name in names}, **({"proof": proof} if proof else {})}
    digest = state.journal.keep(version_name(version), head, parts)
    made = Version(version=version, digest=digest, **facts, **measured())
    state.record(made)
    state.catch_up.forget()
    if state.committee is not None:
        state.committee.renew(made.version)
    return made


def _now(state: ServerState, update: Accepted, at: int, crowds: Mapping[int, int]) -> Contribution:
    """An update's contribution to what follows version ``at``: a rollback may have passed since it arrived."""
    return Contribution(
        update.loss_sum,
        update.num_tokens,
        update.num_examples,
        update.bandwidth,
        at - update.version,
        multiplier(state, update.version, at),
        at + 1 - state.run.last_taken.get(update.hospital, update.version),
        crowds[update.version],
    )


def discard(state: ServerState, update: Accepted, outcome: str, reason: Stated) -> None:
    """Refuse, after all, an update that waits."""
    state.journal.drop(update.payload)
    facts = {"task": update.task, "node": update.node, "hospital": update.hospital, "version": update.version}
    state.record(refused(outcome, kind=TRAIN, reason=reason.text, **facts))
    if (view := state.roster.nodes.get(int(update.node))) is not None:
        view.refused = reason.text


def drop_others(state: ServerState, layout: str, shape: Shape, key: str) -> None:
    """Discard updates that wait but cannot be added to the run's: of another layout, or under another key."""
    for other in state.buffer:
        if (other.layout, other.shape) != (layout, shape):
            discard(state, other, WRONG_LAYOUT, reasons.FIXED_LAYOUT(want=layout[:12], got=other.layout[:12]))
        elif other.key != key:
            discard(state, other, WRONG_KEY, reasons.FIXED_KEY(want=key or "none", got=other.key or "none"))


def weigh(
    contributions: list[Contribution], most: int, settings: StrategySettings, evened: float = 0.0, broad: float = 0.0
) -> tuple[list[float], list[int]]:
    """Shares, and integer weights of at most ``most`` in all, multipliers included.

    ``evened`` is the :func:`~strategies.aggregation.weighting.evenness` of shares, ``broad`` the version's
    :func:`~strategies.aggregation.weighting.breadth`.
    """
    share = shares(contributions, settings, evened)
    if WEIGHTINGS[settings.rule.weighting].fixed:
        return share, equal_weights(most, settings.buffer_size, [c.multiplier for c in contributions])
    total = damped_total(contributions, share, most, settings, broad)
    multipliers = [c.multiplier for c in contributions]
    numbers = integer_weights(share, total, multipliers, settings.max_share)
    return share, [n * m for n, m in zip(numbers, multipliers, strict=True)]


def _weigh(
    state: ServerState, hospitals: list[str], contributions: list[Contribution], at: int
) -> tuple[list[float], list[int]]:
    """Shares and integer weights of a version's updates, found in the hospitals' order: who came first has no part."""
    order = sorted(range(len(hospitals)), key=lambda k: hospitals[k])
    ordered = [contributions[k] for k in order]
    s, hospitals_here = state.settings, len(state.roster.present)
    broad = breadth(s.buffer_size or hospitals_here, hospitals_here)
    share, weights = weigh(ordered, state.most_weight, s, evenness(at, state.schedule.versions, broad), broad)
    back = sorted(range(len(order)), key=lambda i: order[i])
    return [share[i] for i in back], [weights[i] for i in back]


class Weighed(NamedTuple):
    """What updates of one layout and key come to as a version: ``weights`` include multipliers."""

    layout: str
    shape: Shape
    key: str
    contributions: list[Contribution]
    share: list[float]
    weights: list[int]


def weighed(state: ServerState, chosen: list[Accepted], at: int | None = None) -> Weighed:
    """Shares and integer weights of ``chosen`` for what follows version ``at`` (default: the newest).

    Before version 1 others that cannot be added to them are discarded.
    """
    layout, shape, key = (state.run.layout, state.run.shape, state.key)
    if not layout:
        layout, shape, key = chosen[0].layout, chosen[0].shape, chosen[0].key
        drop_others(state, layout, shape, key)
    at = state.version if at is None else at
    crowds = state.run.bases + Counter(update.version for update in state.buffer)
    contributions = [_now(state, update, at, crowds) for update in chosen]
    share, weights = _weigh(state, [update.hospital for update in chosen], contributions, at)
    if any(ranks := [update.rank for update in chosen]):  # of some components there are fewer
        weights = within_share(weights, [c.multiplier for c in contributions], state.settings.max_share, ranks)
    return Weighed(layout, shape, key, contributions, share, weights)


def make_version(state: ServerState, chosen: list[Accepted]) -> Version:
    """Combine ``chosen``, of one layout and key, into the next version; its event.

    ``version = sum_k n_k m_k (q_k + offset) + d`` with ``sum_k n_k m_k <= W``: n_k are the integer weights, m_k =
    2**(scale epochs behind) brings an older update to the present unit, d is a dither
    (``crossward.encryption.dither``).
    """
    made = weighed(state, chosen)
    payloads = [state.journal.open(update.payload)[1] for update in chosen]
    sites = [update.site for update in chosen]
    dither = state.dither.version(state.plan.total_weight, state.version + 1, sites, made.weights)
    parts = combine(payloads, made.weights, state.plan.sum_bits(1), state.kinds, dither)
    return finish_version(state, chosen, made, parts, dithered=0 if dither is None else state.dither.parts)


def finish_version(
    state: ServerState, chosen: list[Accepted], made: Weighed, parts: Iterable[Part], dithered: int = 1, **more: Any
) -> Version:
    """Keep ``parts`` as the next version, of the updates ``chosen``; ``more`` are facts of its event."""
    hospitals, budget = [update.hospital for update in chosen], state.budget
    spent: dict[str, Any] = budget.facts(hospitals) if budget is not None else {}
    contributions, now = made.contributions, state.clock.now()
    version = _append(
        state,
        parts,
        lambda: {"add_seconds": state.clock.now() - now},
        epoch=state.schedule.epoch(state.version),
        weight_sum=sum(made.weights),
        sign=1,
        key=made.key,
        dithered=dithered,
        layout=made.layout,
        shape=made.shape,
        tasks=tuple(update.task for update in chosen),
        hospitals=tuple(hospitals),
        sites=tuple(update.site for update in chosen),
        weights=tuple(made.weights),
        staleness=tuple(c.staleness for c in contributions),
        bandwidths=tuple(c.bandwidth for c in contributions),
        **({} if state.losses_withheld else _losses(made.share, contributions, [u.loss_noise for u in chosen])),
        seconds=now - state.version_began,
        block=next_block(state),
        seal_seconds=tuple(update.seal_seconds for update in chosen),
        open_seconds=tuple(update.open_seconds for update in chosen),
        **spent,
        **more,
    )
    for update in chosen:
        state.journal.drop(update.payload)
    state.forecast.version(now - state.version_began)
    state.version_began = now
    if budget is not None:
        _drop_coarse(state)
    return version


def _losses(share: list[float], contributions: list[Contribution], noise: list[float]) -> dict[str, Any]:
    """The reported losses and their mean; and the mean's noise, where all are estimates with noise."""
    losses = tuple(c.mean_loss for c in contributions)
    mean = sum(s * loss for s, loss in zip(share, losses, strict=True))
    of_mean = math.sqrt(sum((s * n) ** 2 for s, n in zip(share, noise, strict=True))) if all(noise) else 0.0
    return {"losses": losses, "train_loss": mean, "loss_noise": of_mean}


def _drop_coarse(state: ServerState) -> None:
    """Discard updates that wait but have become too coarse for W, or for the noise that a version counts on."""
    for update in state.buffer:
        if multiplier(state, update.version) > multiplier_room(state):
            discard(state, update, LATE, reasons.OUTGROWN())


def roll_back(state: ServerState, versions: Iterable[int]) -> None:
    """Subtract ``versions``, newest first, each by a version of its own.

    Updates that wait keep waiting; those whose scale epoch has become too coarse for W meanwhile are late after all.
    """
    run = state.run
    for version in list(versions):  # each is taken off the list that the state has of them
        facts = run.versions[version]
        if facts.discarded:
            continue
        kept, parts = state.journal.open(version_name(version))
        _append(
            state,
            parts,
            proof=kept.get("proof", ""),
            epoch=facts.epoch,
            weight_sum=facts.weight_sum,
            sign=-facts.sign,
            key=facts.key,
            dithered=facts.dithered,
            layout=run.layout,
            shape=run.shape,
            tasks=(),
            reverts=version,
        )
    _drop_coarse(state)
