"""The record of what a node's private trainings spent: one file a run lineage, in one folder a hospital.

One spender at a time, in the whole folder: a cancelled task may still run, and so may another run.

Not for: whether more may be spent (``client_app.guard.budget``).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client_app.state.locks import exclusive
from crossward.machine.files import write_atomic

if TYPE_CHECKING:
    from crossward.privacy.accounting import Spent

RECORDS = "identity.spent"  # a hospital's folder of records in its state-dir, beside its identity
_FORMAT = 3  # 2: with the unit; 3: with a digest
_KEYS = {2: {"format", "unit", "noise", "spent"}, 3: {"format", "unit", "noise", "spent", "digest"}}  # that are read
_PATIENCE = 600.0  # seconds for another spending to end; calibrating noise takes some


class RecordError(RuntimeError):
    """What was spent cannot be read or written, so nothing more may be."""

    tellable = True  # see client_app.guard.refusals


def check_records_kept(folder: Path) -> None:
    """Refuse to begin where ``folder``, which holds all records of a hospital, is not: a lost one is no empty one.

    Raises
    ------
    RecordError
        there is no such folder; it says what to do.
    """
    if not folder.is_dir():
        raise RecordError(
            f"{folder.name}, the record of what private runs spent here, is not in this node's state-dir, and this "
            "hospital requires privacy-unit: nothing was read, trained or sent. If the folder was deleted, or "
            "state-dir has changed, restore it from the backup. If no private run has trained on these notes yet, "
            f"confirm it with an empty folder: mkdir -m 700 STATE-DIR/{folder.name}"
        )


def _digest(facts: dict[str, Any]) -> str:
    """SHA-256, hex, of what a record says beside its digest: against damage, not against who may write the file."""
    recorded = {key: value for key, value in facts.items() if key != "digest"}
    return hashlib.sha256(json.dumps(recorded, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Spending:
    """What a lineage spent for ``unit``: every training, and the noise multipliers that were calibrated for it."""

    unit: str
    trainings: tuple[Spent, ...] = ()
    noise: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """The file ``path`` of one lineage and, beside it, those of this hospital's other runs."""

    path: Path
    durable: bool = True

    @property
    def name(self) -> str:
        """The file as messages name it: the server need not know where a hospital keeps it."""
        return f"{self.path.parent.name}/{self.path.name}"

    def read(self) -> Spending | None:
        """What this lineage spent; None where it has spent nothing yet.

        Raises
        ------
        RecordError
            there is a file and it cannot be understood.
        """
        return self._read(self.path) if self.path.exists() else None

    def others(self) -> dict[str, Spending]:
        """What every other lineage spent, by its name.

        Raises
        ------
        RecordError
            as in ``read``.
        """
        return {file.stem: self._read(file) for file in sorted(self.path.parent.glob("*.json")) if file != self.path}

    @staticmethod
    def _read(path: Path) -> Spending:
        from crossward.privacy.accounting import Spent

        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            if facts["format"] not in _KEYS:
                raise ValueError(f"format {facts['format']}, expected {_FORMAT}")
            if facts.keys() != _KEYS[facts["format"]]:  # so that damage makes none of the format without a digest
                raise ValueError(f"keys {', '.join(facts)} are not those of format {facts['format']}")
            if facts["format"] == _FORMAT and facts["digest"] != _digest(facts):
                raise ValueError("its digest does not match its content: it was damaged, or edited by hand")
            trainings = tuple(Spent(**entry) for entry in facts["spent"])
            return Spending(str(facts["unit"]), trainings, dict(facts["noise"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = str(error) if isinstance(error, ValueError) else type(error).__name__
            raise RecordError(
                f"the record of the privacy budget cannot be read ({why}): nothing is trained without it. Restore "
                f"{path.parent.name}/{path.name} in this node's state-dir from a backup"
            ) from error

    def write(self, spending: Spending) -> None:
        """Put ``spending`` in the place of what the file holds, on disk before this returns.

        Raises
        ------
        RecordError
            it could not be written; what was there stays.
        """
        facts: dict[str, Any] = {
            "format": _FORMAT,
            "unit": spending.unit,
            "noise": spending.noise,
            "spent": [asdict(entry) for entry in spending.trainings],
        }
        facts["digest"] = _digest(facts)
        try:
            write_atomic(self.path, json.dumps(facts), durable=self.durable, private=True)
        except OSError as error:
            raise self._unwritten(error) from error

    @staticmethod
    def _unwritten(error: OSError) -> RecordError:
        return RecordError(
            f"the record of the privacy budget could not be written ({error.strerror or type(error).__name__}): "
            "nothing is trained without it. Free disk space, or check the permissions of the node's state-dir; another "
            "state-dir would lose the record of what was spent"
        )

    def exclusive(self) -> contextlib.AbstractContextManager[None]:
        """No other thread or process of this hospital reads or writes a record of this folder within."""
        busy = RecordError(
            f"another task of this node has held the record of the privacy budget for {_PATIENCE:g} s: nothing "
            "is trained without it. If no other run trains here, restart the SuperNode"
        )
        return exclusive(self.path.parent / "spending.lock", busy, self._unwritten, _PATIENCE)
