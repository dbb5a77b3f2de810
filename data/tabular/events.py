"""Laboratory values and vital signs, one a row -> one row a patient: ``read``.

The table is read twice: once to see which items most patients have and in which unit, once to sum them up. Values
from outside of a patient's window, and so after the moment of prediction, are counted and used nowhere.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.party_settings import STATISTICS, PartyConfig
from crossward.config.party_sources import EVENTS, ITEM, PATIENT, TIME, UNIT, VALUE, EventTable
from data.errors import DataError
from data.formats.form import Form
from data.ids import without_decimals
from data.party import PartyData
from data.quoting import listed
from data.readers.pieces import Counts, load
from data.release_files import columns_of
from data.tables import find_table, needed_table
from data.tabular.cohort import Stays, read_cohort
from data.tabular.kept import patients_with
from data.tabular.reasons import NOT_USED, OUTSIDE_COHORT, OUTSIDE_WINDOW
from data.tabular.rows import Rows, Unreported
from data.tabular.summaries import Summaries
from data.tabular.texts import NO_TIME, Floats, Ints, by_value, numbers, seconds

_MOST_ITEMS = 20_000  # different ones that are counted to find the most frequent


@dataclasses.dataclass(frozen=True)
class _Values:
    """Values of a piece that are in the window of a patient of the cohort, a place each."""

    patients: Ints
    items: pa.Array
    times: Ints
    values: Floats
    units: pa.Array


def read(config: PartyConfig, counts: Counts) -> PartyData:
    """What the table of events says of the patients of the cohort.

    Raises
    ------
    DataError
        a table cannot be read or lacks a column; an item is not in it; no patient has a value.
    """
    table = EVENTS[config.features, config.source]
    folder = Path(config.path)
    path = needed_table(folder, table.table) if table.table else folder
    stays = read_cohort(config, config.source, folder)
    reader = _Events(path, config, table, stays)
    units = reader.units()
    summaries = reader.summed_up(units, counts)
    names = _names(folder, table, list(units))
    found = [f"{names[item]} {what}" for item in units for what in STATISTICS]
    return patients_with(stays, summaries.patients(), summaries.table(), found, path, counts)


class _Events:
    """One table of events."""

    def __init__(self, path: Path, config: PartyConfig, table: EventTable, stays: Stays) -> None:
        self.path, self.config, self.stays = path, config, stays
        self.form = Form(config.encoding, config.delimiter, config.quote, config.nulls)
        self.column = dict(table.columns or config.columns)
        there = columns_of(path, self.form)
        self.error = table.error if table.error in there else ""
        self.wanted = [self.column[name] for name in (PATIENT, TIME, ITEM, VALUE, UNIT) if name in self.column]

    def units(self) -> dict[str, str]:
        """The items that are used, each with the unit that most of its values have.

        Raises
        ------
        DataError
            an item that the configuration names has no value; there are too many to choose from.
        """
        use, patients = self.config.items.use, len(self.stays.patients)
        units: dict[str, Counter[str]] = {}
        who: dict[str, npt.NDArray[np.uint8]] = {}
        for found in self._values(Unreported(), use):
            for item, unit, rows in _groups(found.items, found.units):
                units.setdefault(item, Counter())[unit] += len(rows)
                bits = who.setdefault(item, np.zeros(-(-patients // 8), np.uint8))
                places = found.patients[rows]
                np.bitwise_or.at(bits, places >> 3, (1 << (places & 7)).astype(np.uint8))
            if len(units) > _MOST_ITEMS:
                raise DataError(
                    f"{self.path}: column {self.column[ITEM]!r} has more than {_MOST_ITEMS:,} different values: is it "
                    "that of the items? Name the items in [items] use = [...]"
                )
        if missing := [item for item in use if item not in units]:
            raise DataError(
                f"{self.path}: no patient of the cohort has a value of {listed(missing, missing)} within the window "
                f"(items.use of {self.config.file}); expected were values of column {self.column[ITEM]!r}"
            )
        shared = {item: int(np.bitwise_count(bits).sum()) for item, bits in who.items()}
        chosen = use or sorted(shared, key=lambda item: (-shared[item], item))[: self.config.items.most]
        return {item: max(units[item], key=lambda unit: (units[item][unit], unit)) for item in sorted(chosen)}

    def summed_up(self, units: Mapping[str, str], counts: Counts) -> Summaries:
        """The values of the items in ``units``, in their units."""
        items, wanted = pa.array(list(units), pa.string()), pa.array([units[item] for item in units], pa.string())
        found = Summaries(len(self.stays.patients), len(units))
        for values in self._values(counts, tuple(units)):
            places = pc.index_in(values.items, items)
            right = pc.or_(pc.equal(values.units, ""), pc.equal(values.units, wanted.take(places))).to_numpy(False)
            counts["in another unit than most"] += int((~right).sum())
            counts["kept"] += int(right.sum())
            at = places.to_numpy().astype(np.int64)
            found.add(values.patients[right], at[right], values.times[right], values.values[right])
        return found

    def _values(self, counts: Counts, items: tuple[str, ...]) -> Iterator[_Values]:
        """The values of ``items`` (none: of all), what is left out counted under its reason."""
        rows = Rows(self.path, self.form, counts)
        for piece in rows.pieces([*self.wanted, *([self.error] if self.error else [])]):
            if self.error:
                right = pc.not_equal(without_decimals(piece[self.error]), "1").to_numpy()
                piece = rows.keep(piece, right, "marked as an error")
            piece = self._of_use(rows, piece, items)
            if found := self._in_window(rows, piece):
                yield found

    def _of_use(self, rows: Rows, piece: pa.Table, items: tuple[str, ...]) -> pa.Table:
        known = self.stays.places(piece[self.column[PATIENT]]) >= 0
        piece = rows.keep(piece, known, OUTSIDE_COHORT)
        names = by_value(piece[self.column[ITEM]], without_decimals)
        used = pc.is_in(names, pa.array(items, pa.string())) if items else pc.not_equal(names, "")
        return rows.keep(piece, used.to_numpy(zero_copy_only=False), NOT_USED)

    def _in_window(self, rows: Rows, piece: pa.Table) -> _Values | None:
        formats = self.config.times
        time = self.column[TIME]
        piece = rows.readable(piece, seconds(piece[time], formats) != NO_TIME, "a time that cannot be read")
        times = seconds(piece[time], formats, end_of_day=True)
        at = self.stays.places(piece[self.column[PATIENT]])
        inside = (times >= self.stays.start[at]) & (times <= self.stays.stop[at])
        piece = rows.keep(piece, inside, OUTSIDE_WINDOW)
        values = numbers(piece[self.column[VALUE]], self.config.decimal)
        there = ~np.isnan(values)
        piece = rows.keep(piece, there, "without a number")
        if not piece.num_rows:
            return None
        unit = self.column.get(UNIT, "")
        units = pc.utf8_trim_whitespace(piece[unit]) if unit else pa.chunked_array([[""] * piece.num_rows], pa.string())
        names = by_value(piece[self.column[ITEM]], without_decimals)
        kept = np.flatnonzero(inside)[there]
        return _Values(at[kept], names, times[kept], values[there], units.combine_chunks())


def _groups(items: pa.Array, units: pa.Array) -> Iterator[tuple[str, str, Ints]]:
    """The places of each pair of item and unit."""
    item, unit = items.dictionary_encode(), units.dictionary_encode()
    codes = item.indices.to_numpy().astype(np.int64) * len(unit.dictionary) + unit.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.r_[True, codes[order][1:] != codes[order][:-1]])
    for group in np.split(order, starts[1:]):
        code = divmod(int(codes[group[0]]), len(unit.dictionary))
        yield item.dictionary[code[0]].as_py(), unit.dictionary[code[1]].as_py(), group


def _names(folder: Path, table: EventTable, items: list[str]) -> Mapping[str, str]:
    """A name of each item: that of the release's dictionary with its code, where there is one."""
    found: dict[str, str] = {}
    if table.dictionary and (path := find_table(folder, table.dictionary)):
        known: Any = load(path, ["itemid", table.name], Form())
        codes, names = without_decimals(known["itemid"]).to_pylist(), known[table.name].to_pylist()
        found = {code: f"{name.strip()} ({code})" for code, name in zip(codes, names, strict=True) if name.strip()}
    return {item: found.get(item, item) for item in items}
