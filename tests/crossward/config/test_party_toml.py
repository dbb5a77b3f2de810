"""A party.toml: what it says, and that whatever is wrong in it is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossward.config.notes_settings import NULLS
from crossward.config.party_settings import Cohort, Columns, Items, Outcome, Window
from crossward.config.party_toml import PartyError, read_party_toml

NAME = 'name = "Lab"\n'
TABLE = f'{NAME}features = "table"\npath = "a.csv"\n[columns]\npatient = "p"\n'
EVENTS = f'{NAME}features = "labs"\npath = "a.csv"\n'
FIELDS = '[columns]\npatient = "p"\ntime = "t"\nitem = "i"\nvalue = "v"\n'
STAYS = '[cohort]\npath = "stays.csv"\npatient = "p"\ntime = "t"\n'
MIMIC = f'{NAME}features = "vitals"\nsource = "mimic-iv"\npath = "iv"\n'


def test_everything_that_can_be_said_of_events(tmp_path: Path) -> None:
    (tmp_path / "party.toml").write_text(
        f'{EVENTS}encoding = "cp1252"\ndelimiter = ";"\nquote = "\'"\ndecimal = ","\ntimes = ["%d.%m.%Y"]\n'
        f'nulls = ["n.n."]\n{FIELDS}unit = "u"\n[items]\nuse = ["Na", "K"]\n{STAYS}stay = "first"\n'
        '[window]\nbefore = 24\nafter = 12.5\n[outcome]\ncolumn = "died"\npositive = ["J"]\n'
        '[identifiers]\nprefix = "MRN-"\n'
    )
    got = read_party_toml(tmp_path)
    assert (got.name, got.features, got.source, got.path) == ("Lab", "labs", "table", str(tmp_path / "a.csv"))
    assert (got.encoding, got.delimiter, got.quote, got.decimal) == ("cp1252", ";", "'", ",")
    assert (got.times, got.nulls, got.column("unit"), got.column("item")) == (("%d.%m.%Y",), ("n.n.",), "u", "i")
    assert got.items == Items(("Na", "K")) and got.window == Window(24, 12.5) and got.prefix == "MRN-"
    assert got.cohort == Cohort(str(tmp_path / "stays.csv"), "p", "t", "first")
    assert got.outcome == Outcome("died", ("J",)) and got.has_moment
    assert hash(got) == hash(read_party_toml(tmp_path / "party.toml"))


def test_what_is_not_said_has_defaults(tmp_path: Path) -> None:
    (tmp_path / "party.toml").write_text(MIMIC)
    got = read_party_toml(tmp_path)
    assert got.cohort == Cohort(patient="subject_id", time="admittime") and got.outcome is None and got.nulls == NULLS
    (tmp_path / "party.toml").write_text(TABLE + '[table]\nleave = ["ward"]\nlevels = 4\n')
    got = read_party_toml(tmp_path)
    assert got.cohort is None and not got.has_moment and got.table == Columns(leave=("ward",), levels=4)
    (tmp_path / "party.toml").write_text(f'{NAME}features = "notes"\npath = "notes.toml"\n')
    assert read_party_toml(tmp_path).source == "own"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("features = ", "is not TOML"),
        ('path = "a"', "features is missing: one of notes, table, labs, vitals was expected"),
        (f'{NAME}features = "lab"', "features = 'lab' is unknown: one of"),
        (f'{NAME}features = "labs"\nsource = "mimic-ii"', "source = 'mimic-ii' is unknown: one of table, mimic-iii"),
        (f'{NAME}features = "table"\nsource = "mimic-iii"', "one of table was expected"),
        ('features = "labs"\npath = "a"\n' + FIELDS, "name is missing: how reports call this party"),
        (f'{NAME}features = "labs"\n{FIELDS}', "path is missing: the file or folder"),
        (EVENTS + STAYS, "columns.patient is missing: name the column of 'whose value it is', patient = "),
        (EVENTS + FIELDS.replace("value", "values"), "no key in [columns] 'values', did you mean 'value'?"),
        (EVENTS + FIELDS, "cohort.path is missing: [cohort] names the table of who was in hospital"),
        (EVENTS + FIELDS + STAYS.replace('time = "t"\n', ""), "cohort.time is missing"),
        (EVENTS + FIELDS + STAYS + 'stay = "any"', "cohort.stay = 'any' is unknown: one of first, last"),
        (MIMIC + '[cohort]\ntime = "x"', "cohort.time is the release's own in ADMISSIONS: remove it"),
        (MIMIC + 'decimal = ","', 'decimal is of no use where features = "vitals" and source = "mimic-iv"'),
        (TABLE.replace("[col", 'times = "%d"\n[col'), 'times is of no use where features = "table"'),
        (TABLE + "[items]\nmost = 3", "items is of no use"),
        (TABLE + "[window]\nafter = 3", "window is of no use"),
        (TABLE + "[table]\nlevels = 0", "table.levels = 0: a number from 1 to 100 was expected"),
        (TABLE + "[table]\nlevels = 2.5", "table.levels = 2.5: a whole number was expected"),
        (TABLE + "[table]\nuse = 3", "table.use is no list of texts: use ="),
        (TABLE + "[outcome]\npositive = []", "outcome.column is missing"),
        (MIMIC + '[items]\nuse = ["1"]\nmost = 2', "items.use names the items, and items.most a number"),
        (MIMIC + "[items]\nmost = true", "items.most is true or false: a number"),
        (MIMIC + "[window]\nafter = -1", "window.after = -1: a number from 0 to"),
        (MIMIC + "[window]\nafter = 0\nbefore = 0", "window.before and window.after are both 0"),
        (MIMIC + "window = 48", "window is a number: a table was expected, [window]"),
        (MIMIC + 'prefix = "MRN"', "there is no key 'prefix'"),
        (MIMIC + 'times = "day first"', "times = 'day first' is no format of strptime"),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "party.toml"
    path.write_text(text)
    with pytest.raises(PartyError) as error:
        read_party_toml(path)
    assert says in str(error.value) and str(path) in str(error.value) and not error.value.tellable


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PartyError, match=r"party\.toml: no such file\. A party\.toml was expected"):
        read_party_toml(tmp_path)
