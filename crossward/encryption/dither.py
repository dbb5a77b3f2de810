"""The dither of versions: integers that no reader of a version knows, so that its sum does not separate.

A version is ``sum_k w_k q_k`` in integers. A member that subtracts its own update holds an integer combination of few
unknowns with known or guessable weights: a knapsack, which often has a handful of solutions only. The aggregator
therefore adds an integer, uniform over 0 .. W-2, to every field of every version. Its mean, W/2 - 1, is an integer and
is removed on opening; what stays has a standard deviation of 0.29 quantisation steps after the division by W. The sum
then says what the same sum in real numbers, rounded to a step, would say.

The integers are an AES-256-CTR keystream under a key that HKDF-SHA256 (RFC 5869) derives from the run's dither key, the
version's number, its contributors' names and their weights. A version that an interruption makes the server make again
is thus the same version, and two different sums do not share a dither, which their difference would cancel.

The aggregator holds the key, and a single update is sealed against it: the dither hides updates from whoever opens
sums. A reader of sums who also holds the dither key (a hospital that colludes with the aggregator) is not kept from
anything by it.

Not for: where the key is kept (``server_app.dither_key``), differential privacy (``crossward.privacy``).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from crossward.encryption.keystream import keystream

KEY_BYTES = 32
_DRAW = np.dtype("<u4")  # a value: for W up to 2**20 no outcome is more likely than another by over 2**-11

VersionDither = Callable[[int, int], NDArray[np.int64]]
"""(first, count) -> int64 [count], each in 0 .. W-2: what a version's fields first .. first+count-1 carry.

With several ``Dither.parts`` they are up to as many times that. Fields are numbered in the order of the payload, so
that the same values carry the same however they are cut into parts.
"""


@dataclass(frozen=True)
class Dither:
    """Makes the dithers of a run's versions.

    Parameters
    ----------
    key : bytes (default: 32 fresh random bytes)
        The run's dither key. A key is for one run: the versions of two that share it can carry the same dither.
    parts : int (default: 1)
        How many integers uniform over 0 .. W-2 the dither is the sum of: as many means are removed on opening.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(KEY_BYTES), repr=False)
    parts: int = 1

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"a dither key of {len(self.key)} bytes: expected {KEY_BYTES}")

    def version(
        self, total_weight: int, version: int, sites: Sequence[str], weights: Sequence[int]
    ) -> VersionDither | None:
        """The dither of version ``version``, to which ``sites`` contribute with ``weights``; W is ``total_weight``.

        In which order they are named makes no difference.
        """
        contributors = sorted(zip(sites, weights, strict=True))
        decides = json.dumps([version, contributors, total_weight]).encode()
        key = HKDF(SHA256(), KEY_BYTES, salt=None, info=b"crossward version dither 1 " + decides).derive(self.key)

        def fields(first: int, count: int) -> NDArray[np.int64]:
            drawn = keystream(key, _DRAW, first, count).astype(np.uint64)
            drawn *= np.uint64(total_weight - 1)
            drawn >>= np.uint64(8 * _DRAW.itemsize)
            return drawn.view(np.int64)

        return fields


KNOWN = Dither(bytes(KEY_BYTES))  # for tests and benchmarks, whose runs are the same each time; it hides nothing


@dataclass(frozen=True)
class NoDither(Dither):
    """Exact sums, for measurements and tests: a contributor can separate the others' updates."""

    key: bytes = field(default=bytes(KEY_BYTES), repr=False)

    def version(self, total_weight: int, version: int, sites: Sequence[str], weights: Sequence[int]) -> None:
        """No dither."""
