"""Which notes a protected hospital takes part with, and who of its patients is held out: decided once, for all runs.

Held-out measures are told exactly and cost no privacy budget, since nobody trained on those patients. That holds over
several runs only while the same patients are held out in all of them; and whoever may choose the notes anew for each
run (by a column, a category, a seed) could ask about single patients. So a hospital that demands a privacy unit keeps
to the selection of the first run that it was asked for, written down before a note is read, and refuses any other.

Not for: the unit and its budget (``client_app.demands``), or reading notes (``data``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protocol.settings import SettingsError

FEWEST_HELD_OUT = 10
"""Held-out patients below which a protected hospital's measures stay with it, as counts of small cells do in
statistics."""

_FREE = ("data.path", "data.name", "data.max-tokens", "data.packing", "data.synthetic-patients")
"""Keys under ``data.`` that choose no notes and no patients. The path is the hospital's own (node config)."""


def keep_selection(path: Path, config: Mapping[str, Any]) -> None:
    """Hold ``config`` (the run config as this node follows it) to the selection in ``path``, or write that.

    Raises
    ------
    SettingsError
        the run selects other notes, or other patients to hold out; the record cannot be read or written. It names the
        keys, both values and who may change what.
    """
    now = {key: value for key, value in config.items() if key.startswith("data.") and key not in _FREE}
    before = _read(path)
    wrong = sorted(key for key, value in before.items() if key in now and now[key] != value)
    if wrong:
        run = ", ".join(f"{key} = {now[key]!r}" for key in wrong)
        own = ", ".join(f"{key} = {before[key]!r}" for key in wrong)
        raise SettingsError(
            f"the run has {run}, this hospital's first run under privacy-unit had {own}: with another selection "
            "patients whom a run trained on would be measured outside of every budget. Nothing was read, trained or "
            f"sent. Run with the first one's, or, if the hospital agrees to another for good, it removes {path.name} "
            "in its state-dir"
        )
    if fresh := {key: value for key, value in now.items() if key not in before}:
        _write(path, before | fresh)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if not isinstance(found, dict):
            raise ValueError(f"it holds a {type(found).__name__}")
        return found
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path.name} in this node's state-dir, the selection of notes that its runs keep to, cannot be read "
            f"({type(error).__name__}): nothing was read, trained or sent. Restore it from a backup, or remove it if "
            "the hospital agrees to what the next run selects"
        ) from error


def _write(path: Path, selection: Mapping[str, Any]) -> None:
    draft = path.with_suffix(".draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8") as file:
            json.dump(selection, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise SettingsError(
            f"{path.name}, the selection of notes that this node's runs keep to, could not be written to its state-dir "
            f"({error.strerror or type(error).__name__}): nothing was read, trained or sent. Free disk space, or see "
            "who may write there"
        ) from error
