"""The step in which every party gets a model that predicts alone, for all of its patients (``student``).

Not for: the joint model (``client_app.vertical.actions.training``).
"""

from __future__ import annotations

import numpy as np

from client_app.vertical import models
from client_app.vertical.actions.alignment import common_rows
from client_app.vertical.arrays import from_bytes, load, save
from client_app.vertical.errors import PartyError
from client_app.vertical.learning.distil import Student, soft_labels, student_split
from client_app.vertical.learning.splits import Split
from client_app.vertical.learning.top import TopSettings
from client_app.vertical.party import Party, Turn
from crossward.protocol.vertical.messages import PREDICTIONS


def distil(party: Party, turn: Turn) -> None:
    """Learn from the joint model's predictions on common patients, and at the label holder from the other outcomes."""
    rows, seed = common_rows(party), party.config.run.seed
    said = _said(party, turn, len(rows))
    taught = ~np.isnan(said)
    own = models.bottom(party, turn.work.step)
    student = Student(own, TopSettings(), seed)
    outcome = party.data.outcome if party.has_outcome else None
    labels = soft_labels(len(own), rows[taught], said[taught].astype(np.float64), outcome)
    split = _known(models.parts_of(party)) if party.has_outcome else student_split(rows[taught], seed)
    student.train(labels, split, seed)
    save(models.path_of(party, models.STUDENT, turn.work.step), student.model.state())
    turn.facts["own patients"] = len(own)
    turn.facts["patients learnt from"] = len(split.train) + len(split.validation)


def _known(parts: Split) -> Split:
    """The label holder's own split, without those held out."""
    return Split(parts.train, parts.validation, np.zeros(0, np.int64))


def _said(party: Party, turn: Turn, count: int) -> np.typing.NDArray[np.float32]:
    """The joint model's predictions for the common patients, float32 [common]; NaN for those held out."""
    if party.has_outcome:
        said = load(party.folder / "predictions.npz", "the joint model's predictions")["predictions"]
    else:
        found = turn.mail.opened(turn.work.inbox, PREDICTIONS, 1)
        if set(found) != {turn.holder}:
            raise PartyError("predictions to learn from did not come from the label holder alone")
        said = from_bytes(found[turn.holder][0], "predictions", (count, 1), missing=True)[:, 0]
    known = said[~np.isnan(said)]
    if not len(known) or known.min() < 0 or known.max() > 1:
        raise PartyError("the predictions to learn from are none, or lie outside 0 to 1")
    return np.asarray(said, np.float32)
