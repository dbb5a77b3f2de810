"""Notes whose text is not new: equal ones by their hash, near ones by MinHash.

A note's signature is the least of each of ``HASHES`` random hashes of its runs of five words; the part of two
signatures that is equal estimates the Jaccard similarity of their runs (Broder, 1997). Candidates are notes that
share a band of the signature. Templates and copied-forward notes show so without comparing every pair.

Not for: leaving them out (``data.plan`` counts a patient's repeated note once).
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt

from data.check.findings import Duplicates

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
ALIKE = 0.8  # of the runs of five words
HASHES, BANDS, RUN = 64, 16, 5
LONGEST = 4000  # words of a note that are looked at
_ROTATE = np.array([pow(0x9E3779B97F4A7C15, power, 1 << 64) for power in range(1, RUN + 1)], dtype=np.uint64)
_SHIFTS, _FACTORS = np.random.default_rng(0x51).integers(0, 1 << 63, (2, HASHES), dtype=np.uint64)
_FACTORS |= np.uint64(1)


def signature(words: Sequence[str]) -> Words:
    """MinHash of a note's words, uint64 [HASHES]."""
    hashed = np.fromiter((crc32(word.encode()) for word in words[:LONGEST] or [""]), dtype=np.uint64)
    runs = max(len(hashed) - RUN + 1, 1)
    mixed = np.zeros(runs, dtype=np.uint64)
    for place in range(min(RUN, len(hashed))):
        mixed += hashed[place : place + runs] * _ROTATE[place]
    mixed ^= mixed >> np.uint64(29)
    least: Words = (np.unique(mixed)[:, None] * _FACTORS + _SHIFTS).min(axis=0)
    return least


def near(signatures: Words, patients: Ints, hashes: Words) -> tuple[int, int]:
    """Of notes with these signatures [n, HASHES], how many are nearly another's of the same patient, and of another.

    ``hashes`` tell equal notes, which are not counted. A note counts once, for its own patient first.
    """
    own, other = np.zeros(len(signatures), dtype=bool), np.zeros(len(signatures), dtype=bool)
    rows = HASHES // BANDS
    for band in range(BANDS):
        columns = np.ascontiguousarray(signatures[:, band * rows : (band + 1) * rows])
        _, first, group = np.unique(columns, axis=0, return_index=True, return_inverse=True)
        partner = first[group.reshape(-1)]
        alike = (signatures == signatures[partner]).mean(axis=1) >= ALIKE
        alike &= hashes != hashes[partner]
        same = patients == patients[partner]
        for mask, marked in ((alike & same, own), (alike & ~same, other)):
            marked[mask] = True
            marked[partner[mask]] = True
    return int(own.sum()), int((other & ~own).sum())


def duplicates(repeated: int, patients: Ints, hashes: Words, sample: Ints, texts: Sequence[str]) -> Duplicates:
    """What is not new among a hospital's used notes, of ``patients`` and with ``hashes`` (both [notes]).

    ``repeated`` notes of the same patients were left out before; ``texts`` are those of the notes ``sample``.
    """
    pairs = np.unique(np.stack([hashes, patients.astype(np.uint64)]), axis=1) if len(hashes) else np.zeros((2, 0))
    values, owners = np.unique(pairs[0], return_counts=True)
    shared = np.isin(hashes, values[owners > 1])
    found = np.stack([signature(text.lower().split()) for text in texts]) if texts else np.zeros((0, HASHES), np.uint64)
    within, across = near(found, patients[sample], hashes[sample]) if len(found) else (0, 0)
    return Duplicates(repeated, int(shared.sum()), len(np.unique(patients[shared])), len(sample), within, across)
