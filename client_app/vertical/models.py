"""A party's models as they are between steps: opened of its data and settings, loaded from and saved in its folder.

Not for: what they learn (``client_app.vertical.learning``), which step does what (``client_app.vertical.actions``).
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client_app.vertical.arrays import load, save
from client_app.vertical.learning.bottoms.bottom import Bottom, BottomSettings
from client_app.vertical.learning.bottoms.hidden_states import LanguageSettings
from client_app.vertical.learning.bottoms.registry import Opening, open_bottom
from client_app.vertical.learning.exchange import ExchangeSettings
from client_app.vertical.learning.splits import Split, split
from client_app.vertical.learning.top import JointModel, TopSettings
from client_app.vertical.owner import Owner
from crossward.adapters.base import BaseModel, load_base
from crossward.config.run_config import RunConfig

BOTTOM, JOINT, ALONE, STUDENT = "bottom.npz", "joint.npz", "alone.npz", "student.npz"
CHOICES = ExchangeSettings()


def bottom_settings(config: RunConfig) -> BottomSettings:
    """How a run's bottoms are built and trained."""
    vertical, base = config.vertical, BottomSettings()
    return replace(base, dim=vertical.dim, clip=vertical.clip)


@functools.lru_cache(maxsize=1)
def _base(config: RunConfig) -> BaseModel:
    return load_base(config.model)


def new_bottom(party: Owner) -> Bottom:
    """The party's bottom as it begins, the same at every call."""
    config, data = party.config, party.data
    base = _base(config) if data.notes is not None else None
    opening = Opening(bottom_settings(config), LanguageSettings(), config.lora, base, config.run.seed)
    return open_bottom(data, opening)


def bottom(party: Owner) -> Bottom:
    """The party's bottom as it was last saved."""
    found = new_bottom(party)
    found.load(load(party.folder / BOTTOM, "this party's bottom model"))
    return found


def keep_bottom(party: Owner, one: Bottom) -> None:
    """Save it, in the place of the one before."""
    save(party.folder / BOTTOM, one.state())


def joint(party: Owner, widths: tuple[int, ...], path: Path) -> JointModel:
    """A joint model over this label holder's bottom: as it was saved in ``path``, or new of the represented bottom."""
    if path.exists():
        found = JointModel(new_bottom(party), widths, TopSettings(), party.config.run.seed)
        found.load(load(path, "the joint model"))
        return found
    return JointModel(bottom(party), widths, TopSettings(), party.config.run.seed)


def parts_of(party: Owner) -> Split:
    """Which of the label holder's patients train, stop the training, and are held out."""
    share = party.config.vertical.held_out
    return split(party.data.patients, party.config.run.seed, validation=share, test=share)


def outcomes(party: Owner) -> NDArray[np.float32]:
    """The label holder's outcomes, float32 [patients]."""
    outcome = party.data.outcome
    assert outcome is not None  # noqa: S101 - this is the label holder
    return outcome.astype(np.float32)
