"""Validation patients: whole, drawn from training patients, as many as are worth their time."""

from __future__ import annotations

import numpy as np
import pytest

from client_app.personal.split import by_patient

PATIENTS = np.repeat(np.arange(20), 3)[::-1].copy()
LENGTHS = np.full(60, 100)


def test_a_patients_notes_stay_together_and_every_note_is_somewhere() -> None:
    split = by_patient(PATIENTS, LENGTHS, 0.2, 10**6, 0)
    assert split is not None
    assert sorted([*split.fit, *split.validation]) == list(range(60)) and not split.many
    fit, validation = (set(PATIENTS[notes].tolist()) for notes in split[:2])
    assert len(validation) == 4 and len(fit) == 16 and not fit & validation


def test_the_seed_decides_who_validates() -> None:
    first, again, other = (by_patient(PATIENTS, LENGTHS, 0.2, 10**6, seed) for seed in (0, 0, 1))
    assert first is not None and again is not None and other is not None
    assert np.array_equal(first.validation, again.validation)
    assert not np.array_equal(first.validation, other.validation)


@pytest.mark.parametrize(("tokens", "patients"), [(10**6, 4), (900, 3), (899, 2), (10, 1), (0, 1)])
def test_fewer_validate_where_measuring_them_would_take_long_but_never_none(tokens: int, patients: int) -> None:
    split = by_patient(PATIENTS, LENGTHS, 0.2, tokens, 0)
    assert split is not None and len(np.unique(PATIENTS[split.validation])) == patients


@pytest.mark.parametrize(("count", "validating"), [(0, None), (1, None), (2, 1), (4, 1), (7, 1), (8, 2)])
def test_a_hospital_of_one_patient_cannot_spare_it(count: int, validating: int | None) -> None:
    split = by_patient(np.arange(count), np.full(count, 10), 0.2, 10**6, 0)
    assert (None if split is None else len(split.validation)) == validating
