"""The global adapter of a run folder: its version records, replayed as a node would.

Not for: measuring it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client_app.state.accumulators import Accumulators
from client_app.update.payloads import MissingKeyError, Payloads, UnopenedError, Vault
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError
from crossward.encryption.plan import FieldPlan
from crossward.ledger.file import FILE_NAME, LedgerError, read_entries
from crossward.protocol.messages import RecordHead
from server_app.files import PayloadError, read_payload
from server_app.run_folder import RunFolderError, read_config


class EvaluationError(RuntimeError):
    """The run cannot be evaluated; the message says why and what to do."""


@dataclass(frozen=True)
class Run:
    """A finished or interrupted run: its settings, events and version records."""

    folder: Path
    lineage: str
    plan: FieldPlan
    config: RunConfig
    events: list[dict[str, Any]]

    @property
    def versions(self) -> list[dict[str, Any]]:
        """The ledger's version lines, in order."""
        return [line for line in self.events if line["event"] == "version"]

    @property
    def void(self) -> set[int]:
        """Versions that nobody could open and everybody left out."""
        return {int(line["version"]) for line in self.events if line["event"] == "void"}

    @property
    def nodes(self) -> int:
        """How many nodes took part since the run last started or resumed (a resumed run has new node ids)."""
        joined: set[str] = set()
        for line in self.events:
            if line["event"] in ("started", "resumed"):
                joined.clear()
            elif line["event"] == "joined":
                joined.add(line["node"])
        return len(joined)


def open_run(folder: Path) -> Run:
    """Read a run folder, checking its ledger's chain.

    Raises
    ------
    EvaluationError
        there is no run in the folder or its ledger is damaged.
    """
    try:
        began = read_config(folder)
        events = [{"event": e.event, "time": e.time, **e.facts} for e in read_entries(folder / FILE_NAME)]
        config = RunConfig.stored(began["config"])
    except (RunFolderError, LedgerError, SettingsError, OSError) as error:
        raise EvaluationError(str(error)) from error
    return Run(folder, began["lineage"], began["plan"], config, events)


def global_vector(
    run: Run,
    initial: NDArray[np.float32],
    layout: str,
    sizes: tuple[int, ...],
    version: int | None = None,
    vault: Vault | None = None,
) -> NDArray[np.float32]:
    """The adapter at ``version`` (default: the last), float32 [total]; ``vault`` opens what is sealed.

    Raises
    ------
    EvaluationError
        no version exists, the model here is not the one of the run, or a record is damaged.
    """
    lines = [line for line in run.versions if version is None or line["version"] <= version]
    if not lines:
        raise EvaluationError(f"{run.folder} holds no version yet: no adapter to open")
    if version is not None and lines[-1]["version"] != version:
        raise EvaluationError(f"{run.folder} has no version {version}: its last is {lines[-1]['version']}")
    vault, schedule = vault or Vault(), run.config.schedule
    here = vault.layout(layout, len(sizes))
    if lines[0]["layout"] != here:
        raise EvaluationError(
            f"the run's adapter layout is {lines[0]['layout'][:12]}, the model here gives {here[:12]}: base model, "
            "tokenizer or LoRA settings differ. Evaluate with the run's own model.* and lora.* and the same files"
        )
    state = Accumulators()
    with Payloads(sizes, run.plan, vault) as payloads:
        for line in lines:
            if line["version"] in run.void:
                state.version = line["version"]
                continue
            _add(state, payloads, run, line, schedule.versions)
    return state.vector(initial, run.plan, schedule)


def _add(state: Accumulators, payloads: Payloads, run: Run, line: dict[str, Any], versions: int) -> None:
    """Add the record of a version line."""
    path = run.folder / "versions" / f"{line['version']:06d}.payload"
    try:
        _, payload, digest = read_payload(path, check=True)
    except PayloadError as error:
        raise EvaluationError(str(error)) from error
    if digest != line["digest"]:
        raise EvaluationError(f"{path} is not the record that the ledger names: restore it from a backup")
    number, key = line["version"], line["key"]
    head = RecordHead(number, number, line["epoch"], line["weight_sum"], line["sign"], key, line.get("dithered", 0))
    try:
        state.add(head, payloads.open(payload, head.weight_sum, key, head.dithered), payloads.total, run.plan, versions)
    except (MissingKeyError, UnopenedError, ValueError) as error:
        raise EvaluationError(f"version {number} of {run.folder} does not open: {error}") from error
