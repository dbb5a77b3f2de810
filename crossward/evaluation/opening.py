"""The consortium's key for an evaluation: does it open this run, and which blocks were sealed.

Not for: opening the records (``crossward.evaluation.replay``).
"""

from __future__ import annotations

from pathlib import Path

from client_app.training.learner import AdaptedModel
from client_app.update.payloads import Vault
from client_app.update.sensitivity import sensitive_blocks
from crossward.config.encryption_settings import ALL, NONE, SENSITIVE
from crossward.encryption.key_file import load_key, read_passphrase
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.policy import sealed_layout
from crossward.evaluation.replay import EvaluationError, Run


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
    what = f"the profile of {run.folder}" if run.config.run.profile else f"the adapter of {run.folder}"
    needed = sorted({made.key for made in run.versions if made.key})
    under = f"sealed under key {', '.join(needed)}" if needed else "sealed"
    if path is None:
        raise EvaluationError(
            f"{what} is {under}: give the consortium's key file with --key FILE (a simulation's "
            "is keys/simulation.key in CROSSWARD_HOME, ~/.crossward unless set)"
        )
    key = load_key(path, read_passphrase(passphrase) if passphrase is not None else None)
    missing = [fingerprint for fingerprint in needed if key.find(fingerprint) is None]
    if missing:
        raise EvaluationError(
            f"{what} is {under}; {path} holds key {key.fingerprint} and not {', '.join(missing)}: "
            "give the key file that the run was made with, or one rotated from it"
        )
    return key


def vault_of(run: Run, key: ConsortiumKey | None, adapted: AdaptedModel) -> Vault:
    """What opens the run's records, given the model that they belong to."""
    return Vault(run.config.encryption, key, _sensitive(run, adapted))


def layout_of_updates(run: Run, adapted: AdaptedModel) -> str:
    """The fingerprint under which nodes keep the run's state, given the model that it belongs to; takes no key."""
    settings, blocks = run.config.encryption, _sensitive(run, adapted)
    sealed = blocks if blocks is not None else (settings.policy == ALL,) * len(adapted.layout.blocks)
    return sealed_layout(adapted.layout.fingerprint, settings.scheme, sealed)


def _sensitive(run: Run, adapted: AdaptedModel) -> tuple[bool, ...] | None:
    settings = run.config.encryption
    if settings.policy != SENSITIVE:
        return None
    return sensitive_blocks(adapted.base, adapted.model, adapted.layout, settings.fraction)
