"""Values of one a row: what becomes a feature, and what is left out under which reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossward.config.party_settings import Cohort, Items, Outcome, PartyConfig, Window
from data.errors import DataError
from data.readers.pieces import Counts
from data.tabular.events import read

Make = Callable[..., PartyConfig]
ROWS = [
    "A1,2150-01-01 09:00:00,Na,140,mmol/L",
    "A1,2150-01-02 09:00:00,Na,<150,mmol/L",
    "A1,2150-01-01 07:00:00,Na,130,mmol/L",  # an hour before the stay
    "A1,2150-01-03 08:00:01,Na,90,mmol/L",  # a second after the moment of prediction
    "A1,2149-01-01 09:00:00,Na,99,mmol/L",  # of an earlier stay
    "A1,2150-01-01 10:00:00,Na,14,g/L",  # another unit than most
    "A1,2150-01-01 10:30:00,Na,haemolysed,mmol/L",
    "A1,2150-01-01 10:00:00,K,4,",
    "B2,2150-02-01 00:30:00,K,5.5,mmol/L",
    "B2,2150-02-01,K,7,mmol/L",  # a day alone may be its end
    "C3,2150-01-01 09:00:00,K,1,mmol/L",
    "B2,2150-02-01 09:00:00,Tuberculin,1,mm",
]


def test_one_row_a_patient(labs: Make) -> None:
    counts = Counts()
    found = read(labs(ROWS, items=Items(use=("K", "Na"))), counts)
    assert found.patients == ("A1", "B2") and found.outcome is None and found.notes is None
    assert found.names == tuple(
        f"{item} {what}" for item in ["K", "Na"] for what in ["first", "last", "min", "max", "count"]
    )
    nan = np.nan
    expected = [[4, 4, 4, 4, 1, 130, 150, 130, 150, 3], [5.5, 7, 5.5, 7, 2, nan, nan, nan, nan, 0]]
    np.testing.assert_array_equal(found.values, expected)
    assert +counts == {
        "read": 12,
        "kept": 6,
        "of a patient outside the cohort": 1,
        "of an item that is not used": 1,
        "outside the window": 2,
        "without a number": 1,
        "in another unit than most": 1,
    }


def test_nothing_after_the_moment_of_prediction_is_used(labs: Make) -> None:
    """Whatever is measured afterwards, the features are the same; with a wider window they are not."""
    late = [f"{who},2150-0{month}-04 10:00:00,Na,1,mmol/L" for who, month in (("A1", 1), ("B2", 2)) for _ in range(9)]
    use = Items(use=("K", "Na"))
    assert read(labs(ROWS + late, items=use), Counts()).digest == read(labs(ROWS, items=use), Counts()).digest
    wide = Window(after=24 * 7)
    before, after = (read(labs(rows, items=use, window=wide), Counts()).digest for rows in (ROWS, ROWS + late))
    assert before != after


def test_the_items_that_most_patients_have(labs: Make) -> None:
    assert {name.split()[0] for name in read(labs(ROWS, items=Items(most=1)), Counts()).names} == {"K"}
    assert {name.split()[0] for name in read(labs(ROWS), Counts()).names} == {"K", "Na", "Tuberculin"}


def test_the_first_stay_and_the_outcome(labs: Make) -> None:
    config = labs(ROWS, outcome=Outcome("died"))
    found = read(config, Counts())
    assert found.outcome is not None and found.outcome.tolist() == [0, 1] and found.outcome.dtype == np.uint8
    cohort = config.cohort
    assert cohort is not None
    first = labs(ROWS, cohort=Cohort(cohort.path, "p", "t", "first"), items=Items(use=("Na",)))
    assert read(first, Counts()).patients == ("A1",) and read(first, Counts()).values[0, 0] == 99  # type: ignore[index]


def test_rows_that_cannot_be_read_are_quarantined_by_line(labs: Make) -> None:
    counts = Counts()
    bad = ["A1,yesterday,Na,140,mmol/L", "A1,2150-01-01 09:00:00,Na,140"]
    read(labs(ROWS * 2 + bad), counts)
    assert sorted((row.line, row.why) for row in counts.quarantined) == [
        (26, "a time that cannot be read"),
        (27, "wrong number of fields"),
    ]
    assert counts["read"] == 26 == sum(number for why, number in counts.items() if why != "read")
    with pytest.raises(DataError, match=r"labs\.csv: 10 of 24 rows cannot be read; the first is line 2: a time"):
        read(labs([row.replace("2150-", "2150/") for row in ROWS] + ROWS), Counts())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"items": Items(use=("Cl",))}, "no patient of the cohort has a value of Cl within the window"),
        ({"columns": (("patient", "p"), ("time", "t"), ("item", "test"), ("value", "v"))}, "has no column 'test'"),
        ({"cohort": Cohort("/none.csv", "p", "t")}, "/none.csv: no such file. cohort.path of"),
        ({"cohort": None}, "[cohort] is missing: what there is to predict from ends at a moment"),
        ({"window": Window(0, 0.001)}, "of 2 patients of the cohort 0 are kept"),
        ({"outcome": Outcome("t")}, "holds values that say neither yes nor no"),
        ({"outcome": Outcome("died", ("2",))}, "says the same of every patient"),
    ],
)
def test_what_is_wrong_is_said_without_a_patient(change: dict[str, object], says: str, labs: Make) -> None:
    with pytest.raises(DataError) as error:
        read(labs(ROWS, **change), Counts())
    assert says in str(error.value) and "A1" not in str(error.value)


def test_a_cohort_of_rows_that_cannot_be_read_is_refused(labs: Make, tmp_path: Path) -> None:
    config = labs(ROWS)
    (tmp_path / "stays.csv").write_text("p,t,died\nA1,soon,0\nB2,soon,0\n")
    with pytest.raises(DataError, match=r"stays\.csv: 2 of 2 rows cannot be read"):
        read(config, Counts())
    (tmp_path / "stays.csv").write_text("p,t,died\n")
    with pytest.raises(DataError, match=r"stays\.csv: no stay with a patient and a time is in it"):
        read(config, Counts())
