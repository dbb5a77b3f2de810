"""Run-config keys under ``encryption.``, and the plan they come to.

Not for: what a plan means (``crossward.encryption.plan``) or where a hospital keeps its key (node config).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crossward.encryption.plan import PRESETS, FieldPlan, PlanError
from crossward.encryption.schemes import BFV, SCHEMES

ALL, SENSITIVE, NONE = "all", "sensitive", "none"
NOISED_BITS = range(14, 19)  # of a value that carries noise: what the tails leave is hundreds of units or more


@dataclass(frozen=True)
class EncryptionSettings:
    """What is sealed, how, and with how many bits a field."""

    policy: str = field(
        default=ALL,
        metadata={
            "key": "encryption.policy",
            "help": "Which adapter blocks are sealed: all; sensitive, the most sensitive ones; none.",
            "choices": (ALL, SENSITIVE, NONE),
        },
    )
    fraction: float = field(
        default=0.3,
        metadata={
            "key": "encryption.fraction",
            "help": "Share of the values that policy sensitive seals, most sensitive blocks first.",
            "above": 0.0,
            "max": 1.0,
        },
    )
    scheme: str = field(
        default=BFV,
        metadata={
            "key": "encryption.scheme",
            "help": "; ".join(f"{name}: {scheme.about}" for name, scheme in SCHEMES.items()) + ".",
            "choices": tuple(SCHEMES),
        },
    )
    preset: str = field(
        default="auto",
        metadata={
            "key": "encryption.preset",
            "help": "Bits per field: compact 8+7+0 (value, weight, guard), balanced 8+6+6, precise 12+10+0; "
            "auto takes the one that moves the fewest bytes for the run's nodes and buffer; with privacy.unit hospital "
            "values are as wide as fit two to a slot, 14 to 18 bits.",
            "choices": ("auto", *PRESETS),
        },
    )
    value_bits: int = field(
        default=0,
        metadata={
            "key": "encryption.value-bits",
            "help": "Bits per value; 0 as the preset says.",
            "min": 0,
            "max": 24,
        },
    )
    weight_bits: int = field(
        default=0,
        metadata={
            "key": "encryption.weight-bits",
            "help": "log2 of W, the integer weights' largest sum; 0 as the preset says.",
            "min": 0,
            "max": 20,
        },
    )
    guard_bits: int = field(
        default=-1,
        metadata={
            "key": "encryption.guard-bits",
            "help": "log2 of V, how many versions one catch-up sum may hold; -1 as the preset says.",
            "min": -1,
            "max": 16,
        },
    )
    key: str = field(
        default="",
        metadata={
            "key": "encryption.key",
            "help": "Fingerprint of the consortium key that updates must be made under; empty: version 1 fixes it.",
        },
    )
    workers: int = field(
        default=0,
        metadata={
            "key": "encryption.workers",
            "help": "Processes that seal and open large adapters at a node; 0 = its cores, up to 8.",
            "min": 0,
            "max": 1024,
        },
    )

    def __post_init__(self) -> None:
        if self.key and not (len(self.key) == 16 and set(self.key) <= set("0123456789abcdef")):
            raise ValueError(
                f"encryption.key = {self.key!r} is no fingerprint: expected 16 hex digits, as "
                "`crossward keys show` prints them"
            )

    def plan(self, nodes: int, buffer_size: int, noised: bool = False) -> FieldPlan:
        """The plan for ``nodes`` nodes and a buffer of ``buffer_size`` updates, whose values carry noise if ``noised``.

        Raises
        ------
        PlanError
            when it does not fit the buffer, or sealed sums under it would not be exact.
        """
        automatic = widest if noised else cheapest
        base = PRESETS[self.preset] if self.preset != "auto" else automatic(nodes, buffer_size, self.scheme)
        plan = FieldPlan(
            self.value_bits or base.value_bits,
            self.weight_bits or base.weight_bits,
            base.guard_bits if self.guard_bits < 0 else self.guard_bits,
        )
        plan.check_buffer(buffer_size)
        if self.policy != NONE:
            SCHEMES[self.scheme].check(plan)
        return plan


def bytes_per_update(plan: FieldPlan, nodes: int, buffer_size: int, scheme: str = BFV) -> float:
    """Sealed bytes a value costs per contributed update, up and down together.

    A node misses about N/K versions between its turns and downloads them in sums of up to V.
    """
    up, down = SCHEMES[scheme].bytes_per_value(plan)
    missed = max(nodes / buffer_size, 1.0)
    return up + down * max(missed / plan.max_versions, 1.0)


def cheapest(nodes: int, buffer_size: int, scheme: str) -> FieldPlan:
    """The preset that moves the fewest bytes among those whose W leaves room for the buffer."""
    fitting = [plan for plan in PRESETS.values() if 4 * buffer_size <= plan.total_weight]
    if not fitting:
        largest = max(plan.total_weight for plan in PRESETS.values()) // 4
        raise PlanError(
            f"no preset holds a buffer of {buffer_size} updates (at most {largest}): set encryption.preset = 'precise' "
            f"and encryption.weight-bits = {(4 * buffer_size - 1).bit_length()} or more, or a smaller buffer"
        )
    return min(fitting, key=lambda plan: bytes_per_update(plan, nodes, buffer_size, scheme))


def widest(nodes: int, buffer_size: int, scheme: str) -> FieldPlan:
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
    return min(fitting, key=lambda p: (bytes_per_update(p, nodes, buffer_size, scheme), -p.value_bits, p.guard_bits))
