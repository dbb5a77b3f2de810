"""What opens a run for an evaluation: the consortium's key, which blocks were sealed, and the hospitals' roster.

Not for: opening the records (``crossward.evaluation.replay``).
"""

from __future__ import annotations

import logging
from pathlib import Path

from client_app.committee.keys import Consortium
from client_app.committee.rosters import roster_of_simulation
from client_app.training.learner import AdaptedModel
from client_app.update.payloads import Vault
from client_app.update.sensitivity import sensitive_blocks
from crossward.config.encryption_settings import NONE, SENSITIVE
from crossward.encryption.committee.roster import RosterError
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.committee.statements import Rules
from crossward.encryption.key_file import load_key, read_passphrase
from crossward.encryption.key_format import ConsortiumKey
from crossward.evaluation.replay import EvaluationError, Run
from crossward.ledger.events import CommitteeMet
from server_app.run_folder import ROSTER

logger = logging.getLogger("crossward.evaluation")


def consortium_key(run: Run, path: Path | None, passphrase: Path | None) -> ConsortiumKey | None:
    """The key in ``path``, if it opens every version of the run; None for a run that sealed nothing.

    Raises
    ------
    EvaluationError
        the run is sealed and no key was given, or not the one it is sealed under.
    KeyFileError
        the file cannot be used.
    """
    settings = run.config.encryption
    if settings.policy == NONE:
        return None
    needed = sorted({made.key for made in run.versions if made.key})
    under = f"sealed under key {', '.join(needed)}" if needed else "sealed"
    if path is None:
        raise EvaluationError(
            f"the adapter of {run.folder} is {under}: give the consortium's key file with --key FILE (a simulation's "
            "is keys/simulation.key in CROSSWARD_HOME, ~/.crossward unless set)"
        )
    key = load_key(path, read_passphrase(passphrase) if passphrase is not None else None)
    missing = [fingerprint for fingerprint in needed if key.find(fingerprint) is None]
    if missing:
        raise EvaluationError(
            f"the adapter of {run.folder} is {under}; {path} holds key {key.fingerprint} and not {', '.join(missing)}: "
            "give the key file that the run was made with, or one rotated from it"
        )
    return key


def vault_of(run: Run, key: ConsortiumKey | None, adapted: AdaptedModel) -> Vault:
    """What opens the run's records, given the model that they belong to."""
    settings = run.config.encryption
    blocks = None
    if settings.policy == SENSITIVE:
        blocks = sensitive_blocks(adapted.base, adapted.model, adapted.layout, settings.fraction)
    return Vault(settings, key, blocks)


def consortium_of(run: Run, path: Path | None) -> Consortium | None:
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
