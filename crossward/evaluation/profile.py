"""The profile of a consortium's notes: opened from a profile run, or counted where all notes are on this machine.

Not for: what is counted (``data.profile``) or how it is shown (``crossward.report.profile``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from client_app.profile.coding import UNIT, Coding, ProfileError, Totals
from client_app.profile.learner import least_of, sensitivity, shape_of
from client_app.update.payloads import Vault
from crossward.config.privacy_settings import LOCAL_UNITS
from crossward.config.run_config import RunConfig
from crossward.encryption.plan import FieldPlan
from crossward.evaluation.opening import consortium_key
from crossward.evaluation.replay import EvaluationError, Run, consortium_of, global_vector
from crossward.machine.files import write_atomic
from crossward.report.profile.figures import PROFILE, Cell, Profile
from data import Hospital
from data.profile import Layout, layout_of, notes_of

_PLAN = FieldPlan(24, 8, 0)  # of counts that are added in the clear: only its largest count matters


def opened_profile(run: Run, key: Path | None, passphrase: Path | None, roster: Path | None) -> Profile:
    """What the profile run ``run`` added up.

    Raises
    ------
    EvaluationError
        it is no profile run, it has not come to its end, or it does not open with this key and roster.
    """
    config = run.config
    if not config.run.profile:
        raise EvaluationError(
            f"{run.folder} is a run that trained: `crossward evaluate` measures its adapter; a profile is made by "
            "`crossward data profile` without a folder, or by a run with run.profile = true"
        )
    held = consortium_key(run, key, passphrase)
    layout, coding = layout_of(config.data), Coding.of(config)
    name, sizes = shape_of(layout, coding)
    vault, initial = Vault(config.encryption, held), np.zeros(sizes[0], np.float32)
    vector = global_vector(run, initial, name, sizes, vault=vault, consortium=consortium_of(run, roster))
    try:
        return _profile(layout, coding.decode(vector), config)
    except ProfileError as error:
        raise EvaluationError(f"the profile of {run.folder} cannot be used: {error}") from error


def counted_profile(hospitals: Sequence[Hospital], tokenizer: Any, config: RunConfig) -> Profile:
    """The same of ``hospitals`` whose notes are all here, each stating its counts as it would in a profile run."""
    layout = layout_of(config.data, hospitals[0].labels)
    coding = Coding(len(hospitals), _PLAN)
    stated = [coding.rounded(notes_of(one, layout, tokenizer, config.data).counts(layout)) for one in hospitals]
    having = np.sum([counts > 0 for counts in stated], axis=0)
    return _profile(layout, Totals(len(hospitals), np.sum(stated, axis=0), having), config, sealed=False)


def _profile(layout: Layout, totals: Totals, config: RunConfig, sealed: bool = True) -> Profile:
    cells = tuple(
        Cell(group, name, int(totals.counts[place]), int(totals.having[place]))
        for group, name, place in layout.places()
    )
    deviation = _deviation(layout, config) if sealed else 0.0
    return Profile(totals.hospitals, cells, least_of(deviation), UNIT, deviation, sealed)


def _deviation(layout: Layout, config: RunConfig) -> float:
    """Of the noise on each of a hospital's counts: the same at all of them, as every patient or note is counted."""
    from crossward.privacy.accounting import noise_for

    privacy = config.privacy
    if privacy.unit not in LOCAL_UNITS:
        return 0.0
    multiplier = privacy.noise_multiplier or noise_for(privacy.epsilon, privacy.delta, 1.0, 1, privacy.accountant)
    return multiplier * sensitivity(layout, privacy)


def keep(folder: Path, profile: Profile) -> None:
    """Write the profile beside the run, where its report finds it."""
    write_atomic(folder / PROFILE, json.dumps(profile.to_json(), indent=2) + "\n")
