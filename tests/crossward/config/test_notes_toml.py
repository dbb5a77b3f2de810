"""A notes.toml: what it says, and that whatever is wrong in it is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossward.config.notes_settings import NULLS, LabelColumn
from crossward.config.notes_toml import NotesError, read_notes

CSV = 'source = "csv"\npath = "a.csv"\n'
TABLE = f'{CSV}[columns]\ntext = "t"\n'


def read(folder: Path, text: str) -> object:
    (folder / "notes.toml").write_text(text, encoding="utf-8")
    return read_notes(folder)


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    text = (
        'source = "csv"\npath = "in/a.csv"\nencoding = "cp1252"\ndelimiter = ";"\nquote = "\'"\nnulls = ["k.A."]\n'
        'times = "%d.%m.%Y"\nskip = ["categories"]\n'
        '[columns]\ntext = "t"\npatient = "p"\n[categories]\nBrief = "discharge summary"\n'
        '[labels]\nreadmitted = "r"\n[labels.icd-chapter]\ncolumn = "dx"\nsystem = "icd10"\nvalues = { A = "B" }\n'
        '[include]\ncategories = ["nursing"]\nsince = 2019-12-31\n[vocabulary]\nsnomed = "map.csv"\n'
    )
    (tmp_path / "notes.toml").write_text(text)
    got = read_notes(tmp_path / "notes.toml")
    assert (got.source, got.path, got.encoding) == ("csv", str(tmp_path / "in/a.csv"), "cp1252")
    assert (got.delimiter, got.quote, got.nulls, got.times) == (";", "'", ("k.A.",), ("%d.%m.%Y",))
    assert got.column("text") == "t" and got.column("patient") == "p" and got.column("site") == ""
    assert got.categories == (("Brief", "discharge summary"),) and got.skip == ("categories",)
    assert got.label("readmitted") == LabelColumn("r") and got.label("mortality") is None
    assert got.label("icd-chapter") == LabelColumn("dx", "icd10", (("A", "B"),))
    assert (got.include, got.since, got.until) == (("nursing",), "2019-12-31", "")
    assert got.vocabulary == (("snomed", str(tmp_path / "map.csv")),) and hash(got) == hash(read_notes(tmp_path))


def test_a_table_says_its_column_of_text_and_the_rest_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "notes.toml").write_text(TABLE)
    got = read_notes(tmp_path)
    assert (got.encoding, got.delimiter, got.nulls, got.skip) == (
        "",
        "",
        NULLS,
        ("sections",),
    ) and not got.knows_patients
    (tmp_path / "notes.toml").write_text('source = "mimic-iii"\npath = "/data/mimic"\n')
    assert read_notes(tmp_path).knows_patients


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("source = ", r"notes.toml"),
        ('path = "a"', r"source is missing: one of mimic-iii"),
        ('source = "cvs"\npath = "a"', r"source = 'cvs' is unknown: one of .*csv"),
        ('source = "own"\npath = "a"', r"source = 'own' is unknown"),
        ('source = "csv"', r"path is missing: name the file"),
        ("source = 3", r"source is a number: a text was expected, source = "),
        (f"{CSV}sepparator = ';'", r"no key 'sepparator'; known are source, path"),
        (f"{CSV}delimeter = ';'", r"no key 'delimeter', did you mean 'delimiter'"),
        (CSV, r"columns.text is missing"),
        (f'{CSV}[columns]\ntxt = "t"', r"no key in \[columns\] 'txt', did you mean 'text'"),
        (f"{CSV}[columns]\ntext = 5", r"columns.text is a number: a text was expected, text = "),
        (f"columns = 3\n{CSV}", r"columns is a number: a table was expected, \[columns\]"),
        ('source = "mimic-iv"\npath = "a"\n[columns]\ntext = "t"', r"columns.text: the tables of source = 'mimic-iv'"),
        ('source = "mimic-iv"\npath = "a"\n[labels]\nx = "t"', r"give labels of their own \(mortality, icd-chapter\)"),
        (f'{TABLE}[categories]\nBrief = "letter"', r"categories.'Brief' = 'letter' is no common category; known are "),
        (f'{TABLE}[categories]\nB = "Discharge summmary"', r"did you mean 'discharge summary'"),
        (f"{TABLE}[labels]\nx = 3", r"labels.x is a number: a column or a table \[labels.x\]"),
        (f'{TABLE}[labels.x]\ncolum = "c"', r"no key in \[labels.x\] 'colum', did you mean 'column'"),
        (f'{TABLE}[labels.x]\nsystem = "icd9"', r"labels.x.column is missing"),
        (f'{TABLE}[labels.x]\ncolumn = "c"\nsystem = "icd11"', r"labels.x.system = 'icd11' is unknown: one of icd9"),
        (
            f'{TABLE}[labels.x]\ncolumn = "c"\nsystem = "disposition"',
            r"labels.x.system = 'disposition': 'disposition' is f",
        ),
        (f'{TABLE}[labels.x]\ncolumn = "c"\nvalues = "J"', r"labels.x.values is a text: a table was expected"),
        (f'{TABLE}[include]\nsince = "2019"', r"include.since is a text: a day was expected, since = 2019-12-31"),
        (f'{TABLE}[include]\ncategories = "a"', r"include.categories is no list of texts"),
        (f'query = "select"\n{TABLE}', r"query is for databases: remove it"),
        (
            'source = "sql"\npath = "sqlite:///a"\n[columns]\ntext = "t"',
            r"query is missing: the SQL that yields the notes",
        ),
        (f'nulls = "NULL"\n{TABLE}', r"nulls is no list of texts: nulls = "),
        (f'{TABLE}[vocabulary]\nicd11 = "a"', r"no key in \[vocabulary\] 'icd11'; known are snomed, own"),
        (
            f'times = "DD.MM.YYYY"\n{TABLE}',
            r"times = 'DD.MM.YYYY' is no format of strptime: %d, .* such as \"%d.%m.%Y %H",
        ),
        (f'skip = ["category"]\n{TABLE}', r"skip: there is no step 'category', did you mean 'categories'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(NotesError, match=says) as raised:
        read(tmp_path, text)
    assert str(tmp_path / "notes.toml") in str(raised.value) and "\n" not in str(raised.value)
    assert not raised.value.tellable


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotesError, match=r"nothing/here.toml: no such file. A notes.toml was expected"):
        read_notes(tmp_path / "nothing/here.toml")
