"""The holder's face: signed integers into parts and parts back into signed integers.

Only hospitals and the evaluation import this module; the aggregator never does (an import-contract test
holds that). A :class:`Sealer` makes and opens the parts of one kind, clear or of a scheme
(``crossward.config.encryption_schemes``), which is a module of this package; :mod:`crossward.encryption.parallel` runs
sealers in processes.

Not for: adding parts (``crossward.encryption.aggregator``) or making integers from floats
(``client_app.update.quantise``).
"""

from __future__ import annotations

import functools
from pkgutil import resolve_name
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crossward.config.encryption_schemes import SCHEMES
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.packing import CLEAR, Buffer, pack, unpack
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret

Integers = NDArray[np.int64]


class Sealer(Protocol):
    """Parts of one kind, of at most ``chunk`` values each."""

    kind: str
    chunk: int

    def seal(self, values: NDArray[Any]) -> bytes:
        """A node's part: [n] of any integer type, in [-q_max, q_max]."""

    def open(self, data: Buffer, bits: int, count: int, weight_sum: int, dithered: int = 0) -> Integers:
        """``sum w*q``, int64 [count], of a part that is ``sum w*(q + offset)`` with ``sum w = weight_sum``.

        ``dithered`` is how many dithers it carries: their means are removed, the rest stays in the values.
        """


def unsigned(values: NDArray[Any], plan: FieldPlan) -> Integers:
    """Signed values as unsigned fields, int64."""
    values = values.astype(np.int64)
    if values.size and max(int(values.max()), -int(values.min())) > plan.q_max:
        raise ValueError(f"a quantised value exceeds q_max = {plan.q_max} of {plan.value_bits} value bits")
    return values + plan.offset


class ClearSealer:
    """Bit-packed fields, for blocks that the policy leaves in the clear."""

    kind = CLEAR

    def __init__(self, plan: FieldPlan) -> None:
        self.plan, self.chunk = plan, 1 << 18

    def seal(self, values: NDArray[Any]) -> bytes:
        """``values`` [n] as packed unsigned fields of the plan's update bits."""
        return pack(unsigned(values, self.plan), self.plan.update_bits)

    def open(self, data: Buffer, bits: int, count: int, weight_sum: int, dithered: int = 0) -> Integers:
        """``sum w*q``, int64 [count], of packed fields of ``bits`` bits."""
        return unpack(data, bits, count) - np.int64(self.plan.removed(weight_sum, dithered))


@functools.lru_cache(maxsize=4)
def sealer(scheme: str, plan: FieldPlan, material: bytes) -> Sealer:
    """The sealer of a scheme; ``material`` is :func:`key_material`. Made once a process."""
    made: Sealer = resolve_name(f"crossward.encryption.holder.{SCHEMES[scheme].sealer}")(plan, material)
    return made


def key_material(scheme: str, key: ConsortiumKey, secret: Secret) -> bytes:
    """What a scheme seals and opens with under ``secret`` of ``key``; empty when the key does not hold it.

    A key holds one context, which belongs to the secret in use.
    """
    if size := SCHEMES[scheme].seed_bytes:
        return secret.seed(scheme, size)
    return key.ckks if secret == key.current else b""
