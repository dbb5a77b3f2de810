"""Reads a party's ``party.toml`` into a ``PartyConfig``, with errors that name the file, the key and what to do.

    name = "Laboratory"
    features = "labs"
    source = "table"
    path = "results.csv"              # from this file's folder

    [columns]                         # field = own column
    patient = "number"
    time = "taken"
    item = "test"
    value = "result"

    [cohort]                          # who was in hospital, and from when
    path = "orders.csv"
    patient = "number"
    time = "admitted"

An unknown key is an error, since a misspelt one would say nothing, and so is one that does nothing for such features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crossward.config.data_sources import OWN
from crossward.config.party_settings import FIRST, LAST, Cohort, Columns, Items, Outcome, PartyConfig, Window
from crossward.config.party_sources import (
    COHORTS,
    EVENT_FIELDS,
    FEATURES,
    NOTES,
    PATIENT,
    TABLE,
    TIME,
    UNIT,
)
from crossward.config.toml_values import OwnFileError, Pairs, TomlValues
from crossward.machine.text import TextError, read_toml

FILE = "party.toml"
_MOST_ITEMS, _MOST_LEVELS, _MOST_HOURS = 500, 100, 24.0 * 366
_HOURS = ("before", "after")
_OF_ALL = ("name", "features", "source", "path", "nulls", "outcome", "identifiers")
_OF_TABLES = ("encoding", "delimiter", "quote", "decimal", "columns")  # which the party names itself
_OF_TIMES = ("times", "cohort", "window")


class PartyError(OwnFileError):
    """A party.toml is missing or wrong."""


def read_party_toml(path: Path) -> PartyConfig:
    """What ``path`` says: a ``party.toml``, or a folder that holds one. Paths in it are from its folder.

    Raises
    ------
    PartyError
        the file is missing or no TOML; a key is unknown, missing, of the wrong type or value.
    """
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise PartyError(f"{path}: no such file. A {FILE} was expected, which says what this party has")
    try:
        return _Reader(path, read_toml(path), PartyError).party()
    except TextError as error:
        raise PartyError(str(error)) from None


def is_party_toml(path: Path) -> bool:
    """Whether the file at ``path`` is a party's, by its name or by ``features``, which no other file here has."""
    if path.suffix.lower() != ".toml":
        return False
    if path.name == FILE:
        return True
    try:
        return path.is_file() and "features" in read_toml(path)
    except TextError:
        return False


