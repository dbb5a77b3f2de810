"""Payloads: a sequence of parts, joined into one byte string with an index beside it.

One uint8 ``Array`` with an index travels five times faster through a deployment than one ``Array`` a block.
A part is a run of equally wide fields of one kind: a few ciphertexts, or a block in the clear. A payload may be as
large as the adapter, so whoever can works on it part by part and copies none of it.

Not for: what is inside a part (``crossward.encryption``).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

Buffer = bytes | bytearray | memoryview
LARGE = 16 << 20  # bytes from which a payload that is done with is worth letting go of at once


class ProtocolError(ValueError):
    """A message or file does not follow the protocol; the text says which rule it breaks."""

    tellable = True  # see client_app.refusals


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


class Payload:
    """Parts in order: their index and, back to back, their bytes."""

    def __init__(self, heads: Iterable[PartHead], data: Buffer) -> None:
        self.heads = tuple(heads)
        self._data = data
        self._digest = ""
        self._check(len(data))

    def _check(self, size: int) -> None:
        for head in self.heads:
            if head.length < 0 or head.size < 0 or not 1 <= head.bits <= 64:
                raise ProtocolError(f"a part's index entry is out of range: {head}")
        if self.size != size:
            raise ProtocolError(f"the index speaks of {self.size} bytes but the payload has {size}")

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(head.size for head in self.heads)

    def release(self) -> None:
        """Let go of the bytes of a payload that is done with; the index stays."""
        self._data = b""

    @property
    def data(self) -> Buffer:
        """The parts' bytes, as a whole."""
        return self._data

    def __iter__(self) -> Iterator[Part]:
        view = memoryview(self._data)
        start = 0
        for head in self.heads:
            yield Part(head, view[start : start + head.size])
            start += head.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Payload) and self.heads == other.heads and bytes(self.data) == bytes(other.data)

    def __hash__(self) -> int:
        return hash(self.heads)

    @property
    def shape(self) -> tuple[tuple[str, int], ...]:
        """(kind, length) of every part: what must agree between payloads that are added."""
        return tuple((head.kind, head.length) for head in self.heads)

    def digest(self) -> str:
        """SHA-256 over index and bytes, hex."""
        if not self._digest:
            sha = hashlib.sha256()
            for part in self:
                sha.update(part.data)
            self._digest = index_digest(self.heads, sha.digest())
        return self._digest


def index_digest(heads: Sequence[PartHead], data_sha256: bytes) -> str:
    """A payload's digest from its index and the SHA-256 of its bytes (which may have been streamed), hex."""
    return hashlib.sha256(repr([tuple(head) for head in heads]).encode() + data_sha256).hexdigest()


def join(parts: Iterable[Part]) -> Payload:
    """One payload of ``parts``, taken as they come."""
    heads, out = [], io.BytesIO()
    for part in parts:
        heads.append(part.head)
        out.write(part.data)
    return Payload(heads, out.getvalue())


def concatenate(payloads: Sequence[Payload]) -> Payload:
    """One payload of several, in order."""
    return payloads[0] if len(payloads) == 1 else join(part for payload in payloads for part in payload)


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
