"""Any table of one row a patient -> features: ``read``.

It is read twice: once to see what the columns are (``data.tabular.columns``), once for their values. What stands in it
has to be known at the moment of prediction: a table has no times by which that could be checked.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.notes_settings import NULLS
from crossward.config.party_settings import PartyConfig
from crossward.config.party_sources import PATIENT
from data.csv_files import match_columns
from data.errors import DataError
from data.formats.form import NO_VALUES, Form, in_cases
from data.formats.tables import table_columns
from data.ids import same_ids, without_decimals
from data.party import PartyData
from data.quoting import listed
from data.readers.pieces import Counts
from data.tabular.columns import Feature, Profile
from data.tabular.outcomes import UNKNOWN, happened
from data.tabular.rows import Rows, Unreported
from data.tabular.texts import Floats

log = logging.getLogger("crossward.data")
_MOST_COLUMNS = 5000


def read(config: PartyConfig, counts: Counts) -> PartyData:
    """What the table says of each of its patients.

    Raises
    ------
    DataError
        the table cannot be read or lacks a column; a column that is asked for cannot be used; no row is left.
    """
    return _Table(config).party(counts)


class _Table:
    """One table."""

    def __init__(self, config: PartyConfig) -> None:
        self.config, self.path = config, Path(config.path)
        if not self.path.is_file():
            raise DataError(f"{self.path}: no such file. path of {config.file} names it.")
        self.form = Form(config.encoding, config.delimiter, config.quote, config.nulls)
        self.patient = config.column(PATIENT).lower()
        self.outcome = config.outcome.column.lower() if config.outcome else ""
        self.missing = pa.array(in_cases(NO_VALUES) if config.nulls == NULLS else [], pa.string())
        self.columns = self._columns()

    def _columns(self) -> list[str]:
        """The columns that may become features, in the order of the table."""
        names = table_columns(self.path, self.form)
        said = self.config.table
        asked = {name.lower() for name in said.use}
        match_columns(str(self.path), names, [*(n for n in (self.patient, self.outcome) if n), *said.use, *said.leave])
        leave = {self.patient, self.outcome, *(name.lower() for name in said.leave)}
        if both := sorted(asked & leave):
            raise DataError(
                f"{self.config.file}: table.use names {both[0]!r}, which is the patient, the outcome or in "
                "table.leave: remove it from one of them"
            )
        found = list(dict.fromkeys(name.strip().lower() for name in names if name.strip()))
        found = [name for name in found if name not in leave and (not asked or name in asked)]
        if len(found) > _MOST_COLUMNS:
            raise DataError(f"{self.path}: has {len(found)} columns; name those to use, at most {_MOST_COLUMNS}")
        return found

    def party(self, counts: Counts) -> PartyData:
        """Its patients and their features."""
        features = self._features()
        patients, values, outcomes = self._rows(features, counts)
        known = None
        if self.config.outcome is not None:
            known = happened(outcomes, self.config.outcome, str(self.path))
            counts["kept"] -= int((known == UNKNOWN).sum())
            counts["without an outcome"] += int((known == UNKNOWN).sum())
        kept = np.ones(len(patients), np.bool_) if known is None else known != UNKNOWN
        return PartyData(
            tuple(name for name, keep in zip(patients, kept.tolist(), strict=True) if keep),
            values[kept],
            tuple(name for feature in features for name in feature.names),
            None,
            None if known is None else known[kept].astype(np.uint8),
        )

    def _features(self) -> list[Feature]:
        """The columns that can be used; the log says why others are not."""
        said = self.config.table
        asked = {name.lower() for name in said.use}
        profiles = [Profile(name, said.levels, self.config.decimal) for name in self.columns]
        for piece in Rows(self.path, self.form, Unreported()).pieces(self.columns):
            for profile in profiles:
                profile.add(self._there(piece[profile.name]))
        found: list[Feature] = []
        for profile in profiles:
            judged = profile.judge(profile.name in asked)
            if isinstance(judged, Feature):
                found.append(judged)
            elif asked:
                raise DataError(f"{self.path}: column {profile.name!r} of table.use cannot be a feature: {judged}")
            else:
                log.warning("%s: column %s is not used: %s", self.path, listed([profile.name], self.columns), judged)
        if not found:
            raise DataError(
                f"{self.path}: none of its {len(self.columns)} other columns can be a feature: numbers, or texts of at "
                f"most {said.levels} different values (table.levels), were expected"
            )
        return found

    def _there(self, column: Any) -> Any:
        return pc.if_else(pc.is_in(pc.utf8_trim_whitespace(column), self.missing), "", column)

    def _rows(self, features: list[Feature], counts: Counts) -> tuple[list[str], Floats, list[str]]:
        """Patients, their features and what the column of the outcome says; one row each."""
        rows, seen = Rows(self.path, self.form, counts), set[str]()
        patients: list[str] = []
        outcomes: list[str] = []
        parts: list[Floats] = []
        wanted = dict.fromkeys((self.patient, *([self.outcome] if self.outcome else []), *(f.column for f in features)))
        for piece in rows.pieces(list(wanted)):
            names = self._there(piece[self.patient])
            piece = rows.readable(piece, pc.not_equal(pc.utf8_trim_whitespace(names), "").to_numpy(), "of no patient")
            piece = rows.readable(piece, _firsts(piece[self.patient], seen), "another row of its patient")
            counts["kept"] += piece.num_rows
            patients += without_decimals(piece[self.patient]).to_pylist()
            outcomes += self._there(piece[self.outcome]).to_pylist() if self.outcome else []
            columns = [f.values(self._there(piece[f.column]), self.config.decimal) for f in features]
            parts.append(np.concatenate(columns, axis=1))
        if not patients:
            raise DataError(f"{self.path}: has no row of a patient. One row a patient was expected.")
        return patients, np.concatenate(parts), outcomes


def _firsts(patients: Any, seen: set[str]) -> npt.NDArray[np.bool_]:
    """True where a patient is named for the first time; ``seen`` grows."""
    found = np.zeros(len(patients), np.bool_)
    for at, name in enumerate(same_ids(patients).to_pylist()):
        found[at] = name not in seen
        seen.add(name)
    return found
