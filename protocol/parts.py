"""Payloads: a sequence of parts, joined into one byte string with an index beside it.

One uint8 ``Array`` with an index travels five times faster through a deployment than one ``Array`` a block.
A part is a run of equally wide fields of one kind (``clear`` now; sealed kinds later): usually one adapter
block.

Not for: what is inside a part (``encryption``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Buffer = bytes | bytearray | memoryview


class ProtocolError(ValueError):
    """A message or file does not follow the protocol; the text says which rule it breaks."""


class PartHead(NamedTuple):
    """Index entry: what kind of part, how many fields, how many bits a field, how many bytes in all."""

    kind: str
    length: int
    bits: int
    size: int


class Part(NamedTuple):
    """A part's index entry and its bytes."""

    head: PartHead
    data: Buffer


@dataclass(frozen=True)
class Payload:
    """Parts in order, as one byte string."""

    heads: tuple[PartHead, ...]
    data: Buffer

    def __post_init__(self) -> None:
        for head in self.heads:
            if head.length < 0 or head.size < 0 or not 1 <= head.bits <= 64:
                raise ProtocolError(f"a part's index entry is out of range: {head}")
        total = sum(head.size for head in self.heads)
        if total != len(self.data):
            raise ProtocolError(f"the index speaks of {total} bytes but the payload has {len(self.data)}")

    def __iter__(self) -> Iterator[Part]:
        view = memoryview(self.data)
        start = 0
        for head in self.heads:
            yield Part(head, view[start : start + head.size])
            start += head.size

    @property
    def shape(self) -> tuple[tuple[str, int], ...]:
        """(kind, length) of every part: what must agree between payloads that are added."""
        return tuple((head.kind, head.length) for head in self.heads)

    def digest(self) -> str:
        """SHA-256 over index and bytes, hex."""
        return index_digest(self.heads, hashlib.sha256(self.data).digest())


def index_digest(heads: Sequence[PartHead], data_sha256: bytes) -> str:
    """A payload's digest from its index and the SHA-256 of its bytes (which may have been streamed), hex."""
    return hashlib.sha256(repr([tuple(head) for head in heads]).encode() + data_sha256).hexdigest()


def join(parts: Iterable[Part]) -> Payload:
    """One payload of ``parts``."""
    kept = list(parts)
    return Payload(tuple(p.head for p in kept), b"".join(bytes(p.data) for p in kept))


def concatenate(payloads: Sequence[Payload]) -> Payload:
    """One payload of several, in order."""
    heads = tuple(head for payload in payloads for head in payload.heads)
    return Payload(heads, payloads[0].data if len(payloads) == 1 else b"".join(bytes(p.data) for p in payloads))


def split(payload: Payload, counts: Sequence[int]) -> list[Payload]:
    """Undo :func:`concatenate`: the first ``counts[0]`` parts, the next ``counts[1]``, and so on."""
    if sum(counts) != len(payload.heads):
        raise ProtocolError(f"{len(payload.heads)} parts cannot be split into groups of {list(counts)}")
    view = memoryview(payload.data)
    out, part, start = [], 0, 0
    for count in counts:
        heads = payload.heads[part : part + count]
        size = sum(head.size for head in heads)
        out.append(Payload(heads, view[start : start + size]))
        part, start = part + count, start + size
    return out
