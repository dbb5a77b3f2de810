"""Which notes a protected hospital takes part with, and which patients are held out: decided once, for all runs.

Held-out measures are reported exactly and cost no privacy budget, since no run trained on those patients. Over several
runs that holds only while the same patients are held out in all of them; and whoever may select the notes anew for each
run (by a column, a category, a seed) could ask about single patients. So a hospital that requires a privacy unit keeps
to the selection of the first run whose notes it could read, and refuses any other. Whether notes can be read at all is
an answer, too: at most three selections are tried, each recorded before a note is read.

Not for: the unit and its budget (``client_app.guard.demands``), or reading notes (``data``).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from client_app.state.locks import PATIENCE, exclusive
from crossward.config.data_settings import DataConfig
from crossward.config.data_sources import SYNTHETIC
from crossward.config.settings import SettingsError, keyed
from crossward.machine.files import write_atomic

FEWEST_HELD_OUT = 10
"""Held-out patients below which a protected hospital's measures stay with it, as counts of small cells do in
statistics."""

MOST_TRIED = 3
_FREE = ("path", "max_tokens", "packing", "synthetic_patients", "dirichlet_alpha", "min_patients")
_KEYS = {entry.name: str(entry.metadata["key"]) for entry in keyed(DataConfig) if entry.name not in _FREE}
_DEFAULTS = {key: getattr(DataConfig(), name) for name, key in _KEYS.items()}


@dataclass
class _Record:
    """The selection that holds, if there is one yet, and those that were tried."""

    kept: dict[str, Any] | None = None
    tried: list[dict[str, Any]] = field(default_factory=list)


def _renamed(selection: Any) -> Any:
    """A selection that was recorded while data.label-column was a key of its own."""
    if isinstance(selection, dict) and (column := selection.pop("data.label-column", "")):
        selection["data.label"] = column
    return selection


class Selection:
    """What one run selects, and the record in ``path`` (JSON) of what this hospital's runs may.

    ``data`` is the run's as this node follows it; ``own`` are keys under ``data.`` that the hospital itself set, and
    may change.

    Raises
    ------
    SettingsError
        from the methods: the run selects other notes, or other patients to hold out, than an earlier one did; too
        many selections were tried; the record cannot be read or written. It names the keys, both values and who may
        change what.
    """

    def __init__(self, path: Path, data: DataConfig, own: tuple[str, ...] = ()) -> None:
        self.path = path
        self.made_up = data.source == SYNTHETIC
        self.now = {key: getattr(data, name) for name, key in _KEYS.items() if key not in own}

    def check(self) -> None:
        """Before a note is read: the run selects what holds here, or is one of the first to be tried."""
        if self.made_up:
            return
        with self._exclusive():
            record = self._read()
            if record.kept is not None:
                self._compare(record.kept, "Nothing was read, trained or sent")
            elif self.now not in record.tried:
                if len(record.tried) >= MOST_TRIED:
                    raise SettingsError(
                        f"{MOST_TRIED} runs with privacy-unit, each with another selection, found no notes of this "
                        "hospital, and each such answer may reveal something about them: no further one is tried. "
                        "Nothing was read, trained or sent. See the hospital's log for what was wrong, and remove "
                        f"{self.path.name} in its state-dir to allow another try"
                    )
                self._write(_Record(None, [*record.tried, self.now]))

    def keep(self) -> None:
        """The notes could be read: from now on this selection holds. Before anything of them leaves."""
        if self.made_up:
            return
        with self._exclusive():
            record = self._read()
            if record.kept is None:
                self._write(_Record(self.now, []))
            else:  # another run was first to read its notes
                self._compare(record.kept, "Nothing was trained or sent")

    def _compare(self, kept: Mapping[str, Any], done: str) -> None:
        before = {key: kept.get(key, _DEFAULTS[key]) for key in self.now}
        wrong = sorted(key for key in self.now if self.now[key] != before[key])
        if wrong:
            run = ", ".join(f"{key} = {self.now[key]!r}" for key in wrong)
            held = ", ".join(f"{key} = {before[key]!r}" for key in wrong)
            raise SettingsError(
                f"the run has {run}, this hospital's first run under privacy-unit had {held}: with another selection "
                f"patients whom a run trained on would be measured outside of every budget. {done}. Run with the first "
                f"one's, or, if the hospital agrees to another for good, it removes {self.path.name} "
                "in its state-dir"
            )

    def _exclusive(self) -> contextlib.AbstractContextManager[None]:
        """No other task of this hospital reads or writes the record within."""
        busy = SettingsError(
            f"another task of this node has held {self.path.name} for {PATIENCE:g} s: nothing was read, trained or "
            "sent. Restart the SuperNode"
        )
        return exclusive(self.path.with_suffix(".lock"), busy, self._unwritten)

    def _read(self) -> _Record:
        try:
            if not self.path.exists():
                return _Record()
            found = json.loads(self.path.read_text(encoding="utf-8"))
            record = _Record(_renamed(found["kept"]), [_renamed(one) for one in found["tried"]])
            if not isinstance(record.kept, dict | None) or not isinstance(record.tried, list):
                raise ValueError("it is not a record of selections")
            return record
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"{self.path.name} in this node's state-dir, the selection of notes that its runs keep to, cannot be "
                f"read ({type(error).__name__}): nothing was read, trained or sent. Restore it from a backup, or "
                "remove it if the hospital agrees to what the next run selects"
            ) from error

    def _write(self, record: _Record) -> None:
        try:
            write_atomic(self.path, json.dumps(asdict(record), indent=1, sort_keys=True), private=True)
        except OSError as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> SettingsError:
        return SettingsError(
            f"{self.path.name}, the selection of notes that this node's runs keep to, could not be written to its "
            f"state-dir ({error.strerror or type(error).__name__}): nothing was read, trained or sent. Free disk "
            "space, or check the folder's permissions"
        )
