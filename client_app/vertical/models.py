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
from client_app.vertical.errors import PartyError
from client_app.vertical.learning.bottoms.bottom import Bottom, BottomSettings
from client_app.vertical.learning.bottoms.hidden_states import LanguageSettings
from client_app.vertical.learning.bottoms.registry import Opening, open_bottom
from client_app.vertical.learning.exchange import ExchangeSettings
from client_app.vertical.learning.splits import Split, split
from client_app.vertical.learning.top import JointModel, TopSettings
from client_app.vertical.owner import Owner
from crossward.adapters.base import BaseModel, load_base
from crossward.config.run_config import RunConfig
from crossward.privacy.labels import RandomisedResponse

BOTTOM, JOINT, SHOWN, ALONE, STUDENT = "bottom", "joint", "shown", "alone", "student"
LABELS = "randomised-outcomes.npz"
LAST = 1_000  # beyond every step
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
    opening = Opening(bottom_settings(config), LanguageSettings(), config.lora, base, config.run.seed, party.folder)
    return open_bottom(data, opening)


def bottom(party: Owner, before: int = LAST) -> Bottom:
    """The party's bottom as it was last saved, in a step ``before`` this one."""
    found = new_bottom(party)
    found.load(load(kept(party, BOTTOM, before), "this party's bottom model"))
    return found


def keep_bottom(party: Owner, one: Bottom, step: int) -> None:
    """Save it as of a step; a step that is done again starts from where it did."""
    save(path_of(party, BOTTOM, step), one.state())


def joint(party: Owner, widths: tuple[int, ...], which: str = JOINT, before: int = LAST) -> JointModel:
    """A model ``which`` (JOINT, SHOWN) over this label holder's bottom: as last saved, or new of its representation."""
    if has(party, which, before):
        found = JointModel(new_bottom(party), widths, TopSettings(), party.config.run.seed)
        found.load(load(kept(party, which, before), "the joint model"))
        return found
    return JointModel(bottom(party, before), widths, TopSettings(), party.config.run.seed)


def alone(party: Owner, which: str) -> JointModel:
    """A model of the party's own features (ALONE, STUDENT), as it was saved."""
    found = JointModel(new_bottom(party), (), TopSettings(), party.config.run.seed)
    found.load(load(kept(party, which), f"the model {which!r} of this party"))
    return found


def path_of(party: Owner, which: str, step: int) -> Path:
    """Where a model is kept as of a step."""
    return party.folder / f"{which}-{step:03d}.npz"


def has(party: Owner, which: str, before: int = LAST) -> bool:
    """Whether a model was saved in a step ``before`` this one."""
    return bool(_saved(party, which, before))


def kept(party: Owner, which: str, before: int = LAST) -> Path:
    """The newest file of a model that was saved in a step ``before`` this one.

    Raises
    ------
    PartyError
        there is none.
    """
    if not (found := _saved(party, which, before)):
        raise PartyError(
            f"{party.folder} holds no model {which!r}: this party's state folder must last as long as the run"
        )
    return found[-1]


def _saved(party: Owner, which: str, before: int) -> list[Path]:
    found = sorted(party.folder.glob(f"{which}-[0-9][0-9][0-9].npz"))
    return [path for path in found if int(path.stem.rpartition("-")[2]) < before]


def parts_of(party: Owner) -> Split:
    """Which of the label holder's patients train, stop the training, and are held out."""
    share = party.config.vertical.held_out
    return split(party.data.patients, party.config.run.seed, validation=share, test=share)


def shown_outcomes(party: Owner) -> NDArray[np.float32]:
    """The outcomes that all that is returned to other parties follows from, float32 [patients].

    Randomised once (``vertical.label-epsilon``) and kept: another draw would cost its epsilon again.
    """
    if not (epsilon := party.config.vertical.label_epsilon):
        return outcomes(party)
    path = party.folder / LABELS
    if not path.exists():
        save(path, {"outcomes": RandomisedResponse(epsilon)(outcomes(party).astype(np.int64))})
    return load(path, "the randomised outcomes")["outcomes"].astype(np.float32)


def outcomes(party: Owner) -> NDArray[np.float32]:
    """The label holder's outcomes, float32 [patients]."""
    outcome = party.data.outcome
    assert outcome is not None  # noqa: S101 - this is the label holder
    return outcome.astype(np.float32)
