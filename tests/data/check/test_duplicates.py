"""Repetitions are found where they were put, by whom they belong to, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from data.check.duplicates import HASHES, duplicates, near, signature


def words(seed: int, count: int = 300) -> list[str]:
    return [f"w{number}" for number in np.random.default_rng(seed).integers(0, 3000, count)]


def changed(text: list[str], count: int) -> list[str]:
    """``text`` with ``count`` words replaced, evenly spaced."""
    out = list(text)
    for place in np.linspace(0, len(out) - 1, count, dtype=int) if count else ():
        out[place] = "changed"
    return out


def near_ones(texts: list[list[str]], patients: list[int]) -> tuple[int, int]:
    return near(np.stack([signature(text) for text in texts]), np.array(patients), np.arange(len(texts), dtype="u8"))


@pytest.mark.parametrize(("replaced", "found"), [(0, True), (1, True), (3, True), (20, False), (100, False)])
def test_notes_that_share_four_fifths_of_their_runs_are_near(replaced: int, found: bool) -> None:
    pairs = [(words(seed), changed(words(seed), replaced)) for seed in range(20)]
    texts = [text for pair in pairs for text in pair]
    own, across = near_ones(texts, list(range(len(texts))))
    assert own == 0 and (across >= 36 if found else across <= 2)


def test_a_copy_of_the_same_patient_is_told_from_one_of_another() -> None:
    text = words(1)
    assert near_ones([text, changed(text, 1), words(2)], [7, 7, 8]) == (2, 0)
    assert near_ones([text, changed(text, 1), words(2)], [7, 8, 8]) == (0, 2)
    assert near_ones([words(3), words(4), words(5)], [1, 2, 3]) == (0, 0)


def test_signatures_are_the_same_in_every_process_and_of_notes_of_any_length() -> None:
    assert int(signature(["the", "patient", "was", "seen", "and", "examined", "today"]).sum()) == 626698155956860164
    assert all(signature(words(1, count)).shape == (HASHES,) for count in (0, 1, 4, 5, 6, 5000))


def test_equal_texts_are_counted_by_whose_they_are() -> None:
    texts = [words(seed) for seed in (1, 2, 1, 3, 4)]
    hashes = np.array([11, 12, 11, 13, 14], dtype=np.uint64)
    found = duplicates(6, np.array([0, 0, 1, 2, 2]), hashes, np.arange(5), [" ".join(text) for text in texts])
    assert (found.within, found.across, found.patients) == (6, 2, 2)
    assert (found.sampled, found.near_within, found.near_across) == (5, 0, 0)
