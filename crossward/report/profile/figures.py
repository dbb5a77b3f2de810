"""A profile as it is kept beside a run: sums over all hospitals, and how many of them have each kind of note.

Not for: opening a sealed one (``crossward.evaluation.profile``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROFILE = "profile.json"
TITLES = {"category": "Categories", "label": "Labels", "length": "Lengths in tokens"}
_WHOLE = "all"


@dataclass(frozen=True)
class Cell:
    """``count`` notes of a kind, of all hospitals together; ``having`` of them have any (or enough to say so)."""

    group: str
    name: str
    count: int
    having: int


@dataclass(frozen=True)
class Profile:
    """The cells of ``hospitals`` hospitals.

    A hospital states counts below ``least`` as 0 and others to the nearest ``unit``. ``deviation`` is that of the
    noise on each of a hospital's counts, 0.0 without any. ``sealed``: added up under encryption, else on a machine that
    has all notes.
    """

    hospitals: int
    cells: tuple[Cell, ...]
    least: int
    unit: int
    deviation: float = 0.0
    sealed: bool = True

    def groups(self) -> Iterator[tuple[str, list[Cell]]]:
        """Categories, labels and lengths, each with its cells that are not empty, in the order of ``TITLES``."""
        for group in TITLES:
            if found := [cell for cell in self.cells if cell.group == group and cell.count]:
                yield group, found

    def whole(self, name: str) -> int:
        """All "notes" or "patients"."""
        return next((cell.count for cell in self.cells if (cell.group, cell.name) == (_WHOLE, name)), 0)

    def to_json(self) -> dict[str, Any]:
        """Plain values that :meth:`from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Profile:
        """The profile that :meth:`to_json` wrote."""
        return cls(**(value | {"cells": tuple(Cell(**cell) for cell in value["cells"])}))


def profiled(folder: Path) -> Profile | None:
    """The profile beside the run in ``folder``; None where there is none that can be read."""
    try:
        return Profile.from_json(json.loads((folder / PROFILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
