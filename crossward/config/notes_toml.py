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
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crossward.config.data_sources import MORTALITY, SOURCES
from crossward.config.harmonising import CATEGORIES, DISPOSITION, STEPS, SYSTEMS, VOCABULARIES
from crossward.config.notes_settings import COMMON_FIELDS, SITE, TEXT, LabelColumn, NotesConfig
from crossward.config.settings import SettingsError
from crossward.machine.paths import PathError, absolute
from crossward.machine.text import TextError, read_toml

FILE = "notes.toml"
Pairs = tuple[tuple[str, str], ...]


class NotesError(SettingsError):
    """A notes.toml is missing or wrong; what it says stays in the hospital's own log."""

    tellable = False


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
        return _Reader(path, read_toml(path)).notes()
    except TextError as error:
        raise NotesError(str(error)) from None


class _Reader:
    """One file's values, each taken once and checked; what is left over is unknown."""

    def __init__(self, path: Path, given: Mapping[str, Any]) -> None:
        self.path, self.given = path, given

    def notes(self) -> NotesConfig:
        _known(self.path, "key", self.given, KEYS)
        source = self._one_of("source", tuple(name for name, entry in SOURCES.items() if not entry.maker))
        if bool(self.text("query")) != SOURCES[source].is_url:
            what = (
                "is missing: the SQL that yields the notes" if SOURCES[source].is_url else "is for databases: remove it"
            )
            raise NotesError(f"{self.path}: query {what}")
        include = self._table("include", ("categories", "since", "until"))
        return NotesConfig(
            source=source,
            path=self._place(self.text("path"), "path", SOURCES[source].is_url),
            query=self.text("query"),
            encoding=self.text("encoding"),
            delimiter=self.text("delimiter"),
            quote=self.text("quote"),
            **({"nulls": self._texts("nulls")} if "nulls" in self.given else {}),
            columns=self._columns(source),
            times=self._times(),
            categories=self._categories(),
            labels=self._labels(source),
            include=_texts(self.path, "include.categories", include.get("categories", [])),
            since=self._day("since", include),
            until=self._day("until", include),
            vocabulary=self._vocabulary(),
            **({"skip": self._skipped()} if "skip" in self.given else {}),
            file=str(self.path),
        )

    def text(self, key: str) -> str:
        return _text(self.path, key, self.given.get(key, ""))

    def _texts(self, key: str) -> tuple[str, ...]:
        return _texts(self.path, key, self.given.get(key, []))

    def _times(self) -> tuple[str, ...]:
        found = self.given.get("times", [])
        formats = (found,) if isinstance(found, str) else self._texts("times")
        for stated in formats:
            if "%" not in stated:
                raise NotesError(
                    f"{self.path}: times = {stated!r} is no format of strptime: %d, %m, %Y, %H, %M and the like were "
                    'expected, such as "%d.%m.%Y %H:%M"'
                )
        return formats

    def _one_of(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in choices:
            what = f"= {value!r} is unknown" if value else "is missing"
            raise NotesError(f"{self.path}: {key} {what}: one of {', '.join(choices)} was expected")
        return value

    def _place(self, value: str, key: str, is_url: bool = False) -> str:
        if not value:
            raise NotesError(f"{self.path}: {key} is missing: name the file or folder of the notes")
        if is_url:
            return value
        try:
            return str(absolute(value, key, self.path.absolute().parent))
        except PathError as error:
            raise NotesError(f"{self.path}: {error}") from None

    def _table(self, key: str, known: Iterable[str] | None = None) -> dict[str, Any]:
        found = self.given.get(key, {})
        if not isinstance(found, dict):
            raise NotesError(f"{self.path}: {key} is {_kind(found)}: a table was expected, [{key}]")
        if known is not None:
            _known(self.path, f"key in [{key}]", found, known)
        return found

    def _pairs(self, key: str, known: Iterable[str] | None = None) -> Pairs:
        table = self._table(key, known)
        return tuple(sorted((name, _text(self.path, f"{key}.{name}", value)) for name, value in table.items()))

    def _columns(self, source: str) -> Pairs:
        pairs = self._pairs("columns", COMMON_FIELDS)
        own = [name for name, _ in pairs if name != SITE]
        if not SOURCES[source].is_flat and own:
            raise NotesError(
                f"{self.path}: columns.{own[0]}: the tables of source = {source!r} have columns of their own, of which "
                f"only {SITE} is chosen: remove it"
            )
        if SOURCES[source].is_flat and not SOURCES[source].text and TEXT not in dict(pairs):
            raise NotesError(f'{self.path}: columns.{TEXT} is missing: name the column of the note, {TEXT} = "..."')
        return pairs

    def _categories(self) -> Pairs:
        pairs = self._pairs("categories")
        for own, common in pairs:
            if common not in CATEGORIES:
                raise NotesError(
                    f"{self.path}: categories.{own!r} = {common!r} is no common category"
                    f"{_nearest(common, CATEGORIES)}; known are {', '.join(CATEGORIES)}"
                )
        return pairs

    def _labels(self, source: str) -> tuple[tuple[str, LabelColumn], ...]:
        found = self._table("labels")
        if found and not SOURCES[source].is_flat:
            raise NotesError(
                f"{self.path}: [labels]: the tables of source = {source!r} give labels of their own "
                f"({', '.join(SOURCES[source].labels)}): remove it"
            )
        return tuple(sorted((name, self._label(name, value)) for name, value in found.items()))

    def _label(self, name: str, given: Any) -> LabelColumn:
        where = f"labels.{name}"
        if isinstance(given, str):
            return LabelColumn(given)
        if not isinstance(given, dict):
            raise NotesError(f"{self.path}: {where} is {_kind(given)}: a column or a table [{where}] was expected")
        _known(self.path, f"key in [{where}]", given, ("column", "system", "values"))
        column, system = (_text(self.path, f"{where}.{key}", given.get(key, "")) for key in ("column", "system"))
        if not column:
            raise NotesError(f'{self.path}: {where}.column is missing: name the column that holds it, column = "..."')
        if system and system not in SYSTEMS:
            raise NotesError(
                f"{self.path}: {where}.system = {system!r} is unknown: one of {', '.join(SYSTEMS)} was expected"
            )
        if system and (system == DISPOSITION) != (name == MORTALITY):
            raise NotesError(
                f"{self.path}: {where}.system = {system!r}: {DISPOSITION!r} is for {MORTALITY}, the others are for "
                "codes of conditions: remove it"
            )
        values = given.get("values", {})
        if not isinstance(values, dict):
            raise NotesError(f'{self.path}: {where}.values is {_kind(values)}: a table was expected, {{ J = "yes" }}')
        pairs = ((own, _text(self.path, f"{where}.values.{own}", value)) for own, value in values.items())
        return LabelColumn(column, system, tuple(sorted(pairs)))

    def _day(self, key: str, table: Mapping[str, Any]) -> str:
        value = table.get(key, "")
        if type(value) is datetime.date:
            return value.isoformat()
        if value == "":
            return ""
        raise NotesError(f"{self.path}: include.{key} is {_kind(value)}: a day was expected, {key} = 2019-12-31")

    def _vocabulary(self) -> Pairs:
        pairs = self._pairs("vocabulary", VOCABULARIES)
        return tuple((name, self._place(value, f"vocabulary.{name}")) for name, value in pairs)

    def _skipped(self) -> tuple[str, ...]:
        found = self._texts("skip")
        for name in found:
            if name not in STEPS:
                raise NotesError(
                    f"{self.path}: skip: there is no step {name!r}{_nearest(name, STEPS)}; known are {', '.join(STEPS)}"
                )
        return found


KEYS = tuple(entry.name for entry in dataclasses.fields(NotesConfig) if entry.name != "file")


def _known(path: Path, what: str, given: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for key in given:
        if key not in known:
            raise NotesError(f"{path}: there is no {what} {key!r}{_nearest(key, known)}; known are {', '.join(known)}")


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word.lower().replace("_", "-"), list(known), 1)
    return f", did you mean {near[0]!r}?" if near else ""


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list", dict: "a table"}
    return names.get(type(value), f"a {type(value).__name__}")


def _text(path: Path, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise NotesError(f'{path}: {key} is {_kind(value)}: a text was expected, {key.rpartition(".")[2]} = "..."')
    return value


def _texts(path: Path, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise NotesError(f'{path}: {key} is no list of texts: {key.rpartition(".")[2]} = ["...", "..."] was expected')
    return tuple(value)
