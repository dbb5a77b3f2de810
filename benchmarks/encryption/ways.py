"""Four ways to hand a server numbers that it adds, behind one interface: float32 in the clear, BFV, CKKS.

A way cuts a vector into pieces, seals pieces, adds the same piece of several clients with the server's weights, and
opens sums. :class:`Ckks` does what NVFlare does with TenSEAL (its parameters, its calls), the server holding a context
without the secret key. NVFlare as it comes multiplies by a client's weight before encrypting and divides once at the
end; ``weighted=False`` adds like that, the other way lets the server choose the weights, as ours does.

Not for: timing (``benchmarks.encryption.rows``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import tenseal
from numpy.typing import NDArray

from crossward.config.encryption_schemes import BFV
from crossward.encryption.aggregator import Arithmetic
from crossward.encryption.aggregator.bfv import BfvArithmetic
from crossward.encryption.holder import Sealer
from crossward.encryption.parallel import SealingPool
from crossward.encryption.plan import FieldPlan
from crossward.encryption.policy import pieces

Vector = NDArray[Any]
CKKS_DEGREE, CKKS_MODULI, CKKS_SCALE = 8192, [60, 40, 40], 2.0**40  # NVFlare's provisioning
CKKS_PIECE = 32 * CKKS_DEGREE // 2  # values of a vector: about a layer's worth


class Inputs(Protocol):
    """What is put in. ``unit`` is what a step of 1 in :meth:`put_in`'s numbers means in the delta's numbers."""

    name: str
    unit: float
    total_weight: int

    def put_in(self, delta: Vector) -> Vector:
        """The numbers that go in for a float32 delta [n]."""

    def cut(self, values: Vector) -> list[Vector]:
        """``values`` in pieces."""


class Way(Inputs, Protocol):
    """What is timed, piece by piece."""

    def seal(self, piece: Vector) -> bytes:
        """A client's bytes."""

    def add(self, parts: Sequence[bytes], weights: Sequence[int], count: int) -> bytes:
        """The server's bytes: the weighted sum of the same piece of several clients, ``count`` values."""

    def open(self, part: bytes, count: int, weight_sum: int) -> Vector:
        """A sum's numbers, in units of ``put_in`` times weights."""


class Float32:
    """FedAvg's ordinary message: no key, nothing hidden."""

    name, unit, total_weight = "float32", 1.0, 128

    def put_in(self, delta: Vector) -> Vector:
        """The delta itself."""
        return delta

    def cut(self, values: Vector) -> list[Vector]:
        """All values as one piece."""
        return [values]

    def seal(self, piece: Vector) -> bytes:
        """The values' bytes, four a value, in the clear."""
        return piece.tobytes()

    def add(self, parts: Sequence[bytes], weights: Sequence[int], count: int) -> bytes:
        """The weighted sum in float32."""
        total = np.zeros(count, dtype=np.float32)
        for data, weight in zip(parts, weights, strict=True):
            total += np.frombuffer(data, dtype=np.float32) * np.float32(weight)
        return total.tobytes()

    def open(self, part: bytes, count: int, weight_sum: int) -> Vector:
        """The sum as float64 [count]."""
        return np.frombuffer(part, dtype=np.float32).astype(np.float64)


