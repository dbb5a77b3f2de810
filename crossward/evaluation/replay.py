"""The global adapter of a run folder: its version records, replayed as a node would.

Not for: measuring it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client_app.committee.keys import Consortium
from client_app.committee.payloads import CommitteePayloads
from client_app.state.accumulators import Accumulators
from client_app.update.payloads import MissingKeyError, Payloads, UnopenedError, Vault
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError
from crossward.encryption.committee.roster import RosterError
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.committee.statements import Rules
from crossward.encryption.plan import FieldPlan
from crossward.ledger.events import Event, Version
from crossward.ledger.file import FILE_NAME, LedgerError
from crossward.ledger.lines import read_events
from crossward.ledger.state import RunState, fold
from crossward.protocol.messages import RecordHead
from server_app.files import PayloadError, read_payload
from server_app.run_folder import RunFolderError, read_config
from strategies.opening.committee import ROSTER


class EvaluationError(RuntimeError):
    """The run cannot be evaluated; the message says why and what to do."""


@dataclass(frozen=True)
class Run:
    """A finished or interrupted run: its settings, events, where they left it, and version records."""

    folder: Path
    lineage: str
    plan: FieldPlan
    config: RunConfig
    events: list[Event]
    state: RunState

    @property
    def versions(self) -> list[Version]:
        """The versions that were made, in order."""
        return [event for event in self.events if isinstance(event, Version)]

    @property
    def nodes(self) -> int:
        """How many nodes took part since the run last started or resumed (a resumed run has new node ids)."""
        return len(self.state.met)


def open_run(folder: Path) -> Run:
    """Read a run folder, checking its ledger's chain.

    Raises
    ------
    EvaluationError
        there is no run in the folder or its ledger is damaged.
    """
    try:
        began = read_config(folder)
        events = list(read_events(folder / FILE_NAME))
        state = fold(events)
        config = RunConfig.stored(began["config"])
    except (RunFolderError, LedgerError, SettingsError, OSError) as error:
        raise EvaluationError(str(error)) from error
    return Run(folder, began["lineage"], began["plan"], config, events, state)


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
    versions = [made for made in run.versions if version is None or made.version <= version]
    if not versions:
        raise EvaluationError(f"{run.folder} holds no version yet: no adapter to open")
    if version is not None and versions[-1].version != version:
        raise EvaluationError(f"{run.folder} has no version {version}: its last is {versions[-1].version}")
    vault, schedule = vault or Vault(), run.config.schedule
    here = vault.layout(layout, len(sizes))
    if versions[0].layout != here:
        raise EvaluationError(
            f"the run's adapter layout is {versions[0].layout[:12]}, the model here gives {here[:12]}: base model, "
            "tokenizer or LoRA settings differ. Evaluate with the run's own model.* and lora.* and the same files"
        )
    state, consortium = Accumulators(), consortium_of(run)
    with (
        Payloads(sizes, run.plan, vault)
        if consortium is None
        else CommitteePayloads(sizes, run.plan, vault, run.lineage, consortium)
    ) as payloads:
        for made in versions:
            if run.state.versions[made.version].discarded:
                state.version = made.version
                continue
            _add(state, payloads, run, made, schedule.versions)
    return state.vector(initial, run.plan, schedule)


def consortium_of(run: Run) -> Consortium | None:
    """What the records of a run with a committee are checked against; None for other runs.

    The roster is the one that the run's hospitals told its aggregator, which keeps it in the run folder.

    Raises
    ------
    EvaluationError
        the roster is missing or damaged.
    """
    if not run.config.encryption.has_committee:
        return None
    strategy = run.config.strategy
    try:
        facts, _, _ = read_payload(run.folder / f"{ROSTER}.payload")
        book = RosterBook.from_bytes(str(facts["book"]).encode(), f"the roster in {run.folder}")
    except (PayloadError, RosterError, KeyError) as error:
        raise EvaluationError(f"the hospitals' roster of the run cannot be read ({error})") from error
    return Consortium(book, Rules(strategy.min_contributors, strategy.max_share))


def _add(state: Accumulators, payloads: Payloads, run: Run, made: Version, versions: int) -> None:
    """Add the record of a version."""
    path = run.folder / "versions" / f"{made.version:06d}.payload"
    try:
        facts, payload, digest = read_payload(path, check=True)
    except PayloadError as error:
        raise EvaluationError(str(error)) from error
    if digest != run.state.digests[made.version]:
        raise EvaluationError(f"{path} is not the record that the ledger names: restore it from a backup")
    number, key = made.version, made.key
    proof = str(facts.get("proof", ""))
    head = RecordHead(number, number, made.epoch, made.weight_sum, made.sign, key, made.dithered, proof)
    try:
        state.add(head, payloads.open(payload, head), payloads.total, run.plan, versions)
    except (MissingKeyError, UnopenedError, ValueError) as error:
        raise EvaluationError(f"version {number} of {run.folder} does not open: {error}") from error
