"""MIMIC's tables among the other forms: ``write_iii``, ``write_iv``, and both with values measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from data.synthetic.forms.packing import Packing
from data.synthetic.measured import tables_iii, tables_iv
from data.synthetic.measured.values import Measured
from data.synthetic.tables import Record
from data.synthetic.tables_iii import write_mimic_iii
from data.synthetic.tables_iv import write_mimic_iv


def write_iii(
    found: Iterable[Record], folder: Path, packing: Packing, progress: Callable[[int], None] | None = None
) -> int:
    """Write ``found`` into ``folder``; returns the number of notes, those entered in error included."""
    return write_mimic_iii(found, folder, packing is Packing.gzip, progress)


def write_iv(
    found: Iterable[Record], folder: Path, packing: Packing, progress: Callable[[int], None] | None = None
) -> int:
    """Write ``found`` into ``folder``; returns the number of notes."""
    return write_mimic_iv(found, folder, packing is Packing.gzip, progress)


def write_measured_iii(
    found: Iterable[Measured], folder: Path, packing: Packing, progress: Callable[[int], None] | None = None
) -> int:
    """As :func:`write_iii`, with laboratory values and vital signs."""
    return tables_iii.write_measured_iii(found, folder, packing is Packing.gzip, progress)


def write_measured_iv(
    found: Iterable[Measured], folder: Path, packing: Packing, progress: Callable[[int], None] | None = None
) -> int:
    """As :func:`write_iv`, with laboratory values and vital signs."""
    return tables_iv.write_measured_iv(found, folder, packing is Packing.gzip, progress)
