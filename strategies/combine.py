"""Integer combinations of payloads, one part at a time.

The one loop of hybrid aggregation: whatever a part's kind, its arithmetic knows how to combine it. Memory is
bounded by one part times the number of payloads.

Not for: the weights (``strategies.weighting``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crossward.encryption.aggregator import Kinds
from crossward.encryption.dither import VersionDither
from crossward.protocol.parts import Part, PartHead, Payload


def combine(
    payloads: Sequence[Payload], weights: Sequence[int], bits: int, kinds: Kinds, dither: VersionDither | None = None
) -> Iterator[Part]:
    """``sum_i weights[i] payloads[i]`` part by part, with fields of ``bits`` bits; ``kinds`` know how to add.

    ``dither`` gives the integers that are added to the fields (None: none).

    Raises
    ------
    ValueError
        the payloads differ in shape or a sum does not fit.
    """
    shape = payloads[0].shape
    if any(p.shape != shape for p in payloads):
        raise ValueError("payloads of different shapes cannot be added")
    first = 0
    for parts in zip(*payloads, strict=True):
        kind, length = parts[0].head.kind, parts[0].head.length
        plain = dither(first, length) if dither is not None else None
        data = kinds[kind].combine([p.data for p in parts], weights, [p.head.bits for p in parts], bits, length, plain)
        first += length
        yield Part(PartHead(kind, length, bits, len(data)), data)
