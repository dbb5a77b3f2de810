"""The field plan: how many bits a value, a weight and a sum of versions may take.

A node's value q lies in [-q_max, q_max]. It travels as the unsigned field ``q + offset``. A version is
``sum_k w_k (q_k + offset) + d`` with ``sum_k w_k <= W`` and a dither d of 0 to W - 2 (``crossward.encryption.dither``).
It is at most ``W (2 offset - 1) + W - 2``, so it fits ``value_bits + log2 W`` bits; a sum of up to V versions fits
``log2 V`` (the guard bits) more. Nothing here depends on a hospital's data.

Sealed fields share plaintext slots: k fields of ``field_bits`` bits each in a slot, under a prime plain modulus of
``k * field_bits`` bits. BFV adds them exactly while the noise of the sum has room (:meth:`FieldPlan.margin`).

Not for: packing (``crossward.encryption.packing``, ``crossward.encryption.bfv``) or choosing weights
(``strategies.aggregation.weighting``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from crossward.config.encryption_settings import BALANCED, COMPACT, PRECISE

RING = 4096  # coefficients of a ciphertext's polynomials, and slots of a plaintext
MODULUS_BITS = 60  # of the one prime of the ciphertext modulus
FRESH_NOISE = 21.5  # SEAL's centred binomial noise is at most 21, rounding the scaled message adds a half
PLAIN_NOISE = 0.5  # of adding a plaintext: rounding the scaled message


class PlanError(ValueError):
    """Numbers of a field plan clash."""

    tellable = True  # see client_app.guard.refusals


@dataclass(frozen=True)
class FieldPlan:
    """Bits per field. ``W = 2**weight_bits`` and ``V = 2**guard_bits``."""

    value_bits: int
    weight_bits: int
    guard_bits: int

    def __post_init__(self) -> None:
        if not 2 <= self.value_bits <= 24:
            raise PlanError(f"encryption.plan: {self.value_bits} value bits: expected 2 to 24")
        if not 2 <= self.weight_bits <= 20:
            raise PlanError(f"encryption.plan: {self.weight_bits} weight bits: expected 2 to 20 (W = 4 to 1048576)")
        if not 0 <= self.guard_bits <= 16:
            raise PlanError(f"encryption.plan: {self.guard_bits} guard bits: expected 0 to 16 (V = 1 to 65536)")

        if self.value_bits + self.weight_bits > 40:
            raise PlanError(
                f"encryption.plan: {self.value_bits} value bits and {self.weight_bits} weight bits are "
                f"{self.value_bits + self.weight_bits} bits together: at most 40, so that sums of a long run fit 62"
            )

    @property
    def field_bits(self) -> int:
        """Bits of a sealed field: room for a sum of V versions."""
        return self.value_bits + self.weight_bits + self.guard_bits

    def margin(self, fields: int) -> float:
        """Bits of noise room left with ``fields`` fields a slot; sums are exact while it is above 0.

        ``60 - (k * field + 1 + log2((21.5 W + 0.5) V))``: V versions, each of W times the fresh noise and of a dither,
        which adds a rounding error, still decrypt.
        """
        noise = math.log2(FRESH_NOISE * self.total_weight + PLAIN_NOISE) + self.guard_bits
        return MODULUS_BITS - (self.plain_bits(fields) + 1 + noise)

    def plain_bits(self, fields: int) -> int:
        """Bits of the plain modulus for ``fields`` fields a slot: those of the slot, or one more.

        The modulus is the largest batching prime of so many bits. Those lie within about 2**20 of the power of two, and
        the largest slot stays ``2 V 2**((k-1) field)`` below it: where that is less, the modulus takes another bit.
        """
        below = 1 + self.guard_bits + (fields - 1) * self.field_bits
        return fields * self.field_bits + (0 if below >= 22 else 1)

    @property
    def largest_slot(self) -> int:
        """What a slot holds at most: every value and dither at its largest, W and V used up."""
        largest = ((2 * self.offset - 1) * self.total_weight + self.total_weight - 2) * self.max_versions
        return sum(largest << (number * self.field_bits) for number in range(self.fields_per_slot))

    def snapshot_bits(self, versions: int) -> int:
        """Bits of an accumulator's field in a snapshot: enough for ``versions`` versions, whatever they hold."""
        return self.value_bits + self.weight_bits + max(versions, 1).bit_length() + 1

    @property
    def fields_per_slot(self) -> int:
        """k: the most fields a slot can hold; 0 when not even one fits."""
        fields = 0
        while self.margin(fields + 1) > 0:
            fields += 1
        return fields

    def check_sealable(self) -> None:
        """Refuse a plan whose sums BFV would not add exactly.

        Raises
        ------
        PlanError
            with the numbers that clash.
        """
        if self.fields_per_slot < 1:
            raise PlanError(
                f"encryption: a field of {self.value_bits} value + {self.weight_bits} weight + {self.guard_bits} guard "
                f"bits needs {MODULUS_BITS - self.margin(1):.1f} bits with its noise (modulus + 1 + log2(21.5 W V + "
                f"V / 2)), a ciphertext has {MODULUS_BITS}: lower the bits of encryption.plan by "
                f"{math.ceil(-self.margin(1)) or 1} in all, or use encryption.policy = 'none'"
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
    def dither_mean(self) -> int:
        """Mean of a version's dither, which is uniform over 0 .. W-2; opening removes it."""
        return self.total_weight // 2 - 1

    def removed(self, weight_sum: int, dithered: int) -> int:
        """What opening subtracts from every field of a sum of weights ``weight_sum`` and ``dithered`` dithers."""
        return self.offset * weight_sum + self.dither_mean * dithered

    def most_dithers(self, versions: int) -> int:
        """How many dithers the fields of a sum of ``versions`` versions hold at all."""
        return (versions << (self.value_bits + self.weight_bits)) // (self.total_weight - 2)

    def largest_sum(self, weight_sum: int, dithered: int) -> int:
        """Largest magnitude of an opened value of such a sum."""
        return self.q_max * weight_sum + self.dither_mean * dithered

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
                f"{self.max_versions}); split the sum or raise the guard bits of encryption.plan"
            )
        return self.value_bits + self.weight_bits + (versions - 1).bit_length()

    def check_buffer(self, buffer_size: int) -> None:
        """Refuse a buffer whose updates could not all weigh something: at most W/4 updates a version."""
        if buffer_size * 4 > self.total_weight:
            raise PlanError(
                f"strategy.buffer-size = {buffer_size} is more than a quarter of W = {self.total_weight} "
                f"({self.weight_bits} weight bits): use a buffer of at most {self.total_weight // 4} "
                "or more weight bits in encryption.plan"
            )

    def bytes_per_value(self) -> tuple[float, float]:
        """Bytes a sealed value takes in an update (up) and in a sum (down), ciphertexts being full."""
        values = RING * self.fields_per_slot
        return FRESH_BYTES / values, SUM_BYTES / values


FRESH_BYTES = RING * MODULUS_BITS // 8 + 64  # a fresh symmetric ciphertext: one polynomial and the other's seed
SUM_BYTES = 2 * RING * MODULUS_BITS // 8  # any other: two polynomials

PRESETS = {
    COMPACT: FieldPlan(value_bits=8, weight_bits=7, guard_bits=0),
    BALANCED: FieldPlan(value_bits=8, weight_bits=6, guard_bits=6),
    PRECISE: FieldPlan(value_bits=12, weight_bits=10, guard_bits=0),
}
