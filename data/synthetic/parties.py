"""Writes what three made-up parties have of the same patients: ``write_party``.

A hospital has notes and outcomes in tables of its own, a second one vital signs as MIMIC-III has them, a laboratory a
table of results. Each folder holds the ``party.toml`` that describes it. Parties share some patients, have others of
their own, and write identifiers each in its own way.

Not for: reading them (``data.party``).
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossward.config.data_sources import CSV, MIMIC_III
from data.errors import DataError
from data.synthetic import tables_iii
from data.synthetic.csv_tables import Tables, write_tables
from data.synthetic.forms.notes_toml import as_toml
from data.synthetic.measured.factors import usable
from data.synthetic.measured.tables_iii import VITALS, add_vital_items, add_vitals, as_written
from data.synthetic.measured.values import Measured, with_values
from data.synthetic.patients import Stay
from data.synthetic.tables import Record, records

PREFIX = "MRN-"
"""In front of identifiers at the first party."""


@dataclasses.dataclass(frozen=True)
class Party:
    """One made-up party: how it writes identifiers, what it needs of a stay, and how it writes all of that."""

    name: str
    spell: Callable[[int], str]
    write: Callable[[Party, list[Measured], Path], None]
    labs: bool = False
    vitals: bool = False

    @property
    def folder(self) -> str:
        """What its folder is called."""
        return self.name.lower().replace(" ", "-")


@dataclasses.dataclass(frozen=True)
class Members:
    """Subjects of each party in its order, and of all."""

    of: tuple[npt.NDArray[np.int64], ...]
    common: npt.NDArray[np.int64]


@functools.lru_cache(maxsize=4)
def members(patients: int, overlap: float, seed: int) -> Members:
    """Who of ``patients`` is at which party: a share ``overlap`` at all of them, the others at one each.

    Raises
    ------
    DataError
        there are too few of either.
    """
    if not 0 <= overlap <= 1:
        raise DataError(f"overlap = {overlap}: a share of the patients from 0 to 1 was expected")
    common = round(patients * overlap)
    if common < 2 or 0 < patients - common < 2 * len(PARTIES):
        raise DataError(
            f"{patients} patients with an overlap of {overlap}: at least two in common, and no others or two of each "
            "party, were expected"
        )
    mixed = np.random.default_rng([seed, 71]).permutation(np.array(list(_stays(patients, seed)), np.int64))
    apart = np.array_split(mixed[common:], len(PARTIES))
    own = (np.concatenate([found, mixed[:common]]) for found in apart)
    return Members(
        tuple(np.random.default_rng([seed, 72, at]).permutation(found) for at, found in enumerate(own)), mixed[:common]
    )


@functools.lru_cache(maxsize=4)
def _stays(patients: int, seed: int) -> dict[int, list[Record]]:
    """Subject -> stays, of the first ``patients`` with a note of the last that is known at the moment of prediction."""
    found: dict[int, list[Record]] = {}
    for subject, group in itertools.groupby(records(2 * patients + 20, 1, seed), lambda one: one.stay.subject):
        stays = list(group)
        if usable(stays[-1]):
            found[subject] = stays
        if len(found) == patients:
            break
    return found


def write_party(party: int, folder: Path, patients: int, overlap: float, seed: int) -> None:
    """Write what party ``party`` (a place in ``PARTIES``) has into ``folder``; see :func:`members`.

    Raises
    ------
    DataError
        there is no such party, or there are too few patients.
    """
    if not 0 <= party < len(PARTIES):
        raise DataError(f"there is no party {party}: 0 to {len(PARTIES) - 1} were expected")
    found, own = PARTIES[party], members(patients, overlap, seed).of[party]
    stays = _stays(patients, seed)
    folder.mkdir(parents=True, exist_ok=True)
    measured = with_values((one for subject in own.tolist() for one in stays[subject]), seed, found.labs, found.vitals)
    found.write(found, list(measured), folder)


def outcomes(party: int, patients: int, overlap: float, seed: int) -> npt.NDArray[np.uint8]:
    """Whether the patients of a party died, in their order, be it known to the party or not."""
    stays = _stays(patients, seed)
    own = members(patients, overlap, seed).of[party].tolist()
    found = with_values((one for subject in own for one in stays[subject]), seed, labs=False, vitals=False)
    last = {one.stay.subject: one.stay.died for one in found}
    return np.array([last[subject] for subject in own], np.uint8)


def _rows(path: Path, delimiter: str, header: str, rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(header.split())
        writer.writerows(rows)


def _describe(folder: Path, party: Party, **said: Any) -> None:
    (folder / "party.toml").write_text(as_toml({"name": party.name, **said}), encoding="utf-8")


def _write_notes(party: Party, stays: list[Measured], folder: Path) -> None:
    """Tables of the hospital's own, with a notes.toml."""
    notes = ((party.spell(one.stay.subject), note) for one in stays for note in one.notes if not note.error)
    _rows(
        folder / "notes.csv",
        ",",
        "note mrn written kind text",
        ((f"{mrn}/{at}", mrn, note.charted, note.category, note.text) for at, (mrn, note) in enumerate(notes)),
    )
    _rows(
        folder / "stays.csv",
        ",",
        "mrn admitted left status",
        ((party.spell(s.subject), s.admitted, s.discharged, "died" if s.died else "home") for s in _each(stays)),
    )
    columns = {"text": "text", "note": "note", "patient": "mrn", "time": "written", "category": "kind"}
    (folder / "notes.toml").write_text(as_toml({"source": CSV, "path": "notes.csv", "columns": columns}))
    _describe(
        folder,
        party,
        features="notes",
        path="notes.toml",
        cohort={"path": "stays.csv", "patient": "mrn", "time": "admitted"},
        outcome={"column": "status", "positive": ["died"]},
        identifiers={"prefix": PREFIX},
    )