class Integers:
    """Integers under a plan, through any of the project's schemes: its sealer and its arithmetic.

    ``value_range`` is the delta of a field's largest value.
    """

    def __init__(self, name: str, plan: FieldPlan, value_range: float, sealer: Sealer, adder: Arithmetic) -> None:
        self.name, self.plan, self.sealer, self.arithmetic = name, plan, sealer, adder
        self.unit, self.total_weight = value_range / plan.q_max, plan.total_weight

    def put_in(self, delta: Vector) -> Vector:
        """Steps of ``unit``, int64 [n], clipped to [-q_max, q_max]."""
        return np.rint(np.clip(delta / self.unit, -self.plan.q_max, self.plan.q_max)).astype(np.int64)

    def cut(self, values: Vector) -> list[Vector]:
        """Pieces of as many values as the sealer takes at once."""
        return [piece.gather(values) for piece in pieces([values.size], [True], self.sealer.chunk)]

    def seal(self, piece: Vector) -> bytes:
        """Fresh ciphertexts, made in this process."""
        return self.sealer.seal(piece)

    def add(self, parts: Sequence[bytes], weights: Sequence[int], count: int) -> bytes:
        """The integer combination under encryption."""
        widths = [self.plan.update_bits] * len(parts)
        return self.arithmetic.combine(parts, weights, widths, self.plan.sum_bits(1), count)

    def open(self, part: bytes, count: int, weight_sum: int) -> Vector:
        """The sum, int64 [count]."""
        return self.sealer.open(part, self.plan.sum_bits(1), count, weight_sum)


class Ours(Integers):
    """BFV under a plan, also in a pool of processes. ``seed`` is the consortium's."""

    def __init__(self, name: str, plan: FieldPlan, seed: bytes, value_range: float) -> None:
        self.pool = SealingPool(BFV, plan, seed, 1)
        super().__init__(name, plan, value_range, self.pool.local, BfvArithmetic(plan))

    def seal_all(self, found: Iterable[Vector], total: int) -> Iterator[bytes]:
        """Seal in processes."""
        return self.pool.seal(found, total)

    def open_all(self, parts: Iterable[tuple[bytes, int, int]], total: int) -> Iterator[Vector]:
        """Open (bytes, count, weight sum) in processes."""
        bits = self.plan.sum_bits(1)
        return self.pool.open(((data, bits, count, weight_sum) for data, count, weight_sum in parts), total)


def ckks_contexts() -> tuple[bytes, bytes]:
    """NVFlare's context with and without the secret key. One thread: cores are given as processes."""
    made = tenseal.context(tenseal.SCHEME_TYPE.CKKS, CKKS_DEGREE, coeff_mod_bit_sizes=CKKS_MODULI, n_threads=1)
    made.generate_relin_keys()
    made.global_scale = CKKS_SCALE
    secret = made.serialize(save_secret_key=True)
    made.make_context_public()
    return secret, made.serialize()


class Ckks:
    """TenSEAL's CKKS vectors with NVFlare's parameters."""

    name, unit, total_weight = "ckks-nvflare", 1.0, 128

    def __init__(self, secret: bytes, public: bytes) -> None:
        self.client = tenseal.context_from(secret, n_threads=1)
        self.server = tenseal.context_from(public, n_threads=1)

    def put_in(self, delta: Vector) -> Vector:
        """The delta itself."""
        return delta

    def cut(self, values: Vector) -> list[Vector]:
        """Pieces of ``CKKS_PIECE`` values, one ciphertext each."""
        return [values[start : start + CKKS_PIECE] for start in range(0, values.size, CKKS_PIECE)]

    def seal(self, piece: Vector) -> bytes:
        """One serialised CKKS vector."""
        data: bytes = tenseal.ckks_vector(self.client, piece).serialize()
        return data

    def add(self, parts: Sequence[bytes], weights: Sequence[int], count: int, weighted: bool = True) -> bytes:
        """The weighted sum, or with ``weighted`` false the plain sum over the weights' total, as NVFlare does it."""
        total: Any = None
        for data, weight in zip(parts, weights, strict=True):
            vector = tenseal.ckks_vector_from(self.server, data)
            if weighted:
                vector = vector * float(weight)
            total = vector if total is None else total + vector
        if not weighted:
            total = total * (1.0 / sum(weights))
        out: bytes = total.serialize()
        return out

    def open(self, part: bytes, count: int, weight_sum: int) -> Vector:
        """The decrypted sum, float64 [count], with CKKS's error in it."""
        return np.array(tenseal.ckks_vector_from(self.client, part).decrypt(), dtype=np.float64)
