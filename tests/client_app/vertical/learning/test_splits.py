"""Patients are split by their identifiers."""

from __future__ import annotations

import numpy as np

from client_app.vertical.learning.splits import split

PATIENTS = [f"p{number}" for number in range(400)]


def test_everyone_is_in_one_part_and_shares_are_about_what_was_asked_for() -> None:
    found = split(PATIENTS, 0, validation=0.2, test=0.25)
    assert sorted(np.concatenate([found.train, found.validation, found.test])) == list(range(400))
    assert abs(len(found.validation) - 80) < 25 and abs(len(found.test) - 100) < 30


def test_where_a_patient_is_follows_from_its_identifier_whatever_the_order_and_the_others() -> None:
    found = split(PATIENTS, 0)
    some = PATIENTS[:150][::-1]
    again = split(some, 0)
    assert {some[row] for row in again.test} == {PATIENTS[row] for row in found.test if row < 150}
    assert split(PATIENTS, 1).test.tolist() != found.test.tolist()
    assert np.array_equal(found.within(np.arange(150)).train, found.train[found.train < 150])
