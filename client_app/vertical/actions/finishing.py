"""The step in which the label holder finishes the joint model and one of its own features alone, and measures both.

Files in its folder: the models ``joint`` and ``alone``, and ``predictions.npz`` for those who learn from them.

Not for: what the model is trained on, which depends on the run's protection (the modules beside this one).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from client_app.vertical import models
from client_app.vertical.actions import encrypted, training
from client_app.vertical.actions.alignment import common_rows
from client_app.vertical.actions.training import measured, trained
from client_app.vertical.arrays import save, to_bytes
from client_app.vertical.learning.blocks import Blocks
from client_app.vertical.learning.top import JointModel, TopSettings
from client_app.vertical.party import Party, Turn
from crossward.config.vertical_settings import ENCRYPTED, NOISED, SEALED
from crossward.protocol.vertical.messages import PREDICTIONS

BLOCKS_BY_PROTECTION: dict[str, Callable[[Party, Turn], Blocks]] = {
    SEALED: lambda party, turn: training.received(party, turn)[0],
    NOISED: lambda party, turn: training.received(party, turn)[0],
    ENCRYPTED: encrypted.received,
}


def finish(party: Party, turn: Turn) -> None:
    """Train the joint model to its end, and one on own data alone; measure both; send predictions to learn from."""
    blocks = BLOCKS_BY_PROTECTION[party.config.vertical.protection](party, turn)
    joint, labels, parts = trained(party, turn, blocks)
    alone = JointModel(models.bottom(party, turn.work.step), (), TopSettings(), party.config.run.seed)
    none = Blocks.scatter(len(alone.own), [])
    alone.train(none, labels, parts, party.config.run.seed)
    save(models.path_of(party, models.ALONE, turn.work.step), alone.state())
    rows = common_rows(party)
    held = parts.within(rows).test
    turn.facts |= measured(joint, blocks, labels, held, "") | measured(alone, none, labels, held, "alone ")
    if party.config.vertical.distil:
        shown = trained(party, turn, blocks, models.SHOWN)[0] if party.config.vertical.label_epsilon else joint
        said = shown.predict(blocks, rows).astype(np.float32)
        said[np.isin(rows, parts.test)] = np.nan  # who is held out teaches no student
        save(party.folder / "predictions.npz", {"predictions": said})
        for other in turn.others:
            turn.mail.send(other, PREDICTIONS, [to_bytes(said[:, None])])
