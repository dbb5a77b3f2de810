"""The field plan that a run's encryption settings come to.

Not for: the settings (``crossward.config.encryption_settings``) or what a plan means (``crossward.encryption.plan``).
"""

from __future__ import annotations

from dataclasses import astuple
from functools import partial

from crossward.config.encryption_schemes import BFV, SCHEMES
from crossward.config.encryption_settings import NONE, EncryptionSettings
from crossward.config.settings import AUTO
from crossward.encryption.plan import PRESETS, FieldPlan, PlanError

VALUE_BITS, LEAST_WEIGHT_BITS, FINE_WEIGHT_BITS, MOST_GUARD_BITS = 8, 6, 8, 12
FINER = 1.15  # times the fewest bytes that a finer W may cost
NOISED_BITS = range(14, 19)  # of a value that carries noise: what the tails leave is hundreds of units or more


def field_plan(
    settings: EncryptionSettings, nodes: int, buffer_size: int, noised: bool = False, fine: int = 0
) -> FieldPlan:
    """The plan for ``nodes`` nodes and a buffer of ``buffer_size`` updates, whose values carry noise if ``noised``.

    ``fine`` is the least W for the run's staleness factors (``StrategySettings.fine_weight``).

    Raises
    ------
    PlanError
        when it does not fit the buffer, or encrypted sums under it would not be exact.
    """
    if settings.bits is not None:
        plan = FieldPlan(*settings.bits)
    elif settings.preset != AUTO:
        plan = PRESETS[settings.preset]
    else:
        find = widest if noised else partial(cheapest, fine=fine)
        plan = find(nodes, buffer_size, settings.scheme)
    plan.check_buffer(buffer_size)
    if settings.policy != NONE:
        _check_exact(plan, settings.scheme)
    return plan


def _check_exact(plan: FieldPlan, scheme: str) -> None:
    """Refuse a plan under which sums of ``scheme`` would not be the exact integers."""
    clash = SCHEMES[scheme].clash
    if clash is None:
        plan.check_sealable()
    elif text := clash(*astuple(plan)):
        raise PlanError(text)


def _exact(plan: FieldPlan, scheme: str) -> bool:
    """Whether sums of ``scheme`` under ``plan`` would be the exact integers."""
    clash = SCHEMES[scheme].clash
    return plan.fields_per_slot > 0 if clash is None else not clash(*astuple(plan))


def bytes_per_update(plan: FieldPlan, nodes: int, buffer_size: int, scheme: str = BFV) -> float:
    """Sealed bytes a value costs per contributed update, up and down together.

    A node misses about N/K versions between its turns and downloads them in sums of up to V.
    """
    of_scheme = SCHEMES[scheme].bytes_per_value
    up, down = plan.bytes_per_value() if of_scheme is None else of_scheme(*astuple(plan))
    missed = max(nodes / buffer_size, 1.0)
    return up + down * max(missed / plan.max_versions, 1.0)


def cheapest(nodes: int, buffer_size: int, scheme: str, fine: int = 0) -> FieldPlan:
    """Of plans of 8-bit values within ``FINER`` times the fewest bytes, the one with the largest W.

    W holds the buffer, and is ``fine`` at least.
    """
    least = max((4 * buffer_size - 1).bit_length(), (fine - 1).bit_length() if fine else 0, LEAST_WEIGHT_BITS)
    plans = [
        FieldPlan(VALUE_BITS, weight, guard)
        for weight in range(least, max(least, FINE_WEIGHT_BITS) + 1)
        for guard in range(MOST_GUARD_BITS + 1)
    ]
    costs = {plan: bytes_per_update(plan, nodes, buffer_size, scheme) for plan in plans if _exact(plan, scheme)}
    if not costs:
        raise PlanError(
            f"no plan of {VALUE_BITS}-bit values holds {nodes} hospitals with a buffer of {buffer_size} under "
            f"encryption.scheme = {scheme!r}: use a smaller buffer, or set encryption.plan"
        )
    most = FINER * min(costs.values())
    return max((p for p in costs if costs[p] <= most), key=lambda p: (p.weight_bits, -costs[p], -p.guard_bits))


def widest(nodes: int, buffer_size: int, scheme: str) -> FieldPlan:
    """The plan that moves the fewest bytes among those wide enough for values that carry noise, then the widest.

    A noise share's tail takes most of a field, so that 8 bits would leave an update a few units. Equal weights need no
    finer W than room for the buffer.
    """
    weight_bits = max((4 * buffer_size - 1).bit_length(), 2)
    plans = [FieldPlan(value, weight_bits, guard) for value in NOISED_BITS for guard in range(9)]
    fitting = [plan for plan in plans if _exact(plan, scheme)]
    if not fitting:
        raise PlanError(
            f"no plan of {NOISED_BITS[0]} or more value bits holds a buffer of {buffer_size} updates: use a smaller one"
        )
    return min(fitting, key=lambda p: (bytes_per_update(p, nodes, buffer_size, scheme), -p.value_bits, p.guard_bits))
