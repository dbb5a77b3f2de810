"""The node's exact copy of the global adapter: one integer accumulator per scale epoch.

A version record is ``sum_k w_k (q_k + offset)`` and its dither, with its exact ``sum_k w_k``. Adding integers is
associative, so a node's state does not depend on how its records were grouped; floats are made from the accumulators
in a fixed order, so every node that reached a version holds the same bits. With cached updates the mean of caches is
followed beside the sums (``client_app.cached.mean``).

Accumulators are int32 where the run is short enough for it, else int64, and are worked on a stretch at a time: an
adapter of 8B-model size takes little more than its own bytes.

Not for: files (``client_app.state.folder``), opening what is sealed (``client_app.update.payloads``).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client_app.cached.mean import CachedMean
from client_app.update.payloads import Opened, Payloads, UnopenedError
from crossward.adapters.ranks import Ranks
from crossward.config.schedule import Schedule
from crossward.config.variance_reduction import NO_BLOCK
from crossward.encryption.holder import Integers
from crossward.encryption.plan import FieldPlan
from crossward.encryption.snapshot import SnapshotError
from crossward.protocol.messages import HALF_BITS, HALVES, RecordHead, SnapshotHead
from crossward.protocol.parts import Payload, ProtocolError

_STRETCH = 1 << 20


class Accumulators:
    """Scale epoch -> int32 or int64 [total], at ``version``.

    ``reverted`` says of versions whether they were taken back. Others are in the sum, but those up to ``since``, the
    version of the snapshot that it goes on from: of them that is learned when one is taken back or put back.
    """

    def __init__(
        self,
        version: int = 0,
        values: Mapping[int, NDArray[Any]] | None = None,
        reverted: Mapping[int, bool] | None = None,
        since: int = 0,
        cached: CachedMean | None = None,
    ) -> None:
        self.version, self.reverted, self.since = version, dict(reverted or {}), since
        self.values: dict[int, NDArray[Any]] = dict(values or {})
        self.cached = cached

    def add(self, head: RecordHead, opened: Opened, total: int, plan: FieldPlan, versions: int) -> None:
        """Add the record of versions ``head.first``..``head.last``, opened; they must follow the version held.

        ``total`` is the adapter's number of values, ``versions`` the run's last version. When something is wrong with
        the record this raises and the accumulators are of no more use: the state on disk is the one to go back to.
        """
        self._check(head, plan)
        if head.reverts:
            self._revert(head)
        if head.block != NO_BLOCK:
            self.cached = self.cached or CachedMean.zeros(total)
            self.cached.begin(head)
        held = self.values.get(head.epoch)
        if held is None:
            kind = np.int32 if plan.snapshot_bits(versions) <= 32 else np.int64
            held = self.values[head.epoch] = np.zeros(total, dtype=kind)
        limit = np.iinfo(held.dtype).max
        for place, values in opened:
            after = held[place] + values * np.int64(head.sign)
            if after.size and max(int(after.max()), -int(after.min())) > limit:
                raise UnopenedError(f"the record of version {head.last} holds values that no run can reach")
            held[place] = after
            if self.cached is not None:
                self.cached.add(head, place, values)
        if self.cached is not None:
            self.cached.end(head)
        self.version = head.last

    def _check(self, head: RecordHead, plan: FieldPlan) -> None:
        """Refuse a record that does not follow, or whose numbers cannot be."""
        if head.first != self.version + 1 or head.last < head.first:
            raise ProtocolError(
                f"a record of versions {head.first}..{head.last} does not follow version {self.version}"
            )
        if head.sign not in (1, -1) or not 0 < head.weight_sum <= plan.total_weight * (head.last - head.first + 1):
            raise ProtocolError(f"the record of version {head.last} has sign {head.sign}, weights {head.weight_sum}")
        most = plan.most_dithers(head.last - head.first + 1)
        if not 0 <= head.dithered <= most:
            raise ProtocolError(
                f"the record of versions {head.first}..{head.last} says that it carries {head.dithered} dithers, its "
                f"fields hold 0 to {most}"
            )
        _check_block(head)

    def _revert(self, head: RecordHead) -> None:
        """Take note of a version that is taken back, or put back: it counts once or not at all."""
        takes_back, gone = head.sign == -1, self.reverted.get(head.reverts)
        if gone is None:
            gone = not takes_back and head.reverts <= self.since
        if not 0 < head.reverts < head.first or takes_back == gone:
            raise ProtocolError(
                f"the record of version {head.last} {'takes' if takes_back else 'puts'} back version {head.reverts}, "
                f"which is {'no longer' if gone else 'still'} in the sum"
            )
        self.reverted[head.reverts] = takes_back

    def skip(self, head: RecordHead) -> None:
        """Skip a discarded version: an empty record."""
        if head.first != self.version + 1 or head.last != head.first:
            raise ProtocolError(f"a discarded version {head.first} does not follow version {self.version}")
        self.version, self.reverted[head.last] = head.last, True

    def vector(
        self, initial: NDArray[np.float32], plan: FieldPlan, schedule: Schedule, ranks: Ranks | None = None
    ) -> NDArray[np.float32]:
        """Adapter at this version, float32 [total]: ``x0 + eta/W * sum_e unit_e * acc_e``, epochs in order.

        With cached updates, what their mean moved is added. With ``ranks`` of hospitals, sums are divided as those say.
        """
        out = np.empty(initial.size, dtype=np.float32)
        for start in range(0, initial.size, _STRETCH):
            here = slice(start, min(start + _STRETCH, initial.size))
            exact = initial[here].astype(np.float64)
            factors = 1.0 if ranks is None or not ranks.divided else ranks.factors(here)
            for epoch in sorted(self.values):
                unit = schedule.value_range(epoch) / plan.q_max
                exact += self.values[epoch][here] * (schedule.server_rate * unit / plan.total_weight) * factors
            if self.cached is not None:
                unit = schedule.value_range(0) / plan.q_max
                exact += self.cached.shift(here) * (schedule.server_rate * unit / plan.total_weight) * factors
            out[here] = exact
        return out

    def hash(self, lineage: str, key: bytes) -> str:
        """HMAC-SHA-256 of lineage, version and integers, hex. An epoch of zeros counts as absent."""
        mac = hmac.new(key, f"{lineage}:{self.version}".encode(), "sha256")
        for epoch in sorted(self.values):
            values = self.values[epoch]
            if values.any():
                mac.update(f":{epoch}:".encode())
                for start in range(0, values.size, _STRETCH):
                    mac.update(values[start : start + _STRETCH].astype("<i8").data)
        if self.cached is not None:
            self.cached.update(mac)
        return mac.hexdigest()


def _check_block(head: RecordHead) -> None:
    """Refuse a block of cached updates that cannot be."""
    block = head.block
    if block == NO_BLOCK:
        return
    least = 0 if block.number == 1 else 1
    if min(block[:4]) < 1 or min(block.closed, block.before) < least or max(block) >= 1 << 40:
        raise ProtocolError(
            f"the record of versions {head.first}..{head.last} is of the impossible block {tuple(block)}"
        )


def _place(lineage: str, layout: str, version: int, epoch: int) -> str:
    return f"{lineage}:{layout}:{version}:{epoch}"


def take_snapshot(
    state: Accumulators, payloads: Payloads, versions: int, lineage: str, layout: str
) -> tuple[SnapshotHead, tuple[Payload, ...]]:
    """A lossless copy of ``state``: one payload an epoch, sealed when the run is."""
    bits, epochs = payloads.plan.snapshot_bits(versions), tuple(sorted(state.values))
    parts: list[tuple[int, NDArray[Any], int]] = [(epoch, state.values[epoch], bits) for epoch in epochs]
    if state.cached is not None:
        parts += [(name, half, HALF_BITS) for name, half in zip(HALVES, state.cached.halves(), strict=True)]
    made = tuple(payloads.wrap(v, bits, _place(lineage, layout, state.version, name)) for name, v, bits in parts)
    at = tuple(state.cached.at) if state.cached is not None else ()
    return SnapshotHead(state.version, tuple(name for name, _, _ in parts), payloads.vault.fingerprint, at), made


def from_snapshot(
    head: SnapshotHead, parts: Iterable[Payload], payloads: Payloads, versions: int, lineage: str, layout: str
) -> Accumulators:
    """Undo :func:`take_snapshot`."""
    bits = payloads.plan.snapshot_bits(versions)
    values: dict[int, NDArray[Any]] = {}
    halves: list[Integers] = []
    try:
        for epoch, payload in zip(head.epochs, parts, strict=True):
            place, half = _place(lineage, layout, head.version, epoch), epoch in HALVES
            opened: Integers = payloads.unwrap(payload, HALF_BITS if half else bits, head.key, place)
            if half:
                halves.append(opened)
            else:
                values[epoch] = opened.astype(np.int32) if bits <= 32 else opened
        if halves and head.epochs[-len(HALVES) :] != HALVES:
            raise ProtocolError("it lacks a part of the cached updates")
        cached = CachedMean.from_halves(halves, head.cached) if halves else None
    except (ProtocolError, SnapshotError, ValueError) as error:
        raise ProtocolError(f"the snapshot of version {head.version} cannot be used: {error}") from error
    return Accumulators(head.version, values, since=head.version, cached=cached)
