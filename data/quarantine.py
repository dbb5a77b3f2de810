"""Rows that cannot be read: each is counted and listed with its file and line, and too many of them refuse the file.

``quarantine.jsonl`` in the cache, beside the notes, lists them; it never holds a row's text. ``reading.json`` says what
each file was found to be: encoding, delimiter, missing values. Not for notes that a setting leaves out: those are
counted by the readers (``data.readers``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from data.errors import DataError

log = logging.getLogger("crossward.data")

LISTED = 10_000  # rows that are listed; all are counted
_LOGGED = 20
_MOST = 0.1  # share of a file's rows; more of them mean that the file is not what it was taken for
_EARLY = 1000  # bad rows after which a file that has more bad rows than good ones is not read to its end


@dataclass(frozen=True)
class BadRow:
    """One row that could not be read: its file, its line from 1 (0: unknown), why, and what exactly."""

    path: str
    line: int
    why: str
    detail: str = ""

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}{f' ({self.detail})' if self.detail else ''}"


class Sink(Protocol):
    """Where rows that cannot be read are counted: ``data.readers.Counts``."""

    facts: dict[str, dict[str, Any]]

    def quarantine(self, path: Path, line: int, why: str, detail: str = "") -> None:
        """Count one row that was read and could not be used."""


class Intake:
    """What the reading of one file reports beside its rows.

    Parameters
    ----------
    path : Path
        The file.
    sink : Sink | None
        Where bad rows are counted; without one the first of them refuses the file, as for a release's small tables.
    unit : str
        What the file counts by: "line", or "row" where it has no lines.
    """

    def __init__(self, path: Path, sink: Sink | None = None, unit: str = "line") -> None:
        self.path, self.sink, self.unit = path, sink, unit
        self.good = self.bad = 0
        self.first: BadRow | None = None
        self.facts: dict[str, Any] = {}

    def reject(self, line: int, why: str, detail: str = "") -> None:
        """Quarantine the row that begins on ``line``."""
        self.bad += 1
        self.first = self.first or BadRow(self.path.name, line, why, detail)
        if self.sink is None:
            raise self._refusal("a row cannot be read")
        if self.bad >= _EARLY and self.bad > self.good:
            raise self._refusal(f"{self.bad} of the first {self.bad + self.good} rows cannot be read")
        self.sink.quarantine(self.path, line, why, detail)

    def note(self, **facts: Any) -> None:
        """Record what the file was found to be."""
        self.facts.update(facts)

    def missing(self, column: str, count: int) -> None:
        """Record ``count`` more values of ``column`` that a word such as NULL marks as missing."""
        if count:
            found = self.facts.setdefault("missing", {})
            found[column] = found.get(column, 0) + count

    def done(self) -> None:
        """The file was read to its end.

        Raises
        ------
        DataError
            too many of its rows could not be read.
        """
        if self.bad > _MOST * (self.good + self.bad):
            raise self._refusal(f"{self.bad} of {self.good + self.bad} rows cannot be read")
        if self.sink is not None:
            self.sink.facts[str(self.path)] = self.facts
        if unusual := _unusual(self.facts):
            log.info("%s: is read as %s", self.path, ", ".join(unusual))
        if missing := self.facts.get("missing"):
            words = ", ".join(f"{count} in {name!r}" for name, count in missing.items())
            log.info("%s: values that stand for a missing one: %s", self.path, words)

    def _refusal(self, what: str) -> DataError:
        assert self.first is not None  # noqa: S101 - for mypy
        first = str(self.first).replace("line", self.unit, 1)
        return DataError(
            f"{self.path}: {what}; the first is {first}. Nothing of the file was used. Repair or export it again"
            f"{_advice(self.first, self.facts)}."
        )


def _unusual(facts: Mapping[str, Any]) -> list[str]:
    """What of the findings is worth a line: all but plain UTF-8 with commas and double quotes."""
    found = [f"packed by {facts['compression']}"] if facts.get("compression") else []
    if facts.get("encoding", "utf-8") not in ("utf-8", "utf-8-sig"):
        found.append(f"{facts['encoding']} ({facts['encoding_known']})")
    if "delimiter" in facts and (facts["delimiter"], facts["quote"], facts["escape"]) != ("commas", '"', False):
        quote = f"quoted by {facts['quote']}" if facts["quote"] else "without quotes"
        found.append(f"separated by {facts['delimiter']}, {quote}{', with escapes' if facts['escape'] else ''}")
    return found


def _advice(first: BadRow, facts: Mapping[str, Any]) -> str:
    if "delimiter" not in facts:
        return ""
    return (
        f", or set delimiter and quote of the notes if these are wrong: fields separated by {facts['delimiter']!r}, "
        f"quoted by {facts['quote'] or 'nothing'}{', escaped by backslashes' if facts.get('escape') else ''}"
    )


def log_bad(row: BadRow, number: int) -> None:
    """Say in the hospital's own log that ``row`` was left out, the ``number``-th so far; of many the first."""
    if number <= _LOGGED:
        log.warning("%s: %s; the row is left out", row.path, row)
    if number == _LOGGED:
        log.warning("further rows that cannot be read are listed in quarantine.jsonl alone")


def write_report(folder: Path, rows: list[BadRow], facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Put ``quarantine.jsonl`` and ``reading.json`` into ``folder``."""
    lines = (json.dumps({"file": row.path, "line": row.line, "why": row.why, "detail": row.detail}) for row in rows)
    (folder / "quarantine.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (folder / "reading.json").write_text(json.dumps(facts, indent=1))
