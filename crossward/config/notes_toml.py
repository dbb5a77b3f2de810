"""Reads a hospital's ``notes.toml`` into a ``NotesConfig``, with errors that name the file, the key and what to do.

    source = "csv"
    path = "export/letters.csv"       # from this file's folder

    [columns]                         # common field = own column
    text = "letter"
    patient = "case_no"

    [labels.mortality]                # a label that runs may ask for
    column = "discharge_status"

An unknown key is an error, since a misspelt one would say nothing. Errors are not for the aggregator: they name
columns and categories of the hospital.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossward.config.data_sources import MORTALITY, SOURCES
from crossward.config.harmonising import CATEGORIES, DISPOSITION, STEPS, SYSTEMS, VOCABULARIES
from crossward.config.notes_settings import COMMON_FIELDS, SITE, TEXT, LabelColumn, NotesConfig
from crossward.config.toml_values import OwnFileError, Pairs, TomlValues, kind, nearest
from crossward.machine.text import TextError, read_toml

FILE = "notes.toml"


class NotesError(OwnFileError):
    """A notes.toml is missing or wrong."""


def read_notes(path: Path) -> NotesConfig:
    """What ``path`` says: a ``notes.toml``, or a folder that holds one. Paths in it are from its folder.

    Raises
    ------
    NotesError
        the file is missing or no TOML; a key is unknown, missing, of the wrong type or value.
    """
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise NotesError(f"{path}: no such file. A {FILE} was expected, which says what this hospital's notes are")
    try:
        return _Reader(path, read_toml(path), NotesError).notes()
    except TextError as error:
        raise NotesError(str(error)) from None


class _Reader(TomlValues):
    """One file's values, each taken once and checked; what is left over is unknown."""

    def notes(self) -> NotesConfig:
        self.known("key", self.given, KEYS)
        names = tuple(name for name, entry in SOURCES.items() if not entry.maker)
        source = self.one_of("source", self.given.get("source", ""), names)
        if bool(self._said("query")) != SOURCES[source].is_url:
            what = (
                "is missing: the SQL that yields the notes" if SOURCES[source].is_url else "is for databases: remove it"
            )
            raise self.wrong(f"query {what}")
        include = self.table("include", ("categories", "since", "until"))
        return NotesConfig(
            source=source,
            path=self._path(self._said("path"), SOURCES[source].is_url),
            query=self._said("query"),
            encoding=self._said("encoding"),
            delimiter=self._said("delimiter"),
            quote=self._said("quote"),
            **({"nulls": self.texts("nulls", self.given["nulls"])} if "nulls" in self.given else {}),
            columns=self._columns(source),
            times=self.formats("times"),
            categories=self._categories(),
            labels=self._labels(source),
            include=self.texts("include.categories", include.get("categories", [])),
            since=self._day("since", include),
            until=self._day("until", include),
            vocabulary=self._vocabulary(),
            **({"skip": self._skipped()} if "skip" in self.given else {}),
            file=str(self.path),
        )

    def _said(self, key: str) -> str:
        return self.text(key, self.given.get(key, ""))

    def _path(self, value: str, is_url: bool) -> str:
        if not value:
            raise self.wrong("path is missing: name the file or folder of the notes")
        return value if is_url else self.place(value, "path")

    def _columns(self, source: str) -> Pairs:
        pairs = self.pairs("columns", COMMON_FIELDS)
        own = [name for name, _ in pairs if name != SITE]
        if not SOURCES[source].is_flat and own:
            raise self.wrong(
                f"columns.{own[0]}: the tables of source = {source!r} have columns of their own, of which "
                f"only {SITE} is chosen: remove it"
            )
        if SOURCES[source].is_flat and not SOURCES[source].text and TEXT not in dict(pairs):
            raise NotesError(f'{self.path}: columns.{TEXT} is missing: name the column of the note, {TEXT} = "..."')
        return pairs

    def _categories(self) -> Pairs:
        pairs = self.pairs("categories")
        for own, common in pairs:
            if common not in CATEGORIES:
                raise self.wrong(
                    f"categories.{own!r} = {common!r} is no common category"
                    f"{nearest(common, CATEGORIES)}; known are {', '.join(CATEGORIES)}"
                )
        return pairs

    def _labels(self, source: str) -> tuple[tuple[str, LabelColumn], ...]:
        found = self.table("labels")
        if found and not SOURCES[source].is_flat:
            raise self.wrong(
                f"[labels]: the tables of source = {source!r} give labels of their own "
                f"({', '.join(SOURCES[source].labels)}): remove it"
            )
        return tuple(sorted((name, self._label(name, value)) for name, value in found.items()))

    def _label(self, name: str, given: Any) -> LabelColumn:
        where = f"labels.{name}"
        if isinstance(given, str):
            return LabelColumn(given)
        if not isinstance(given, dict):
            raise self.wrong(f"{where} is {kind(given)}: a column or a table [{where}] was expected")
        self.known(f"key in [{where}]", given, ("column", "system", "values"))
        column, system = (self.text(f"{where}.{key}", given.get(key, "")) for key in ("column", "system"))
        if not column:
            raise NotesError(f'{self.path}: {where}.column is missing: name the column that holds it, column = "..."')
        if system and system not in SYSTEMS:
            raise self.wrong(f"{where}.system = {system!r} is unknown: one of {', '.join(SYSTEMS)} was expected")
        if system and (system == DISPOSITION) != (name == MORTALITY):
            raise self.wrong(
                f"{where}.system = {system!r}: {DISPOSITION!r} is for {MORTALITY}, the others are for "
                "codes of conditions: remove it"
            )
        values = given.get("values", {})
        if not isinstance(values, dict):
            raise NotesError(f'{self.path}: {where}.values is {kind(values)}: a table was expected, {{ J = "yes" }}')
        pairs = ((own, self.text(f"{where}.values.{own}", value)) for own, value in values.items())
        return LabelColumn(column, system, tuple(sorted(pairs)))

    def _day(self, key: str, table: Mapping[str, Any]) -> str:
        value = table.get(key, "")
        if type(value) is datetime.date:
            return value.isoformat()
        if value == "":
            return ""
        raise self.wrong(f"include.{key} is {kind(value)}: a day was expected, {key} = 2019-12-31")

    def _vocabulary(self) -> Pairs:
        pairs = self.pairs("vocabulary", VOCABULARIES)
        return tuple((name, self.place(value, f"vocabulary.{name}")) for name, value in pairs)

    def _skipped(self) -> tuple[str, ...]:
        found = self.texts("skip", self.given["skip"])
        for name in found:
            if name not in STEPS:
                raise self.wrong(f"skip: there is no step {name!r}{nearest(name, STEPS)}; known are {', '.join(STEPS)}")
        return found


KEYS = tuple(entry.name for entry in dataclasses.fields(NotesConfig) if entry.name != "file")
