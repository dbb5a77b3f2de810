"""Who belongs to which hospital and who is held out, always by patient.

All of it is decided from hashes of patient ids and the seed: no order of rows, no process and no node matters, and a
patient who is held out stays held out when notes are added. Arrays have one element a patient unless said
otherwise. Not for reading notes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data.errors import DataError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def uniforms(patients: Sequence[str], seed: int, purpose: str) -> Floats:
    """A number in [0, 1) of each patient, a pure function of id, seed and purpose."""
    raw = b"".join(
        hashlib.blake2b(f"{purpose}/{seed}/{patient}".encode(), digest_size=8).digest() for patient in patients
    )
    return np.frombuffer(raw, dtype="<u8").astype(np.float64) / 2.0**64


def held_out(patients: Sequence[str], seed: int, fraction: float) -> npt.NDArray[np.bool_]:
    """Which patients are held out: about ``fraction``, at least one, and never all.

    Raises
    ------
    DataError
        there is a single patient.
    """
    if len(patients) < 2:
        raise DataError(
            f"{len(patients)} patient cannot be split into training and held-out notes: at least two are needed. "
            "Check data.patient-column and the filters."
        )
    numbers = uniforms(patients, seed, "test")
    test = numbers < fraction
    if not test.any():
        test[np.argmin(numbers)] = True
    elif test.all():
        test[np.argmax(numbers)] = False
    return test


def sites_of_patients(patient: Ints, site: Ints, patients: int, sites: int) -> Ints:
    """The site where each patient has most notes (the lowest number on a tie); -1 where no note has one.

    ``patient`` and ``site`` have one element a note; site -1 is none.
    """
    known = site >= 0
    pairs, counts = np.unique(patient[known] * max(1, sites) + site[known], return_counts=True)
    owner, where = pairs // max(1, sites), pairs % max(1, sites)
    found = np.full(patients, -1, dtype=np.int64)
    order = np.lexsort((-where, counts))  # the last write wins: most notes, then the lowest site
    found[owner[order]] = where[order]
    return found


def merged_groups(sizes: Sequence[int], hospitals: int) -> list[list[int]]:
    """Sites in ``hospitals`` groups of about equal size: the largest site first, into the smallest group so far."""
    groups: list[list[int]] = [[] for _ in range(hospitals)]
    totals = [0] * hospitals
    for site in sorted(range(len(sizes)), key=lambda s: (-sizes[s], s)):
        smallest = min(range(hospitals), key=lambda g: (totals[g], g))
        groups[smallest].append(site)
        totals[smallest] += sizes[site]
    return groups


def even(patients: Sequence[str], hospitals: int, seed: int) -> Ints:
    """Hospitals of equal numbers of patients, who are dealt out at random."""
    rank = np.argsort(np.argsort(uniforms(patients, seed, "even"), kind="stable"), kind="stable")
    return (rank % hospitals).astype(np.int64)


def dirichlet(patients: Sequence[str], group: Ints, hospitals: int, alpha: float, minimum: int, seed: int) -> Ints:
    """Hospitals skewed by ``group``: each group is shared out in proportions drawn from Dirichlet(alpha).

    A hospital that already has its even share gets no more of the later groups (arXiv:1905.12022), and hospitals below
    ``minimum`` patients are filled up from the largest.

    Raises
    ------
    DataError
        there are fewer than ``hospitals * minimum`` patients.
    """
    total = len(patients)
    if total < hospitals * minimum:
        raise DataError(
            f"{total} patients cannot make {hospitals} hospitals of at least {minimum} (data.min-patients). "
            "Use fewer hospitals or a lower minimum."
        )
    rng = np.random.default_rng([seed, 0xD1])
    numbers = uniforms(patients, seed, "dirichlet")
    found = np.empty(total, dtype=np.int64)
    sizes = np.zeros(hospitals, dtype=np.int64)
    values, counts = np.unique(group, return_counts=True)
    for value in values[np.argsort(-counts, kind="stable")]:
        members = np.flatnonzero(group == value)
        members = members[np.argsort(numbers[members], kind="stable")]
        share = rng.dirichlet(np.full(hospitals, alpha)) + 1e-12
        open_to = sizes < total / hospitals
        share = share * open_to if open_to.any() else share
        cuts = np.round(np.cumsum(share / share.sum()) * len(members)).astype(np.int64)
        found[members] = np.searchsorted(cuts, np.arange(len(members)), side="right").clip(max=hospitals - 1)
        sizes = np.bincount(found[members], minlength=hospitals) + sizes
    return _filled(found, numbers, hospitals, minimum)


def _filled(found: Ints, numbers: Floats, hospitals: int, minimum: int) -> Ints:
    sizes = np.bincount(found, minlength=hospitals)
    while sizes.min() < minimum:
        poor, rich = int(sizes.argmin()), int(sizes.argmax())
        members = np.flatnonzero(found == rich)
        found[members[np.argmin(numbers[members])]] = poor
        numbers = numbers + (found == poor)  # a patient who was moved is not moved again
        sizes = np.bincount(found, minlength=hospitals)
    return found