def _write_vitals(party: Party, stays: list[Measured], folder: Path) -> None:
    """MIMIC-III's tables, of admissions what is known while a patient is in hospital."""

    def add_stay(tables: Tables, one: Measured) -> int:
        add_vitals(tables, one)
        stay, blank = one.stay, [""] * 15
        tables.add_numbered("ADMISSIONS", stay.subject, stay.hadm, stay.admitted, *blank)
        return 0

    headers = {**VITALS, "ADMISSIONS": tables_iii.HEADERS["ADMISSIONS"]}
    write_tables(headers, lambda *_: None, add_stay, stays, folder, begin=add_vital_items)
    _describe(folder, party, features="vitals", source=MIMIC_III, path=".")


def _write_labs(party: Party, stays: list[Measured], folder: Path) -> None:
    """A table of results and one of orders, with semicolons, decimal commas, and the day before the month."""
    results = (
        (party.spell(one.stay.subject), _german(draw.time), draw.item.label, _comma(as_written(draw, "n.n.")[0]), unit)
        for one in stays
        for draw in one.labs
        for unit in [draw.item.unit]
    )
    _rows(folder / "results.csv", ";", "number taken test result unit", results)
    orders = ((party.spell(stay.subject), _german(stay.admitted)) for stay in _each(stays))
    _rows(folder / "orders.csv", ";", "number admitted", orders)
    columns = {"patient": "number", "time": "taken", "item": "test", "value": "result", "unit": "unit"}
    _describe(
        folder,
        party,
        features="labs",
        path="results.csv",
        decimal=",",
        times="%d.%m.%Y %H:%M",
        columns=columns,
        cohort={"path": "orders.csv", "patient": "number", "time": "admitted"},
    )


def _each(stays: Iterable[Measured]) -> Iterable[Stay]:
    return (one.stay for one in stays)


def _german(time: dt.datetime) -> str:
    return f"{time:%d.%m.%Y %H:%M}"


def _comma(number: str) -> str:
    return number.replace(".", ",") if number[-1:].isdigit() else number


PARTIES = (
    Party("Harbour Heart", lambda subject: f"{PREFIX}{subject:07d}", _write_notes),
    Party("Millbrook", str, _write_vitals, vitals=True),
    Party("Laboratory", lambda subject: f"{subject // 1000:04d} {subject % 1000:03d}", _write_labs, labs=True),
)
"""The label holder first."""
