"""What parties agree on before a product under encryption: shapes, fixed point, masks, and slots of a ciphertext.

Slots. One ciphertext holds one column's values of several *rows* of the left matrix, value i shifted left by
``i * slot_bits``, so that one multiplication by a weight multiplies all of them.

Masks. A product's integer v lies in [-B, B], B = :attr:`ProductPlan.value_bound`. The weight holder adds
``B + r`` to it, r uniform in [0, M), ``M = 2^mask_bits``. For any two values the masked ones' distributions are at
most ``2B / M`` apart (total variation: intervals of length M, shifted by 2B at most), and the ``rows * columns``
independent ones of a message at most that many times as much. M is chosen so that the whole message's distance is at
most ``2^-hiding``: what the key holder sees is, up to that, independent of h, W and z.

Slots never carry into one another: 0 <= v + B + r < 2B + M <= 2^slot_bits.

Overflow. Okamoto-Uchiyama decrypts modulo a secret prime p, and whoever sees the decryption of a known number beyond p
learns p. The key holder answers only where the plaintext lies in [0, 2^(slots * slot_bits)), at least
``GUARD`` bits below p: a number beyond p passes with probability 2^-GUARD.

Error. With the steps a and b of left and right, |left| <= A, |right| <= C and inner dimension d, the product of the
rounded matrices is off by ``d (A b/2 + C a/2 + ab/4)`` at most: |xy - x'y'| <= |x| |y - y'| + |y'| |x - x'| with
|y'| <= C + b/2. The products and sums of integers are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossward.encryption.forward.fixed_point import FixedPoint
from crossward.encryption.forward.library import ForwardError

LEAST_HIDING = 40
CAPACITY = 682  # bits of a plaintext under a 2048-bit key, sign aside
GUARD = 80
MOST_VALUES = 1 << 26  # of a matrix: a message of some gigabytes


@dataclass(frozen=True)
class ProductPlan:
    """``left`` [rows, inner] times ``right`` [inner, columns]; ``hiding``: bits by which a message is masked."""

    left: FixedPoint
    right: FixedPoint
    rows: int
    inner: int
    columns: int
    hiding: int = LEAST_HIDING

    def __post_init__(self) -> None:
        if min(self.rows, self.inner, self.columns) < 1:
            raise ForwardError(
                f"a product of [{self.rows}, {self.inner}] and [{self.inner}, {self.columns}] was asked for; every "
                "dimension is at least 1"
            )
        if max(self.rows * self.inner, self.inner * self.columns, self.rows * self.columns) > MOST_VALUES:
            raise ForwardError(f"a product takes matrices of at most {MOST_VALUES} values; split it by rows")
        if self.hiding < LEAST_HIDING:
            raise ForwardError(
                f"masks that hide by {self.hiding} bits were asked for; expected at least {LEAST_HIDING}, or the key "
                "holder learns of the values"
            )
        if self.value_bound >= 1 << 52:
            raise ForwardError(
                f"a sum of {self.inner} products of {self.left.bits} and {self.right.bits} bits exceeds 52 bits; use "
                "fewer bits"
            )
        if self.slots < 1:
            raise ForwardError(
                f"masked values of {self.slot_bits} bits do not fit into a ciphertext's {CAPACITY - GUARD}; use a "
                f"hiding of fewer bits than {self.hiding}"
            )

    @property
    def value_bound(self) -> int:
        """B: most that a product's integer can be."""
        return self.inner * self.left.largest * self.right.largest

    @property
    def mask_bits(self) -> int:
        """log2 of M."""
        return (2 * self.value_bound - 1).bit_length() + (self.rows * self.columns - 1).bit_length() + self.hiding

    @property
    def slot_bits(self) -> int:
        """Bits of a masked value."""
        return self.mask_bits + 1  # 2B < M

    @property
    def slots(self) -> int:
        """Rows a ciphertext."""
        return min((CAPACITY - GUARD) // self.slot_bits, self.rows)

    @property
    def groups(self) -> int:
        """Ciphertexts a column."""
        return -(-self.rows // self.slots)

    @property
    def opened_bytes(self) -> int:
        """Bytes of one masked plaintext."""
        return -(-self.slots * self.slot_bits // 8)

    @property
    def distance(self) -> float:
        """Bound on the total variation between what the key holder sees under any two inputs."""
        return float(self.rows * self.columns * 2 * self.value_bound / (1 << self.mask_bits))

    @property
    def error(self) -> float:
        """Most that a value of the product can be off, against the same product in real numbers."""
        a, b = self.left.step, self.right.step
        rounding = self.inner * (self.left.bound * b / 2 + self.right.bound * a / 2 + a * b / 4)
        return rounding * (1.0 + 1e-9)  # and the double precision of the clear result