class _Reader(TomlValues):
    """One file's values, each taken once and checked."""

    def party(self) -> PartyConfig:
        self.known("key", self.given, (*_OF_ALL, *_OF_TABLES, *_OF_TIMES, "table", "items"))
        features = self.one_of("features", self.given.get("features", ""), tuple(FEATURES))
        sources = FEATURES[features].sources
        source = self.one_of("source", self.given.get("source", sources[0]), sources)
        self._of_use(features, source)
        return PartyConfig(
            name=self._needed("name", "how reports call this party"),
            features=features,
            source=source,
            path=self.place(self._needed("path", "the file or folder of what this party has"), "path"),
            encoding=self._said("encoding"),
            delimiter=self._said("delimiter"),
            quote=self._said("quote"),
            **({"nulls": self.texts("nulls", self.given["nulls"])} if "nulls" in self.given else {}),
            decimal=self.one_of("decimal", self.given.get("decimal", "."), (".", ",")),
            times=self.formats("times"),
            columns=self._columns(features, source),
            table=self._table(),
            items=self._items(),
            cohort=self._cohort(features, source),
            window=self._window(),
            outcome=self._outcome(),
            prefix=self.text("identifiers.prefix", self.table("identifiers", ("prefix",)).get("prefix", "")),
            file=str(self.path),
        )

    def _said(self, key: str) -> str:
        return self.text(key, self.given.get(key, ""))

    def _needed(self, key: str, what: str) -> str:
        if found := self._said(key).strip():
            return found
        raise self.wrong(f'{key} is missing: {what}, {key} = "..."')

    def _of_use(self, features: str, source: str) -> None:
        """Refuse a key that nothing would read."""
        of_table = _OF_TABLES if source == TABLE else ()
        of_times = _OF_TIMES if FEATURES[features].has_moment else ()
        own = {TABLE: ("table",), NOTES: ()}.get(features, ("items",))
        known = (*_OF_ALL, *of_table, *of_times, *own)
        for key in self.given:
            if key not in known:
                raise self.wrong(
                    f'{key} is of no use where features = "{features}" and source = "{source}": remove it. Of use are '
                    f"{', '.join(known)}"
                )

    def _columns(self, features: str, source: str) -> Pairs:
        if source != TABLE:
            return ()
        fields = (PATIENT,) if features == TABLE else tuple(EVENT_FIELDS)
        pairs = self.pairs("columns", fields)
        for name in fields:
            if name != UNIT and not dict(pairs).get(name):
                about = EVENT_FIELDS[name]
                raise self.wrong(f'columns.{name} is missing: name the column of {about!r}, {name} = "..."')
        return pairs

    def _table(self) -> Columns:
        found = self.table("table", ("use", "leave", "levels"))
        return Columns(
            self.texts("table.use", found.get("use", [])),
            self.texts("table.leave", found.get("leave", [])),
            self._count("table.levels", found.get("levels", Columns.levels), _MOST_LEVELS),
        )

    def _items(self) -> Items:
        found = self.table("items", ("use", "most"))
        if len(found) > 1:
            raise self.wrong("items.use names the items, and items.most a number of them: keep one")
        use = self.texts("items.use", found.get("use", []))
        return Items(use, self._count("items.most", found.get("most", Items.most), _MOST_ITEMS))

    def _count(self, key: str, value: Any, most: int) -> int:
        found = self.number(key, value, 1, most)
        if not found.is_integer():
            raise self.wrong(f"{key} = {value}: a whole number was expected")
        return int(found)

    def _window(self) -> Window:
        found = self.table("window", _HOURS)
        given = {key: self.number(f"window.{key}", value, 0, _MOST_HOURS) for key, value in found.items()}
        window = Window(**given)
        if not window.before + window.after:
            raise self.wrong("window.before and window.after are both 0: hours in which there can be something")
        return window

    def _outcome(self) -> Outcome | None:
        found = self.table("outcome", ("column", "positive"))
        if "outcome" not in self.given:
            return None
        column = self.text("outcome.column", found.get("column", ""))
        if not column:
            raise self.wrong('outcome.column is missing: name the column that says whether it happened, column = "..."')
        return Outcome(column, self.texts("outcome.positive", found.get("positive", [])))

    def _cohort(self, features: str, source: str) -> Cohort | None:
        if not FEATURES[features].has_moment:
            return None
        found = self.table("cohort", ("path", PATIENT, TIME, "stay"))
        stay = self.one_of("cohort.stay", found.get("stay", LAST), (FIRST, LAST))
        said = {key: self.text(f"cohort.{key}", found.get(key, "")) for key in ("path", PATIENT, TIME)}
        release = COHORTS.get(source)
        if release and not said["path"]:
            if extra := next((key for key in (PATIENT, TIME) if said[key]), ""):
                raise self.wrong(f"cohort.{extra} is the release's own in {release.table.upper()}: remove it")
            return Cohort(patient=release.patient, time=release.time, stay=stay)
        missing = next((key for key, value in said.items() if not value), "")
        if missing and (source != OWN or any(said.values())):  # own notes may be a release's, with its admissions
            raise self.wrong(
                f"cohort.{missing} is missing: [cohort] names the table of who was in hospital and from when, with "
                'path, patient = "its column" and time = "its column"'
            )
        return Cohort(self.place(said["path"], "cohort.path") if said["path"] else "", said[PATIENT], said[TIME], stay)
