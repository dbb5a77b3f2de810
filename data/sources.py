"""Where notes may come from, with all that depends on it: ``SOURCES``. Adding one is a reader and an entry here.

Readers are named and imported when notes are read: reading a configuration must not cost an import of pyarrow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from data.labels import LABELS, Label

if TYPE_CHECKING:
    import pyarrow as pa

    from data.config import DataConfig
    from data.readers import Counts


@dataclasses.dataclass(frozen=True)
class Source:
    """One kind of notes.

    Parameters
    ----------
    reader : str
        "module:function" of ``data.readers``: (path, configuration, counts) -> pieces with the columns ``COLUMNS``.
    is_folder : bool
        Whether data.path is a folder of a release's tables, or one file whose columns the configuration names.
    labels : Mapping[str, Label]
        What data.label may name; empty where the label is a column, data.label-column.
    maker : str
        "module:function" of ``data`` that makes the notes where data.path does not name them: (configuration, number
        of hospitals or None) -> the configuration to read them by and names of sites; empty for notes of files.
    """

    reader: str
    is_folder: bool = False
    labels: Mapping[str, Label] = dataclasses.field(default_factory=dict)
    maker: str = ""

    def read(self, path: Path, config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
        """Pieces of the raw notes at ``path``."""
        pieces: Iterator[pa.Table] = resolve_name(f"data.readers.{self.reader}")(path, config, counts)
        return pieces

    def make(self, config: DataConfig, hospitals: int | None) -> tuple[DataConfig, dict[str, str]]:
        """What ``maker`` returns."""
        made: tuple[DataConfig, dict[str, str]] = resolve_name(f"data.{self.maker}")(config, hospitals)
        return made

    def files(self, path: Path) -> list[Path]:
        """Every file that notes may be taken from, whatever its format: one that changes makes the notes others."""
        if not self.is_folder:
            return [path]
        found = (p for pattern in ("*", "*/*") for p in path.glob(pattern) if not p.name.startswith("."))
        return sorted(p for p in found if p.is_file())


SOURCES: dict[str, Source] = {
    "synthetic": Source("mimic_iii:read_mimic_iii", is_folder=True, labels=LABELS, maker="synthetic.source:make"),
    "mimic-iii": Source("mimic_iii:read_mimic_iii", is_folder=True, labels=LABELS),
    "mimic-iv": Source("mimic_iv:read_mimic_iv", is_folder=True, labels=LABELS),
    "csv": Source("flat:read_csv"),
    "jsonl": Source("flat:read_jsonl"),
}
