"""An adapter's integers <-> payloads: which values are sealed, under which key, in which parts.

The one place at a node that knows the consortium key. A value that the policy seals never leaves unsealed: a node
without a key refuses, it does not fall back.

Not for: key files (``crossward.cli.keys``), ciphertexts (``crossward.encryption.holder``), what the integers
mean (``client_app.state.accumulators``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from crossward.config.encryption_settings import ALL, NONE, EncryptionSettings
from crossward.encryption.holder import ClearSealer, Integers, key_material
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.packing import CLEAR, WRAPPED, CiphertextError, pack, unpack
from crossward.encryption.parallel import SealingPool
from crossward.encryption.plan import FieldPlan
from crossward.encryption.policy import Piece, pieces, sealed_layout
from crossward.encryption.secret import Secret
from crossward.encryption.snapshot import unwrap, wrap
from crossward.protocol.messages import RecordHead, Task
from crossward.protocol.parts import Buffer, Part, PartHead, Payload, ProtocolError, join

Values = NDArray[np.signedinteger]
Opened = Iterator[tuple[slice, Integers]]
_SNAPSHOT_CHUNK = 1 << 20


class MissingKeyError(RuntimeError):
    """This node does not hold the key that something is, or must be, sealed under."""

    tellable = True  # see client_app.guard.refusals


class UnopenedError(RuntimeError):
    """Something sealed under a key that this node holds does not open, or to nothing that a sum can be."""


class UnverifiedError(UnopenedError):
    """A record is not the sum that its proof claims. Reporting it reveals nothing about a key: a MAC checks sums."""


@dataclass(frozen=True)
class Vault:
    """What a node seals with: the run's settings, the consortium key, and which blocks are sealed.

    ``blocks`` is None for all or none of them, as the policy says.
    """

    settings: EncryptionSettings = field(default_factory=lambda: EncryptionSettings(policy=NONE))
    key: ConsortiumKey | None = None
    blocks: tuple[bool, ...] | None = None

    def __post_init__(self) -> None:
        if self.settings.policy != NONE and self.key is None:
            raise MissingKeyError(
                f"encryption.policy = {self.settings.policy!r} but this node has no consortium key: make one with "
                "`crossward keys create PATH`, share it between the hospitals, and start the "
                "SuperNode with "
                "--node-config 'key-path=\"PATH\"'"
            )

    def sealed(self, blocks: int) -> tuple[bool, ...]:
        """Which of the layout's blocks are sealed."""
        return self.blocks if self.blocks is not None else (self.settings.policy == ALL,) * blocks

    def layout(self, layout: str, blocks: int) -> str:
        """The fingerprint that updates must share: the adapter's and the policy's."""
        return sealed_layout(layout, self.settings.scheme, self.sealed(blocks))

    @property
    def fingerprint(self) -> str:
        """Of the key that updates are sealed under; empty without encryption."""
        return self.key.fingerprint if self.key is not None and self.settings.policy != NONE else ""

    def secret(self, fingerprint: str) -> Secret:
        """The secret, present or earlier, of that fingerprint."""
        found = self.key.find(fingerprint) if self.key is not None else None
        if found is None:
            held = self.key.fingerprint if self.key is not None else "none"
            raise MissingKeyError(
                f"something is sealed under key {fingerprint}, which this node's key file does not hold (its key is "
                f"{held}): get the consortium's current key file"
            )
        return found

    def hash_key(self, public: bytes) -> bytes:
        """Key of the state hashes: the present secret's, or ``public`` without encryption."""
        return self.key.current.hash_key() if self.key is not None and self.fingerprint else public


