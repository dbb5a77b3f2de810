"""The node's exact copy of the global adapter: one integer accumulator per scale epoch.

A version record is ``sum_k w_k (q_k + offset)`` with its exact ``sum_k w_k``. Adding integers is associative, so
a node's state does not depend on how its records were grouped; floats are made from the accumulators in a
fixed order, so every node that reached a version holds the same bits.

Not for: files (``client_app.state``).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from encryption.holder import close_clear, open_clear
from encryption.packing import CLEAR, pack, unpack
from encryption.plan import FieldPlan
from protocol.messages import RecordHead, SnapshotHead
from protocol.parts import Part, PartHead, Payload, ProtocolError, join
from protocol.schedule import Schedule

Integers = NDArray[np.int64]


def close_values(values: Integers, sizes: Iterable[int], plan: FieldPlan) -> Payload:
    """An update's payload: one clear part for each block of ``sizes`` values."""
    parts, start = [], 0
    for size in sizes:
        data = close_clear(values[start : start + size], plan)
        parts.append(Part(PartHead(CLEAR, size, plan.update_bits, len(data)), data))
        start += size
    return join(parts)


def open_values(payload: Payload, weight_sum: int, sizes: Iterable[int], plan: FieldPlan) -> Integers:
    """``sum w*q`` of a record's payload, int64 [total]."""
    expected = tuple((CLEAR, size) for size in sizes)
    if payload.shape != expected:
        raise ProtocolError(
            f"a record of {len(payload.heads)} parts does not follow the layout's {len(expected)} blocks"
        )
    pieces = [open_clear(p.data, p.head.bits, p.head.length, weight_sum, plan) for p in payload]
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int64)


class Accumulators:
    """Scale epoch -> int64 [total], at ``version``."""

    def __init__(self, version: int = 0, values: Mapping[int, Integers] | None = None) -> None:
        self.version = version
        self.values: dict[int, Integers] = dict(values or {})

    def add(self, head: RecordHead, payload: Payload, sizes: tuple[int, ...], plan: FieldPlan) -> None:
        """Add the record of versions ``head.first``..``head.last``; they must follow the version held."""
        if head.first != self.version + 1 or head.last < head.first:
            raise ProtocolError(
                f"a record of versions {head.first}..{head.last} does not follow version {self.version}"
            )
        if head.sign not in (1, -1) or not 0 < head.weight_sum <= plan.total_weight * (head.last - head.first + 1):
            raise ProtocolError(f"the record of version {head.last} has sign {head.sign}, weights {head.weight_sum}")
        total = open_values(payload, head.weight_sum, sizes, plan) * head.sign
        held = self.values.get(head.epoch)
        self.values[head.epoch] = total if held is None else held + total
        self.version = head.last

    def vector(self, initial: NDArray[np.float32], plan: FieldPlan, schedule: Schedule) -> NDArray[np.float32]:
        """Adapter at this version, float32 [total]: ``x0 + eta/W * sum_e unit_e * acc_e``, epochs in order."""
        out = initial.astype(np.float64)
        for epoch in sorted(self.values):
            unit = schedule.value_range(epoch) / plan.q_max
            out += self.values[epoch] * (schedule.server_rate * unit / plan.total_weight)
        return out.astype(np.float32)

    def hash(self, lineage: str, key: bytes) -> str:
        """HMAC-SHA-256 of lineage, version and integers, hex. An epoch of zeros counts as absent."""
        mac = hmac.new(key, f"{lineage}:{self.version}".encode(), "sha256")
        for epoch in sorted(self.values):
            if self.values[epoch].any():
                mac.update(f":{epoch}:".encode())
                mac.update(np.ascontiguousarray(self.values[epoch], dtype="<i8").data)
        return mac.hexdigest()


def snapshot_bits(plan: FieldPlan, versions: int) -> int:
    """Bits of an accumulator's field in a snapshot: enough for ``versions`` versions, whatever they hold."""
    return plan.value_bits + plan.weight_bits + max(versions, 1).bit_length() + 1


def take_snapshot(
    state: Accumulators, sizes: tuple[int, ...], plan: FieldPlan, versions: int
) -> tuple[SnapshotHead, tuple[Payload, ...]]:
    """A lossless copy of ``state``: one payload an epoch, fields offset by ``1 << (bits - 1)``."""
    bits = snapshot_bits(plan, versions)
    payloads = []
    for epoch in sorted(state.values):
        parts, start = [], 0
        for size in sizes:
            data = pack(state.values[epoch][start : start + size] + (1 << (bits - 1)), bits)
            parts.append(Part(PartHead(CLEAR, size, bits, len(data)), data))
            start += size
        payloads.append(join(parts))
    return SnapshotHead(state.version, tuple(sorted(state.values))), tuple(payloads)


def from_snapshot(
    head: SnapshotHead, payloads: Iterable[Payload], sizes: tuple[int, ...], plan: FieldPlan, versions: int
) -> Accumulators:
    """Undo :func:`take_snapshot`."""
    bits = snapshot_bits(plan, versions)
    values = {}
    for epoch, payload in zip(head.epochs, payloads, strict=True):
        if [(h.kind, h.length, h.bits) for h in payload.heads] != [(CLEAR, size, bits) for size in sizes]:
            raise ProtocolError(f"the snapshot of version {head.version} does not follow the layout")
        pieces = [unpack(p.data, bits, p.head.length) - (1 << (bits - 1)) for p in payload]
        values[epoch] = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int64)
    return Accumulators(head.version, values)
