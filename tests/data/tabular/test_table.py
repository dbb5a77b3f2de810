"""A table of one row a patient: which columns are features, and why others are not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow.csv
import pyarrow.parquet
import pytest

from crossward.config.party_settings import Columns, Outcome, PartyConfig
from data.errors import DataError
from data.readers.pieces import Counts
from data.tabular.table import read

HEADER = "case,age,sex,ward,admitted,insurance,remark,smoker,died"
WARDS = ("icu", "heart", "nerves")


def row(at: int) -> str:
    sex, ward = "MF"[at % 2], WARDS[at % 3] if at != 5 else "attic"
    age = "" if at == 2 else str(40 + at)
    return f"P{at:03d},{age},{sex},{ward},2150-01-{at % 28 + 1:02d},{7_000_000 + at},free words {at},NA,{at % 4 == 0:d}"


ROWS = [HEADER, *map(row, range(24))]


def config(path: Path, **more: Any) -> PartyConfig:
    return PartyConfig("T", "table", "table", str(path), columns=(("patient", "case"),), file="party.toml", **more)


def test_numbers_stay_and_categories_are_one_hot(write: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    counts = Counts()
    with caplog.at_level(logging.WARNING):
        found = read(config(write("t.csv", *ROWS), outcome=Outcome("died")), counts)
    assert found.names == ("age", "sex = M", "ward = heart", "ward = icu", "ward = nerves", "ward = other values")
    assert found.values is not None and found.outcome is not None
    assert found.values[0].tolist() == [40, 1, 0, 1, 0, 0] and np.isnan(found.values[2, 0])
    assert found.values[5].tolist() == [45, 0, 0, 0, 0, 1] and found.outcome.tolist()[:5] == [1, 0, 0, 0, 1]
    assert found.patients[:2] == ("P000", "P001") and +counts == {"read": 24, "kept": 24}
    for column, why in {
        "admitted": "it holds dates",
        "insurance": "it looks like identifiers",
        "remark": "it holds texts of more than 12 different values",
        "smoker": "it is empty",
    }.items():
        assert f"column {column} is not used: {why}" in caplog.text
    assert "free words" not in caplog.text and "P00" not in caplog.text


@pytest.mark.parametrize("form", ["tsv", "parquet", "xlsx", "csv.gz"])
def test_the_same_from_other_formats(form: str, write: Callable[..., Path], tmp_path: Path) -> None:
    source = write("t.csv", *ROWS)
    path = tmp_path / f"u.{form}"
    if form == "parquet":
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(source), path)
    elif form == "xlsx":
        book = openpyxl.Workbook()
        for line in ROWS:
            book.active.append([int(cell) if cell.isdigit() else cell for cell in line.split(",")])
        book.save(path)
    elif form == "tsv":
        path.write_text(source.read_text().replace(",", "\t"))
    else:
        import gzip

        path.write_bytes(gzip.compress(source.read_bytes()))
    expected, found = (read(config(one, outcome=Outcome("died")), Counts()) for one in (source, path))
    assert found.digest == expected.digest


def test_columns_can_be_chosen_and_left(write: Callable[..., Path]) -> None:
    path = write("t.csv", *ROWS)
    assert read(config(path, table=Columns(use=("Insurance", "age"))), Counts()).names == ("age", "insurance")
    names = read(config(path, table=Columns(leave=("ward", "died"))), Counts()).names
    assert names == ("age", "sex = M")


def test_rows_that_are_no_patients_row_are_quarantined(write: Callable[..., Path]) -> None:
    counts = Counts()
    bad = [row(1), ROWS[3].replace("P002", "")]
    found = read(config(write("t.csv", *ROWS, *bad), outcome=Outcome("died", ("1",))), counts)
    assert len(found.patients) == 24 and counts["read"] == 26 == counts["kept"] + counts.bad
    assert sorted((one.line, one.why) for one in counts.quarantined) == [
        (26, "another row of its patient"),
        (27, "of no patient"),
    ]
    unknown = [line.rpartition(",")[0] + "," if at in (3, 4) else line for at, line in enumerate(ROWS)]
    counts = Counts()
    assert len(read(config(write("u.csv", *unknown), outcome=Outcome("died")), counts).patients) == 22
    assert counts["without an outcome"] == 2 and counts["read"] == counts["kept"] + 2


def test_decimal_commas_are_stated(write: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    path = write("t.csv", "case;x;y", *(f"P{at};{at},5;{at}" for at in range(20)))
    with caplog.at_level(logging.WARNING):
        assert read(config(path), Counts()).names == ("y",)
    assert 'some with a decimal comma (decimal = ",")' in caplog.text
    found = read(config(path, decimal=","), Counts())
    assert found.names == ("x", "y") and found.values is not None and found.values[3].tolist() == [3.5, 3]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"table": Columns(use=("remark",))}, "column 'remark' of table.use cannot be a feature: it holds texts"),
        ({"table": Columns(use=("admitted",))}, "cannot be a feature: it holds dates: state an age, or a number"),
        ({"table": Columns(use=("ages",))}, "has no column 'ages'"),
        ({"table": Columns(use=("age",), leave=("age",))}, "table.use names 'age', which is the patient, the outcome"),
        ({"table": Columns(leave=("age", "sex", "ward", "died"))}, "none of its 4 other columns can be a feature"),
        ({"outcome": Outcome("age")}, "holds values that say neither yes nor no"),
        ({"outcome": Outcome("gone")}, "has no column 'gone'"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], says: str, write: Callable[..., Path]) -> None:
    with pytest.raises(DataError) as error:
        read(config(write("t.csv", *ROWS), **change), Counts())
    assert says in str(error.value) and "P00" not in str(error.value) and "words" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file. path of party\.toml names it"):
        read(config(tmp_path / "none.csv"), Counts())
