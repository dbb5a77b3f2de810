"""The field plan: how many bits a value, a weight and a sum of versions may take.

A node's value q lies in [-q_max, q_max]. It travels as the unsigned field ``q + offset``. A version is
``sum_k w_k (q_k + offset)`` with ``sum_k w_k <= W``, so it fits ``value_bits + log2 W`` bits; a sum of up to
V versions fits ``log2 V`` (the guard bits) more. Nothing here depends on a hospital's data.

Not for: packing (``encryption.packing``) or choosing weights (``strategies.weighting``).
"""

from __future__ import annotations

from dataclasses import dataclass, field


class PlanError(ValueError):
    """Numbers of a field plan clash."""


@dataclass(frozen=True)
class FieldPlan:
    """Bits per field. ``W = 2**weight_bits`` and ``V = 2**guard_bits``."""

    value_bits: int
    weight_bits: int
    guard_bits: int

    def __post_init__(self) -> None:
        if not 2 <= self.value_bits <= 24:
            raise PlanError(f"encryption.value-bits = {self.value_bits}: expected 2 to 24 bits a value")
        if not 2 <= self.weight_bits <= 20:
            raise PlanError(f"encryption.weight-bits = {self.weight_bits}: expected 2 to 20 (W = 4 to 1048576)")
        if not 0 <= self.guard_bits <= 16:
            raise PlanError(f"encryption.guard-bits = {self.guard_bits}: expected 0 to 16 (V = 1 to 65536)")

        if self.value_bits + self.weight_bits > 40:
            raise PlanError(
                f"encryption.value-bits = {self.value_bits} and encryption.weight-bits = {self.weight_bits} are "
                f"{self.value_bits + self.weight_bits} bits together: at most 40, so that sums of a long run fit 62"
            )

    @property
    def offset(self) -> int:
        """What is added to a value so that its field is unsigned."""
        return 1 << (self.value_bits - 1)

    @property
    def q_max(self) -> int:
        """Largest magnitude of a quantised value."""
        return self.offset - 1

    @property
    def total_weight(self) -> int:
        """W: the most that a version's integer weights may sum to, and the constant divisor."""
        return 1 << self.weight_bits

    @property
    def max_versions(self) -> int:
        """V: how many versions may be added up in one record."""
        return 1 << self.guard_bits

    @property
    def update_bits(self) -> int:
        """Bits of a field in a node's update."""
        return self.value_bits

    def sum_bits(self, versions: int) -> int:
        """Bits of a field in a sum of ``versions`` versions (1 <= versions <= V)."""
        if not 1 <= versions <= self.max_versions:
            raise PlanError(
                f"a sum of {versions} versions does not fit {self.guard_bits} guard bits (at most "
                f"{self.max_versions}); split the sum or raise encryption.guard-bits"
            )
        return self.value_bits + self.weight_bits + (versions - 1).bit_length()

    def check_buffer(self, buffer_size: int) -> None:
        """Refuse a buffer whose updates could not all weigh something: at most W/4 updates a version."""
        if buffer_size * 4 > self.total_weight:
            raise PlanError(
                f"strategy.buffer-size = {buffer_size} is more than a quarter of W = {self.total_weight} "
                f"(encryption.weight-bits = {self.weight_bits}): use a buffer of at most {self.total_weight // 4} "
                "or more weight bits"
            )


PRESETS = {
    "compact": FieldPlan(value_bits=8, weight_bits=7, guard_bits=0),
    "balanced": FieldPlan(value_bits=8, weight_bits=6, guard_bits=6),
    "precise": FieldPlan(value_bits=12, weight_bits=10, guard_bits=0),
}


@dataclass(frozen=True)
class EncryptionSettings:
    """Run-config keys under ``encryption.``."""

    preset: str = field(
        default="auto",
        metadata={
            "key": "encryption.preset",
            "help": "Bits per field: compact 8+7+0 (value, weight, guard), balanced 8+6+6, precise 12+10+0; "
            "auto takes compact up to twice as many nodes as the buffer holds, else balanced.",
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

    def plan(self, nodes: int, buffer_size: int) -> FieldPlan:
        """The plan for ``nodes`` nodes and a buffer of ``buffer_size`` updates."""
        name = self.preset
        if name == "auto":
            name = "compact" if nodes <= 2 * buffer_size else "balanced"
        base = PRESETS[name]
        plan = FieldPlan(
            self.value_bits or base.value_bits,
            self.weight_bits or base.weight_bits,
            base.guard_bits if self.guard_bits < 0 else self.guard_bits,
        )
        plan.check_buffer(buffer_size)
        return plan
