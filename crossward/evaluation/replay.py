"""The global adapter of a run folder: its version records, replayed as a node would.

Not for: measuring it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client_app.committee.keys import Consortium
from client_app.committee.payloads import CommitteePayloads
from client_app.committee.rosters import roster_of_simulation
from client_app.state.accumulators import Accumulators
from client_app.update.payloads import MissingKeyError, Payloads, UnopenedError, Vault
from crossward.adapters.ranks import Ranks, Shapes
from crossward.config.run_config import RunConfig
from crossward.config.scenarios import SCENARIOS
from crossward.config.settings import SettingsError
from crossward.encryption.committee.roster import RosterError
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.committee.statements import Rules
from crossward.encryption.plan import FieldPlan
from crossward.ledger.events import CommitteeMet, Event, Version
from crossward.ledger.file import FILE_NAME, LedgerError
from crossward.ledger.lines import read_events
from crossward.ledger.state import RunState, fold
from server_app.files import PayloadError, read_payload
from server_app.run_folder import ROSTER, RunFolderError, read_config

logger = logging.getLogger("crossward.evaluation")


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
        there is no run in the folder, its ledger is damaged, or it is of a vertical run, which has no adapter.
    """
    try:
        began = read_config(folder)
        events = list(read_events(folder / FILE_NAME))
        state = fold(events)
        config = RunConfig.stored(began["config"])
    except (RunFolderError, LedgerError, SettingsError, OSError) as error:
        raise EvaluationError(str(error)) from error
    if SCENARIOS[config.run.scenario].data_of_parties:
        raise EvaluationError(
            f"{folder} holds a {config.run.scenario} run, which makes no adapter: its parties have models, which "
            "`crossward evaluate` measures in a simulation and `crossward predict` uses"
        )
    return Run(folder, began["lineage"], began["plan"], config, events, state)


def global_vector(
    run: Run,
    initial: NDArray[np.float32],
    layout: str,
    sizes: tuple[int, ...],
    version: int | None = None,
    vault: Vault | None = None,
    consortium: Consortium | None = None,
    shapes: Shapes = (),
) -> NDArray[np.float32]:
    """The adapter at ``version`` (default: the last), float32 [total]; ``vault`` opens what is sealed.

    ``consortium`` checks what a committee opened (default: :func:`consortium_of`); ``shapes`` are the layout's, which a
    run of hospitals with several ranks needs.

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
    vault, schedule, ranks = vault or Vault(), run.config.schedule, Ranks.of(shapes, run.config.lora)
    if ranks is not None and len(ranks.blocks) != len(sizes):
        raise EvaluationError(
            f"the run has lora.ranks, {len(sizes)} blocks and {len(ranks.blocks)} shapes: give every block's"
        )
    here = vault.layout(layout, len(sizes))
    if versions[0].layout != here and run.config.run.profile:
        raise EvaluationError(
            f"{run.folder} is a profile run, which trained nothing: `crossward data profile {run.folder}` opens it"
        )
    if versions[0].layout != here:
        raise EvaluationError(
            f"the run's adapter layout is {versions[0].layout[:12]}, the model here gives {here[:12]}: base model, "
            "tokenizer or LoRA settings differ. Evaluate with the run's own model.* and lora.* and the same files"
        )
    state = Accumulators()
    with _payloads(run, sizes, vault, consortium or consortium_of(run)) as payloads:
        for made in versions:
            if run.state.versions[made.version].discarded:
                state.version = made.version
                continue
            _add(state, payloads, run, made, schedule.versions)
    return state.vector(initial, run.plan, schedule, ranks)


def consortium_of(run: Run, path: Path | None = None) -> Consortium | None:
    """What checks the versions that a committee opened; None for a run without one.

    ``path`` is a hospital's roster file. Without it, a simulation's own is found in its state folder; else the run
    folder's copy is taken, with a warning, as that is the aggregator's word until its fingerprint is compared.

    Raises
    ------
    EvaluationError
        there is no roster, it cannot be used, or the run followed another.
    """
    config = run.config
    if not config.encryption.has_committee:
        return None
    followed = [event.roster for event in run.events if isinstance(event, CommitteeMet)]
    try:
        book = RosterBook.load(path) if path is not None else _found(run, followed)
    except RosterError as error:
        raise EvaluationError(str(error)) from error
    for fingerprint in followed:
        if not book.has(fingerprint):
            raise EvaluationError(
                f"{run.folder} followed roster {fingerprint[:16]}, which is no revision of roster "
                f"{book.roster.fingerprint[:16]} (revision {book.roster.revision}): give the hospitals' newest roster "
                "file with --roster FILE. If theirs is this one, the aggregator followed a roster that is not theirs"
            )
    return Consortium(book, Rules(config.strategy.min_contributors, config.strategy.max_share))


def _found(run: Run, followed: list[str]) -> RosterBook:
    """The simulation's roster, or else the copy in the run folder."""
    if followed and (book := roster_of_simulation(run.config.run.state_root, followed[-1])) is not None:
        return book
    kept = run.folder / ROSTER
    if not kept.exists():
        raise EvaluationError(
            f"a committee of hospitals opened the versions of {run.folder}: give the hospitals' roster file with "
            "--roster FILE, so that they can be checked"
        )
    book = RosterBook.load(kept)
    logger.warning(
        "checked against %s, the aggregator's copy of the roster: compare fingerprint %s (revision %d, %d hospitals) "
        "with `crossward members show` of a hospital's file, or give that file with --roster",
        kept,
        book.roster.fingerprint,
        book.roster.revision,
        len(book.roster.hospitals),
    )
    return book


def _payloads(run: Run, sizes: tuple[int, ...], vault: Vault, consortium: Consortium | None) -> Payloads:
    if consortium is None:
        return Payloads(sizes, run.plan, vault)
    return CommitteePayloads(sizes, run.plan, vault, run.lineage, consortium)


def _add(state: Accumulators, payloads: Payloads, run: Run, made: Version, versions: int) -> None:
    """Add the record of a version."""
    path = run.folder / "versions" / f"{made.version:06d}.payload"
    try:
        facts, payload, digest = read_payload(path, check=True)
    except PayloadError as error:
        raise EvaluationError(str(error)) from error
    if digest != run.state.digests[made.version]:
        raise EvaluationError(f"{path} is not the record that the ledger names: restore it from a backup")
    number = made.version
    head = run.state.versions[number].head(number, str(facts.get("proof", "")))
    try:
        state.add(head, payloads.open(payload, head), payloads.total, run.plan, versions)
    except (MissingKeyError, UnopenedError, ValueError) as error:
        raise EvaluationError(f"version {number} of {run.folder} does not open: {error}") from error
