"""The forms in which made-up hospitals are written, by the name that ``crossward data make --form`` takes: ``FORMS``.

Not for: the command itself (``data.synthetic.command``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from crossward.config.data_sources import FHIR, MIMIC_III, MIMIC_IV, OMOP
from data.synthetic.forms import i2b2, spreadsheet, text
from data.synthetic.forms.packing import Packing
from data.synthetic.houses import House
from data.synthetic.tables import Record


@dataclass(frozen=True)
class Form:
    """One form.

    Parameters
    ----------
    writer : str
        "module:function" of ``data.synthetic.forms``: (records, folder, packing, progress) -> number of notes.
    packings : tuple[Packing, ...]
        What ``writer`` can write.
    describe : Callable
        (house of the first patient, packing) -> what notes.toml beside the export says, so that it can be read at once.
    measured : str
        As ``writer``, for records with laboratory values and vital signs; empty where the form has none.
    """

    writer: str
    packings: tuple[Packing, ...]
    describe: Callable[[House, Packing], dict[str, Any]]
    measured: str = ""

    def write(
        self,
        found: Iterable[Record],
        folder: Path,
        packing: Packing,
        progress: Callable[[int], None] | None = None,
        measured: bool = False,
    ) -> int:
        """Write ``found`` into ``folder``, with its values if they are ``measured``; returns the number of notes."""
        writer = self.measured if measured else self.writer
        written: int = resolve_name(f"data.synthetic.forms.{writer}")(found, folder, packing, progress)
        return written


def _tables_of(source: str) -> Callable[[House, Packing], dict[str, Any]]:
    return lambda house, packing: {"source": source, "path": "."}


_PLAIN, _CSV = (Packing.plain,), (Packing.plain, Packing.gzip)

FORMS: dict[str, Form] = {
    "mimic-iii": Form("mimic:write_iii", _CSV, _tables_of(MIMIC_III), "mimic:write_measured_iii"),
    "mimic-iv": Form("mimic:write_iv", _CSV, _tables_of(MIMIC_IV), "mimic:write_measured_iv"),
    "omop": Form("omop:write_omop", tuple(Packing), _tables_of(OMOP)),
    "fhir": Form("fhir:write_fhir", _CSV, _tables_of(FHIR)),
    "i2b2": Form("i2b2:write_i2b2", _PLAIN, i2b2.describe),
    "text": Form("text:write_text", _PLAIN, text.describe),
    "csv": Form("spreadsheet:write_csv", _CSV, spreadsheet.describe),
}
