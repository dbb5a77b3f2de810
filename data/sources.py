"""What follows from an entry of ``crossward.config.data_sources.SOURCES``: its reader, its files, its label.

Readers are imported when notes are read: reading a configuration must not cost an import of pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from crossward.config.data_settings import DataConfig
from crossward.config.data_sources import SOURCES, TEXT_FILES
from crossward.machine.paths import absolute
from data.cache import stamp
from data.errors import DataError
from data.labels import LABELS, Label
from data.quoting import no_text_of_others

if TYPE_CHECKING:
    import pyarrow as pa

    from data.readers import Counts


def read(path: Path, config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    """Pieces of the raw notes at ``path``."""
    pieces: Iterator[pa.Table] = resolve_name(f"data.readers.{SOURCES[config.source].reader}")(path, config, counts)
    return pieces


def make(config: DataConfig, hospitals: int | None) -> tuple[DataConfig, dict[str, str]]:
    """What the source's ``maker`` returns; the configuration as it is where there is none."""
    maker = SOURCES[config.source].maker
    if not maker:
        return config, {}
    made: tuple[DataConfig, dict[str, str]] = resolve_name(f"data.{maker}")(config, hospitals)
    return made


def separate(config: DataConfig, hospitals: int) -> list[DataConfig]:
    """A configuration for each hospital of a simulation whose notes stand apart; none where one data set is divided."""
    finder = SOURCES[config.source].separate
    found: list[DataConfig] = resolve_name(f"data.{finder}")(config, hospitals) if finder else []
    return found


def files(path: Path, config: DataConfig) -> list[Path]:
    """Every file that notes may be taken from, whatever its format: one that changes makes the notes others."""
    if SOURCES[config.source].may_be_file and path.is_file():
        return [path]
    if not SOURCES[config.source].is_folder:
        if path.is_dir():
            raise DataError(
                f"{path}: is a folder; data.source = {config.source!r} needs data.path to be one file. For a folder of "
                f".txt files it is {TEXT_FILES!r}."
            )
        return [path]
    found = (p for p in path.rglob("*") if not any(part.startswith(".") for part in p.relative_to(path).parts))
    return sorted(p for p in found if p.is_file())


def stamps_of(path: Path, config: DataConfig) -> list[object]:
    """What says that the notes are as they were: of each file its size and time, of a database the rows' hash."""
    if SOURCES[config.source].is_url:
        with no_text_of_others("the database cannot be read"):
            return [resolve_name("data.formats.sql:fingerprint")(config.notes)]
    return [stamp(file) for file in files(path, config)]


def place(config: DataConfig) -> Path:
    """The path of the notes, absolute; of a database a name that has no password in it."""
    if SOURCES[config.source].is_url:
        named: Path = resolve_name("data.formats.sql:source_path")(config.notes)
        return named
    return absolute(config.path, "data.path")


def vocabularies(config: DataConfig) -> list[Path]:
    """The hospital's own tables of codes: one that changes makes labels others."""
    paths = [Path(path) for _, path in config.notes.vocabulary]
    for path in paths:
        if not path.is_file():
            raise DataError(f"{path}: no such file. [vocabulary] of {config.notes.file} names it.")
    return paths


def public_label(config: DataConfig) -> Label | None:
    """The label with a public vocabulary: of a source's tables or a notes.toml; None where it is a column's own."""
    source = SOURCES[config.source]
    known = config.described is not None or source.is_described or config.label in source.labels
    return LABELS.get(config.label) if known else None
