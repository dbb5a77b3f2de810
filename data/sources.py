"""Where notes may come from, with all that depends on it: ``SOURCES``.

Adding one is a reader, an entry here and its name among those of ``data.source`` (``crossward.config.data_settings``).

Readers are named and imported when notes are read: reading a configuration must not cost an import of pyarrow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from crossward.config.data_settings import CSV, JSONL, LABEL, MIMIC_III, MIMIC_IV, SYNTHETIC, DataConfig
from data.errors import DataError
from data.labels import LABELS, Label

if TYPE_CHECKING:
    import pyarrow as pa

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
        What data.label may name; empty where it names a column.
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
    SYNTHETIC: Source("mimic_iii:read_mimic_iii", is_folder=True, labels=LABELS, maker="synthetic.source:make"),
    MIMIC_III: Source("mimic_iii:read_mimic_iii", is_folder=True, labels=LABELS),
    MIMIC_IV: Source("mimic_iv:read_mimic_iv", is_folder=True, labels=LABELS),
    CSV: Source("flat:read_csv"),
    JSONL: Source("flat:read_jsonl"),
}


def public_label(config: DataConfig) -> Label | None:
    """The label that the source's tables give; None where it is a column of the file.

    Raises
    ------
    DataError
        the source gives labels, but not the one that the label task asks for.
    """
    offered = SOURCES[config.source].labels
    if config.task == LABEL and offered and config.label not in offered:
        raise DataError(
            f"data.label = {config.label!r} is no label of data.source = {config.source!r}: set it to one of "
            f"{', '.join(offered)}"
        )
    return offered.get(config.label)
