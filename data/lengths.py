"""How long notes are in tokens, in the same public buckets everywhere.

Not for: tokens to train on (``data.tokens``).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from datasets import Dataset

Ints = npt.NDArray[np.int64]

BUCKETS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)  # a bucket holds lengths below its number; the last, the rest
_ROWS = 1000


def bucket_names() -> tuple[str, ...]:
    """Names of the ``len(BUCKETS) + 1`` buckets, shortest first."""
    between = (f"{low:,} to {high - 1:,}" for low, high in pairwise(BUCKETS))
    return (f"below {BUCKETS[0]:,}", *between, f"{BUCKETS[-1]:,} or more")


def buckets(lengths: Ints) -> Ints:
    """The bucket of each length, int64 as ``lengths``."""
    return np.searchsorted(BUCKETS, lengths, side="right").astype(np.int64)


def histogram(lengths: Ints) -> Ints:
    """How many of ``lengths`` are in each bucket, int64 [len(BUCKETS) + 1]."""
    return np.bincount(buckets(lengths), minlength=len(BUCKETS) + 1)


def token_lengths(notes: Dataset, tokenizer: Any) -> Ints:
    """Tokens of each note's text without what is put around it, int64 [notes]."""
    found: list[int] = []
    for rows in notes.select_columns(["text"]).iter(_ROWS):
        ids = tokenizer(rows["text"], add_special_tokens=False, verbose=False)["input_ids"]
        found += [len(one) for one in ids]
    return np.array(found, dtype=np.int64)


def sampled(count: int, most: int, seed: int) -> Ints:
    """``most`` of ``count`` positions at random, in order; all of them where there are no more."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, 0xC4]).choice(count, most, replace=False))
