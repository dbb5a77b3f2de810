"""What is beside cleaned notes in the cache: how many rows became what, what each file is, which rows were not read.

Not for: writing it (``data.notes_file``, ``data.quarantine``).
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIRST, FILES = 5, 12  # rows of each hospital that could not be read, and files, that are named
_QUARANTINE = "quarantine.jsonl"


@dataclass
class Reading:
    """Of all hospitals together: see :class:`data.check.findings.Findings`."""

    counts: Counter[str] = field(default_factory=Counter)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)

    def add(self, folder: Path) -> None:
        """Take in what is beside the notes in ``folder``."""
        self.counts.update(json.loads((folder / "counts.json").read_text()))
        if (facts := folder / "reading.json").exists():
            self.files |= json.loads(facts.read_text())
        if (path := folder / _QUARANTINE).exists() and path.stat().st_size:
            self.lists.append(str(path))
            with path.open(encoding="utf-8") as rows:
                self.unread += _named(itertools.islice(rows, FIRST))


def _named(rows: Iterable[str]) -> list[str]:
    """Rows of the quarantine in words: no text of theirs is in it."""
    out = []
    for row in map(json.loads, rows):
        place = f", line {row['line']}" if row["line"] else ""
        out.append(f"{row['file']}{place}: {row['why']}" + (f" ({row['detail']})" if row["detail"] else ""))
    return out


def described(files: Mapping[str, dict[str, Any]]) -> list[str]:
    """What each file was found to be, the first few of many."""
    shown = [_described(path, facts) for path, facts in list(files.items())[:FILES]]
    return [*shown, *([f"{len(files) - FILES} more files"] if len(files) > FILES else [])]


def _described(path: str, facts: dict[str, Any]) -> str:
    what = [facts.get("format", ""), facts.get("compression", "")]
    if encoding := facts.get("encoding"):
        what.append(f"{encoding}{', a guess' if facts.get('encoding_known') == 'guessed' else ''}")
    if delimiter := facts.get("delimiter"):
        what.append(f"separated by {delimiter}")
    missing = sum(facts.get("missing", {}).values())
    what.append(f"{missing:,} values that stand for a missing one" if missing else "")
    return f"{Path(path).name}: {', '.join(filter(None, what))}"
