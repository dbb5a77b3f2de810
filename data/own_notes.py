"""The source ``own``: notes as the hospital's ``notes.toml`` describes them.

Not for: reading that file (``crossward.config.notes_toml``).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from crossward.config.data_settings import DataConfig
from crossward.config.notes_toml import read_notes
from crossward.config.settings import SettingsError
from data.errors import DataError


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


def described(config: DataConfig, path: Path) -> DataConfig:
    """``config`` for the notes that the notes.toml at ``path``, or in that folder, describes."""
    try:
        notes = read_notes(path)
        return dataclasses.replace(config, source=notes.source, path=notes.path, described=notes)
    except SettingsError as error:
        raise DataError(str(error)) from error
