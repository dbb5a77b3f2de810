"""The field plan that a run's encryption settings come to.

Not for: the settings (``crossward.config.encryption_settings``) or what a plan means (``crossward.encryption.plan``).
"""

from __future__ import annotations

from crossward.config.encryption_settings import BFV, NONE, PRECISE, EncryptionSettings
from crossward.config.settings import AUTO
from crossward.encryption.plan import PRESETS, FieldPlan, PlanError

NOISED_BITS = range(14, 19)  # of a value that carries noise: what the tails leave is hundreds of units or more
CKKS_WEIGHT_BITS, CKKS_SUM_BITS = 20, 40  # up to which sums under the baseline round to the exact integers


def field_plan(settings: EncryptionSettings, nodes: int, buffer_size: int, noised: bool = False) -> FieldPlan:
    """The plan for ``nodes`` nodes and a buffer of ``buffer_size`` updates, whose values carry noise if ``noised``.

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
        plan = (widest if noised else cheapest)(nodes, buffer_size)
    plan.check_buffer(buffer_size)
    if settings.policy != NONE and settings.scheme == BFV:
        plan.check_sealable()
    elif settings.policy != NONE:
        _check_baseline(plan)
    return plan


def _check_baseline(plan: FieldPlan) -> None:
    """Refuse a plan whose sums would not round to the exact integers under the baseline's CKKS."""
    weights = plan.weight_bits + plan.guard_bits
    if weights > CKKS_WEIGHT_BITS or plan.value_bits + weights > CKKS_SUM_BITS:
        raise PlanError(
            f"encryption.scheme = 'ckks' is exact up to {CKKS_WEIGHT_BITS} weight and guard bits and {CKKS_SUM_BITS} "
            f"bits in all, the plan has {weights} and {plan.value_bits + weights}: lower the bits of encryption.plan"
        )


def bytes_per_update(plan: FieldPlan, nodes: int, buffer_size: int) -> float:
    """Sealed bytes a value costs per contributed update, up and down together.

    A node misses about N/K versions between its turns and downloads them in sums of up to V.
    """
    up, down = plan.bytes_per_value()
    missed = max(nodes / buffer_size, 1.0)
    return up + down * max(missed / plan.max_versions, 1.0)


def cheapest(nodes: int, buffer_size: int) -> FieldPlan:
    """The preset that moves the fewest bytes among those whose W leaves room for the buffer."""
    fitting = [plan for plan in PRESETS.values() if 4 * buffer_size <= plan.total_weight]
    if not fitting:
        largest = max(plan.total_weight for plan in PRESETS.values()) // 4
        raise PlanError(
            f"no preset holds a buffer of {buffer_size} updates (at most {largest}): set encryption.plan = "
            f"'{PRESETS[PRECISE].value_bits},{(4 * buffer_size - 1).bit_length()},0', or a smaller buffer"
        )
    return min(fitting, key=lambda plan: bytes_per_update(plan, nodes, buffer_size))


def widest(nodes: int, buffer_size: int) -> FieldPlan:
    """The plan that moves the fewest bytes among those wide enough for values that carry noise, then the widest.

    A noise share's tail takes most of a field, so that 8 bits would leave an update a few units. Equal weights need no
    finer W than room for the buffer.
    """
    weight_bits = max((4 * buffer_size - 1).bit_length(), 2)
    plans = [FieldPlan(value, weight_bits, guard) for value in NOISED_BITS for guard in range(9)]
    fitting = [plan for plan in plans if plan.fields_per_slot]
    if not fitting:
        raise PlanError(
            f"no plan of {NOISED_BITS[0]} or more value bits holds a buffer of {buffer_size} updates: use a smaller one"
        )
    return min(fitting, key=lambda p: (bytes_per_update(p, nodes, buffer_size), -p.value_bits, p.guard_bits))
