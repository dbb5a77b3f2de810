"""The exact training losses of a simulation's hospitals, for whoever runs it.

The launcher starts both sides on this machine, so it may read what the nodes keep in their folders. The ServerApp must
not, and gets nothing from here: these losses go to the screen and into the report after the run.

Not for: deployments, where a hospital's loss is in its own log (``client_app.training.log``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from client_app.training.log import FILE_NAME, read_trainings
from crossward.config.run_config import RunConfig
from crossward.ledger.events import Accepted, Version
from crossward.ledger.file import FILE_NAME as LEDGER
from crossward.ledger.file import LedgerError
from crossward.ledger.lines import read_line
from crossward.report.reported_loss import exact_mean
from server_app.progress import REPORTED_LOSS, TRAINING_LOSS, UPDATE_LINE, VERSION_LINE


class _Tail:
    """The whole lines that were added to a file since it was last asked."""

    def __init__(self, path: Path) -> None:
        self.path, self._offset = path, 0

    def __call__(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return b""
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole


class ExactLosses:
    """Exact mean training losses by task, read from the nodes' state as it grows.

    ``folder`` is a simulated run's folder, of which the settings say where its nodes are. It need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state: Path | None = None
        self._tails: dict[Path, _Tail] = {}
        self._ledger = _Tail(folder / LEDGER)
        self._losses: dict[int, float] = {}
        self._versions: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self._updates = False

    def __call__(self, task: int) -> float | None:
        """The mean training loss of a task in nats a token; None if unknown."""
        if task not in self._losses:
            self._read_nodes()
        return self._losses.get(task)

    def missing(self) -> bool:
        """Whether there are updates, but no loss of any: of private trainings, or as the nodes' folders are gone."""
        self._read_nodes()
        self._read_ledger()
        return self._updates and not self._losses

    def of_version(self, version: int) -> float | None:
        """The mean of a version's updates, weighted as they were; None where one of them is not known."""
        if version not in self._versions:
            self._read_ledger()
        tasks, weights = self._versions.get(version, ((), ()))
        return exact_mean(tasks, weights, self)

    def shown(self, line: str) -> str:
        """A line of the run's progress with the exact training loss in place of the reported one, where it is known."""
        if (found := UPDATE_LINE.match(line)) and (loss := self(int(found["task"]))) is not None:
            return REPORTED_LOSS.sub(TRAINING_LOSS.format(loss), line)
        if (found := VERSION_LINE.match(line)) and not line.startswith("training loss", found.end()):
            loss = self.of_version(int(found["version"]))
            if loss is not None:
                return f"{line[: found.end()]}{TRAINING_LOSS.format(loss)}; {line[found.end() :]}"
        return line

    def _nodes(self) -> Iterator[Path]:
        if self._state is None:
            try:
                began: dict[str, Any] = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
                self._state = RunConfig.stored(began["config"]).run.state_root / str(began["lineage"])
            except (OSError, ValueError, KeyError, TypeError):  # not yet, or another app's
                return
        yield from self._state.glob(f"site-*/{FILE_NAME}")

    def _read_nodes(self) -> None:
        for path in self._nodes():
            for training in read_trainings(self._tails.setdefault(path, _Tail(path))()):
                self._losses[training.task] = training.loss

    def _read_ledger(self) -> None:
        for raw in self._ledger().splitlines():
            try:
                event = read_line(json.loads(raw))
                self._updates |= isinstance(event, Accepted)
                if isinstance(event, Version):
                    self._versions[event.version] = (event.tasks, event.weights)
            except (LedgerError, ValueError, KeyError, TypeError):  # its reader says what is wrong with it
                continue