class Payloads:
    """Payloads of one adapter layout under one plan. Use as a context manager: large ones start processes.

    ``failure_reveals``: that something does not open reveals a little of the key.
    """

    failure_reveals = True

    def __init__(self, sizes: Sequence[int], plan: FieldPlan, vault: Vault) -> None:
        self.sizes, self.plan, self.vault = tuple(sizes), plan, vault
        self.total = sum(self.sizes)
        self._pools: dict[str, SealingPool] = {}
        self.clear = ClearSealer(plan)
        self.kind = vault.settings.scheme

    def __enter__(self) -> Payloads:
        return self

    def __exit__(self, *failure: object) -> None:
        for pool in self._pools.values():
            pool.__exit__(*failure)
        self._pools.clear()

    def _pool(self, secret: Secret) -> SealingPool:
        if (pool := self._pools.get(secret.fingerprint)) is not None:
            return pool
        settings, key = self.vault.settings, self.vault.key
        assert key is not None  # noqa: S101 - for mypy: a vault without one has no secret
        if settings.has_committee:
            raise MissingKeyError(
                f"encryption.scheme = {settings.scheme!r} seals and opens by the hospitals' roster, which is not given "
                "here"
            )
        if not (material := key_material(settings.scheme, key, secret)):
            name = settings.scheme.upper()
            if secret == key.current:
                raise MissingKeyError(
                    f"encryption.scheme = {settings.scheme!r} but key {key.fingerprint} has no {name} context: make "
                    f"one with `crossward keys create PATH --{settings.scheme}`"
                )
            raise MissingKeyError(
                f"something is sealed under key {secret.fingerprint}, whose {name} context went when the key was "
                "rotated"
            )
        pool = SealingPool(settings.scheme, self.plan, material, settings.workers)
        self._pools[secret.fingerprint] = pool
        return pool

    def _pieces(self, chunk: int) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
        every = pieces(self.sizes, self.vault.sealed(len(self.sizes)), chunk)
        return tuple(p for p in every if p.sealed), tuple(p for p in every if not p.sealed)

    def seal(self, values: Values) -> Payload:
        """An update's payload of ``values``, [total] of any integer type, each within q_max."""
        return join(chain(self._sealed_parts(values), self._clear_parts(values)))

    def seal_for(self, task: Task, values: Values) -> tuple[Payload, bytes]:
        """The payload of ``task``'s update, and its ``Update.committee``: empty without a committee."""
        return self.seal(values), b""

    def _sealed_parts(self, values: Values) -> Iterator[Part]:
        if self.vault.fingerprint:
            pool = self._pool(self.vault.secret(self.vault.fingerprint))
            hidden, _ = self._pieces(pool.local.chunk)
            made = pool.seal((piece.gather(values) for piece in hidden), sum(p.length for p in hidden))
            for piece, data in zip(hidden, made, strict=True):
                yield self._part(piece, self.kind, data)

    def _clear_parts(self, values: Values) -> Iterator[Part]:
        if self.vault.settings.policy != ALL:
            # a chunk as large as the adapter: of the sealed values there is one piece, not one for each
            for piece in self._pieces(max(self.total, 1))[1]:
                yield self._part(piece, CLEAR, self.clear.seal(piece.gather(values)))

    def _part(self, piece: Piece, kind: str, data: Buffer) -> Part:
        return Part(PartHead(kind, piece.length, self.plan.update_bits, len(data)), data)

    def open(self, payload: Payload, head: RecordHead) -> Opened:
        """``sum w*q`` of a record's payload, as (place in the adapter, int64 values), part by part.

        Raises
        ------
        ProtocolError
            the payload's parts are not the layout's.
        MissingKeyError
            it is sealed under a key that this node does not hold.
        UnopenedError
            it does not open.
        """
        hidden, plain = self._pieces(self._chunk(head)) if self.vault.fingerprint else ((), self._pieces(1)[1])
        self._check(payload, hidden, plain)
        if hidden:
            yield from self._opened_sealed(payload, hidden, head)
        for piece, part in zip(plain, islice(payload, len(hidden), None), strict=True):
            opened = self.clear.open(part.data, part.head.bits, part.head.length, head.weight_sum, head.dithered)
            yield from piece.spread(opened)

    def _chunk(self, head: RecordHead) -> int:
        """The most values of a sealed part."""
        return self._pool(self.vault.secret(head.key)).local.chunk

    def _opened_sealed(self, payload: Payload, hidden: Sequence[Piece], head: RecordHead) -> Opened:
        pool = self._pool(self.vault.secret(head.key))
        sealed = islice(payload, len(hidden))
        jobs = ((p.data, p.head.bits, p.head.length, head.weight_sum, head.dithered) for p in sealed)
        try:
            for piece, values in zip(hidden, pool.open(jobs, sum(p.length for p in hidden)), strict=True):
                yield from piece.spread(values)
        except CiphertextError as error:
            raise UnopenedError(str(error)) from error

    def _check(self, payload: Payload, hidden: Sequence[Piece], plain: Sequence[Piece]) -> None:
        expected = [(self.kind, p.length) for p in hidden] + [(CLEAR, p.length) for p in plain]
        if list(payload.shape) != expected:
            raise ProtocolError(
                f"a record of {len(payload.heads)} parts does not follow the {len(expected)} of the layout and policy"
            )

    # ------------------------------------------------------------------ snapshots

    def wrap(self, values: NDArray[np.signedinteger], bits: int, belongs_to: str) -> Payload:
        """A lossless payload of ``values`` ([total]), offset by ``1 << (bits - 1)``; sealed when the run is."""
        return join(self._wrapped(values, bits, belongs_to))

    def _wrapped(self, values: NDArray[np.signedinteger], bits: int, belongs_to: str) -> Iterator[Part]:
        key = self.vault.secret(self.vault.fingerprint).snapshot_key() if self.vault.fingerprint else b""
        for start in range(0, self.total, _SNAPSHOT_CHUNK):
            fields = values[start : start + _SNAPSHOT_CHUNK].astype(np.int64) + (1 << (bits - 1))
            data = wrap(key, fields, bits, f"{belongs_to}:{start}") if key else pack(fields, bits)
            yield Part(PartHead(WRAPPED if key else CLEAR, fields.size, bits, len(data)), data)

    def unwrap(self, payload: Payload, bits: int, key: str, belongs_to: str) -> Integers:
        """Undo :meth:`wrap`: int64 [total]."""
        kind = WRAPPED if self.vault.fingerprint else CLEAR
        starts = range(0, self.total, _SNAPSHOT_CHUNK)
        lengths = [min(_SNAPSHOT_CHUNK, self.total - start) for start in starts]
        if [(h.kind, h.length, h.bits) for h in payload.heads] != [(kind, length, bits) for length in lengths]:
            raise ProtocolError("it does not follow the layout and policy")
        secret = self.vault.secret(key).snapshot_key() if kind == WRAPPED else b""
        out = np.empty(self.total, dtype=np.int64)
        for start, part in zip(starts, payload, strict=True):
            size = part.head.length
            place = f"{belongs_to}:{start}"
            fields = unwrap(secret, part.data, bits, size, place) if secret else unpack(part.data, bits, size)
            out[start : start + size] = fields - (1 << (bits - 1))
        return out
