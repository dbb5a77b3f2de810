"""The made-up parties: read from files as any party, with patients in common, and the outcome at one of them alone."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crossward.config.party_toml import read_party_toml
from data.errors import DataError
from data.party import PartyData
from data.party.reading import load_party, read_party
from data.party.simulated import Withheld, party_folder, simulated_party, withheld
from data.synthetic.measured.factors import HOURS, SUMMARY
from data.synthetic.measured.items import ITEMS
from data.synthetic.measured.values import Measured, with_values
from data.synthetic.parties import PARTIES, PREFIX
from data.synthetic.tables import records

PATIENTS, OVERLAP = 60, 0.5
ASKED = (PATIENTS, OVERLAP, 4)


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache that the tests of this file share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSWARD_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def fresh_home() -> None:
    """In place of a cache of its own for every test."""


@pytest.fixture(scope="module")
def parties(home: None) -> list[tuple[PartyData, Withheld]]:
    return [(simulated_party(at, *ASKED), withheld(at, *ASKED)) for at in range(3)]


@pytest.fixture(scope="module")
def truth() -> dict[int, Measured]:
    """Subject -> last stay, straight from the generator."""
    return {one.stay.subject: one for one in with_values(records(2 * PATIENTS + 20, 1, 4), 4)}


def test_parties_share_patients_and_each_has_its_own(parties: list[tuple[PartyData, Withheld]]) -> None:
    people = [set(known.people.tolist()) for _, known in parties]
    common = set.intersection(*people)
    assert len(common) == PATIENTS * OVERLAP and [len(found) for found in people] == [40, 40, 40]
    assert len(set.union(*people)) == PATIENTS
    for data, known in parties:
        assert set(known.people[known.common].tolist()) == common and len(data.patients) == len(known.people)
    assert [data.patients[0] for data, _ in parties] == [
        party.spell(int(known.people[0])) for party, (_, known) in zip(PARTIES, parties, strict=True)
    ]
    assert parties[0][0].patients[0].startswith(PREFIX) and " " in parties[2][0].patients[0]


def test_the_label_holder_alone_knows_the_outcome(parties: list[tuple[PartyData, Withheld]]) -> None:
    (holder, known), *others = parties
    assert holder.outcome is not None and (holder.outcome == known.outcome).all() and 0 < known.outcome.mean() < 0.5
    assert holder.values is None and all(data.outcome is None and data.notes is None for data, _ in others)
    for at, folder in enumerate(party_folder(at, *ASKED) for at in range(3)):
        text = "".join(path.read_text() for path in folder.iterdir()).lower()
        assert ("died" in text) == (at == 0), "no file of another party says who died"


def _words(text: str) -> str:
    """Letters alone: cleaning changes white space and the marks of what was removed."""
    return re.sub(r"\[\*\*.*?\*\*\]|[\W\d_]", "", text)


def test_notes_are_those_up_to_the_moment_of_prediction(
    parties: list[tuple[PartyData, Withheld]], truth: dict[int, Measured]
) -> None:
    (data, known) = parties[0]
    assert data.notes is not None
    late = 0
    for person, text in zip(known.people.tolist(), data.notes, strict=True):
        one = truth[person]
        stop = one.stay.admitted + dt.timedelta(hours=HOURS)
        used = [note for note in one.notes if note.category != SUMMARY and note.charted <= stop and not note.error]
        words = _words(text)
        ordered = [_words(note.text) for note in sorted(used, key=lambda note: note.charted)]
        assert words.startswith(ordered[0]) and words == "".join(dict.fromkeys(ordered))
        others = [_words(note.text) for note in one.notes if _words(note.text) not in ordered]
        late += len(others)
        assert not any(other in words for other in others)
    assert late > 5, "there are notes that had to be left out"


@pytest.mark.parametrize(("at", "kind"), [(1, "vitals"), (2, "labs")])
def test_values_are_summed_up_as_a_plain_count_does(
    at: int, kind: str, parties: list[tuple[PartyData, Withheld]], truth: dict[int, Measured]
) -> None:
    data, known = parties[at]
    assert data.values is not None
    items = {item.label: item for item in getattr(ITEMS, kind)}
    for name, column in zip(data.names, data.values.T, strict=True):
        label, what = name.rsplit(" ", 1)
        item = items[label.split(" (")[0] if label not in items else label]
        for person, value in zip(known.people.tolist(), column.tolist(), strict=True):
            stay = truth[person].stay
            start, stop = stay.admitted - dt.timedelta(hours=6), stay.admitted + dt.timedelta(hours=HOURS)
            draws = [d for d in getattr(truth[person], kind) if d.item is item and start <= d.time <= stop]
            found = [d.value for d in draws if d.value is not None]
            if kind == "vitals":  # of which some are marked as errors
                assert what != "count" or value <= len(found)
                continue
            plain = {"first": found[:1], "last": found[-1:], "min": [min(found, default=0)], "count": [len(found)]}
            if what in plain and found:
                assert value == plain[what][0], (name, person)
            elif not found:
                assert value == 0 if what == "count" else np.isnan(value)


def test_what_is_read_is_kept_until_a_file_changes(caplog: pytest.LogCaptureFixture) -> None:
    config = read_party_toml(party_folder(2, *ASKED))
    first = read_party(config)
    with caplog.at_level(logging.INFO, "crossward.data"):
        assert read_party(config).data.digest == first.data.digest and not caplog.records
        path = Path(config.path)
        text = path.read_text()
        try:
            path.write_text(text[: text.rindex("\n", 0, -1) + 1])
            again = read_party(config)
        finally:
            path.write_text(text)
    assert again.counts["read"] == first.counts["read"] - 1 and caplog.records
    assert first.counts["read"] == sum(number for why, number in first.counts.items() if why != "read")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ((3, 60, 0.5), "there is no party 3: 0 to 2"),
        ((0, 60, 1.5), "overlap = 1.5: a share"),
        ((0, 60, 0.01), "at least two in common"),
        ((0, 60, 0.98), "no others or two of each party"),
    ],
)
def test_what_cannot_be_made_is_refused(asked: tuple[int, int, float], says: str) -> None:
    with pytest.raises(DataError, match=says):
        simulated_party(*asked)


def test_errors_name_the_file_that_describes_the_party(tmp_path: Path) -> None:
    (tmp_path / "party.toml").write_text('name = "N"\nfeatures = "notes"\npath = "notes.toml"\n')
    with pytest.raises(DataError, match=r"notes\.toml: no such file or folder\. path of .*party\.toml names it"):
        load_party(tmp_path)
    (tmp_path / "notes.toml").write_text('source = "csv"\npath = "n.csv"\n[columns]\ntext = "t"\npatient = "p"\n')
    (tmp_path / "n.csv").write_text("p,t\n1,well\n")
    with pytest.raises(DataError, match=r"party\.toml: \[cohort\] is missing"):
        load_party(tmp_path)
