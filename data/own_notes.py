"""The source ``own``: notes as the hospital's ``notes.toml`` describes them.

Not for: reading that file (``crossward.config.notes_toml``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from crossward.config.data_settings import DataConfig
from crossward.config.data_sources import SOURCES
from crossward.config.notes_toml import FILE, read_notes
from crossward.config.settings import SettingsError
from data.errors import DataError

_OWN = {
    "data.source": "source",
    "data.path": "path",
    "data.encoding": "encoding",
    "data.text-column": "columns.text",
    "data.patient-column": "columns.patient",
    "data.site-column": "columns.site",
    "data.*-column": "[columns]",
}
"""Run keys -> the keys of a notes.toml that say the same."""
_KEY = re.compile(rf"({'|'.join(map(re.escape, _OWN))})(?:=([\w./-]*\w))?(?![\w-])")


def make(config: DataConfig, hospitals: int | None) -> tuple[DataConfig, dict[str, str]]:
    """The configuration with what the notes.toml at its path says, and no names of sites.

    Raises
    ------
    DataError
        no notes.toml is named; it is wrong, or says nothing of the label that the run asks for.
    """
    if not config.path:
        raise DataError(
            "data.source = 'own' reads what each hospital's notes.toml describes, and none is named: set notes-path in "
            "the node config, or data.path in a simulation"
        )
    return described(config, Path(config.path)), {}


def resolved(config: DataConfig) -> DataConfig:
    """``config`` with what its notes.toml says now, where it names one; another source's as it is.

    Raises
    ------
    DataError
        the notes.toml is wrong.
    """
    path = Path(config.path)
    if not SOURCES[config.source].is_described or not (path.is_file() or (path / FILE).is_file()):
        return config
    return described(config, path)


def of_hospital(config: DataConfig, partition: int | None, partitions: int | None) -> DataConfig:
    """As :func:`resolved`; for a hospital of a simulation whose notes stand apart, what its own notes.toml says."""
    simulated = SOURCES[config.source].is_described and partition is not None and partitions is not None
    apart = separate(config, partitions) if simulated and partitions else []
    return apart[partition or 0] if apart else resolved(config)


def share_of(
    config: DataConfig, partition: int | None, partitions: int | None
) -> tuple[DataConfig, int | None, int | None]:
    """What :func:`data.load_hospital` is given for a hospital: with notes that stand apart it has all of its own."""
    found = of_hospital(config, partition, partitions)
    apart = SOURCES[config.source].is_described and partitions and separate(config, partitions)
    return (found, None, None) if apart and partition is not None else (found, partition, partitions)


def separate(config: DataConfig, hospitals: int) -> list[DataConfig]:
    """A configuration for each hospital where ``config.path`` is a folder of folders that hold a notes.toml each.

    Raises
    ------
    DataError
        there are not as many of them as hospitals; one is wrong.
    """
    folder = Path(config.path) if config.path else None
    if folder is None or not folder.is_dir() or (folder / FILE).exists():
        return []
    found = sorted(path.parent for path in folder.glob(f"*/{FILE}"))
    if len(found) != hospitals:
        raise DataError(
            f"{folder}: {len(found)} folders in it have a {FILE}, and the run has {hospitals} hospitals. Run with as "
            "many hospitals as there are folders, or name one notes.toml, whose notes are then divided among them."
        )
    return [dataclasses.replace(described(config, path), name=config.name or path.name) for path in found]


def described(config: DataConfig, path: Path) -> DataConfig:
    """``config`` for the notes that the notes.toml at ``path``, or in that folder, describes."""
    try:
        notes = read_notes(path)
        return dataclasses.replace(config, source=notes.source, path=notes.path, described=notes)
    except SettingsError as error:
        raise DataError(str(error)) from error


@contextlib.contextmanager
def in_its_words(config: DataConfig) -> Iterator[None]:
    """Errors name the keys of the hospital's notes.toml, where there is one, in place of the run's."""
    try:
        yield
    except DataError as error:
        said = str(error)
        reworded = _KEY.sub(lambda found: _OWN[found[1]] + (f' = "{found[2]}"' if found[2] else ""), said)
        if config.described is None or reworded == said:
            raise
        raise DataError(f"{reworded} This is said in {config.described.file}.") from error
