"""Who was in hospital and from when, and of the label holder what became of them: ``read_cohort``.

One stay of each patient is meant, the last by default: of a patient who is in hospital now, the present one.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.party_settings import LAST, Cohort, PartyConfig
from crossward.config.party_sources import COHORTS
from data.errors import DataError
from data.formats.form import Form
from data.ids import same_ids, without_decimals
from data.readers.pieces import Counts
from data.tables import needed_table
from data.tabular.outcomes import happened
from data.tabular.rows import Rows
from data.tabular.texts import NO_TIME, Ints, by_value, seconds


@dataclasses.dataclass(frozen=True)
class Stays:
    """One stay a patient.

    Parameters
    ----------
    patients : tuple[str, ...]
        As the cohort writes them.
    keys : pa.Array
        The same in the spelling by which rows are joined (``data.ids.same_ids``).
    start, stop : int64 [patients]
        The window in seconds since 1970; its end is the moment of prediction.
    outcome : int8 [patients] | None
        1, 0 or -1 (unknown).
    """

    patients: tuple[str, ...]
    keys: pa.Array
    start: Ints
    stop: Ints
    outcome: npt.NDArray[np.int8] | None

    def places(self, column: pa.ChunkedArray) -> Ints:
        """The place of each patient of ``column``, -1 of one who is not in the cohort."""
        found = by_value(column, lambda names: pc.fill_null(pc.index_in(same_ids(names), self.keys), -1))
        return found.to_numpy().astype(np.int64)  # type: ignore[no-any-return]


def read_cohort(config: PartyConfig, release: str = "", folder: Path | None = None) -> Stays:
    """The stays of ``config.cohort``, or of the admissions of ``release`` (a name of ``COHORTS``) in ``folder``.

    Raises
    ------
    DataError
        the table cannot be read, lacks a column, or has no stay; an outcome is not understood.
    """
    path, cohort = _place(config, release, folder)
    rows = Rows(path, Form(nulls=config.nulls), Counts())
    outcome = config.outcome.column if config.outcome else ""
    wanted = list(dict.fromkeys(name for name in (cohort.patient, cohort.time, outcome) if name))
    kept = [_sound(rows, piece, cohort, config.times) for piece in rows.pieces(wanted)]
    table = pa.concat_tables(kept) if kept else None
    if table is None or not table.num_rows:
        raise DataError(f"{path}: no stay with a patient and a time is in it; one row a stay was expected")
    times = seconds(table[cohort.time], config.times)
    keys = same_ids(table[cohort.patient]).combine_chunks().dictionary_encode()
    at = _one_each(keys.indices.to_numpy(), times, cohort.stay == LAST)
    chosen = table.take(pa.array(at))
    known = happened(chosen[outcome].to_pylist(), config.outcome, str(path)) if config.outcome else None
    window = config.window
    return Stays(
        tuple(without_decimals(chosen[cohort.patient]).to_pylist()),
        keys.dictionary,
        times[at] - round(3600 * window.before),
        times[at] + round(3600 * window.after),
        known,
    )


def _place(config: PartyConfig, release: str, folder: Path | None) -> tuple[Path, Cohort]:
    """The table of stays, and its columns."""
    given = config.cohort or Cohort()
    if given.path:
        path = Path(given.path)
        if not path.is_file():
            raise DataError(f"{path}: no such file. cohort.path of {config.file} names it.")
        return path, given
    if release not in COHORTS or folder is None:
        raise DataError(
            f"{config.file}: [cohort] is missing: what there is to predict from ends at a moment of each patient's "
            'stay. Name the table of who was in hospital and from when: path, patient = "its column", time = "its '
            'column"'
        )
    table = COHORTS[release]
    return needed_table(folder, table.table), dataclasses.replace(given, patient=table.patient, time=table.time)


def _sound(rows: Rows, piece: pa.Table, cohort: Cohort, formats: tuple[str, ...]) -> pa.Table:
    """The rows that name a patient and a time that can be read."""
    named = pc.not_equal(pc.utf8_trim_whitespace(piece[cohort.patient]), "").to_numpy()
    piece = rows.readable(piece, named, "a stay of no patient")
    dated = seconds(piece[cohort.time], formats) != NO_TIME
    return rows.readable(piece, dated, "a time that cannot be read")


def _one_each(codes: npt.NDArray[np.int32], times: Ints, last: bool) -> Ints:
    """The row of each patient's first or last stay, patients in the order of their codes."""
    order = np.lexsort((times, codes))
    change = codes[order][1:] != codes[order][:-1]
    found = order[np.r_[change, True] if last else np.r_[True, change]]
    return found.astype(np.int64)
