"""Steps in which parties learn representations and the label holder trains the joint model on them.

Files in the party's folder: its models as of each step (``client_app.vertical.models``), and at the label holder
``blocks.npz``, the embeddings that it has of the others.

Not for: the models (``client_app.vertical.learning``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from client_app.vertical import models
from client_app.vertical.actions.alignment import check_same, common_rows
from client_app.vertical.arrays import Floats, from_bytes, load, save, to_bytes
from client_app.vertical.errors import PartyError
from client_app.vertical.learning.blocks import Blocks, Part
from client_app.vertical.learning.exchange import targets
from client_app.vertical.learning.metrics import metrics
from client_app.vertical.learning.splits import Split
from client_app.vertical.learning.top import JointModel
from client_app.vertical.owner import Owner
from client_app.vertical.party import Party, Turn
from client_app.vertical.protection import protected
from crossward.protocol.vertical.messages import EMBEDDINGS, TARGETS, Facts

BLOCKS = "blocks.npz"


def represent(party: Party, turn: Turn) -> None:
    """Learn a representation of all own patients without labels; parties without labels send that of common ones."""
    check_same(party, turn)
    own = models.new_bottom(party)
    own.represent(party.config.run.seed)
    models.keep_bottom(party, own, turn.work.step)
    turn.facts["own patients"] = len(own)
    if not party.has_outcome:
        _send(party, turn, own.embed(common_rows(party)))


def _send(party: Party, turn: Turn, embeddings: Floats) -> None:
    """Send the label holder embeddings of the common patients, protected as the run asks."""
    released = protected(party, turn, embeddings, turn.facts)
    turn.mail.send(turn.holder, EMBEDDINGS, [to_bytes(released)])


def combine(party: Party, turn: Turn) -> None:
    """Train the joint model on the embeddings that there are, and return to each party where its should move."""
    blocks, names = received(party, turn)
    which = models.SHOWN if party.config.vertical.label_epsilon else models.JOINT
    joint, labels, parts = trained(party, turn, blocks, which)
    rows = common_rows(party)
    train = parts.within(rows).train
    place = _places(rows, len(joint.own))
    for name, part in zip(names, targets(joint, blocks, labels, train, models.CHOICES), strict=True):
        if len(part.rows):
            positions = place[part.rows].astype(np.int32)[:, None]
            turn.mail.send(name, TARGETS, [to_bytes(positions), to_bytes(part.embeddings)])
    turn.facts |= measured(joint, blocks, labels, parts.within(rows).validation, "validation ")


def approach(party: Party, turn: Turn) -> None:
    """Take local steps towards the label holder's targets, and send new embeddings."""
    found = turn.mail.opened(turn.work.inbox, TARGETS, 2)
    rows, own = common_rows(party), models.bottom(party, turn.work.step)
    if set(found) - {turn.holder}:
        raise PartyError("targets of embeddings from a party that has no outcome")
    for positions, wanted in [found[turn.holder]] if turn.holder in found else []:
        at = from_bytes(positions, "positions of targets", (None, 1), np.int32)[:, 0]
        count = len(at)
        if len(np.unique(at)) != count or (at < 0).any() or (at >= len(rows)).any():
            raise PartyError("targets for patients who are not in common, or twice for one")
        own.approach(rows[at], from_bytes(wanted, "targets", (count, own.dim)), party.config.run.seed + turn.work.round)
        turn.facts["patients moved"] = count
    models.keep_bottom(party, own, turn.work.step)
    _send(party, turn, own.embed(rows))


def trained(
    party: Party, turn: Turn, blocks: Blocks, which: str = models.JOINT
) -> tuple[JointModel, NDArray[np.float32], Split]:
    """A joint model, trained on from where it was, with the outcomes and who trains, stops and is held out.

    ``which``: the one that stays at the label holder, or the one that is trained on what outcomes it shows.
    """
    step, parts = turn.work.step, models.parts_of(party)
    labels = models.shown_outcomes(party) if which == models.SHOWN else models.outcomes(party)
    joint = models.joint(party, blocks.widths, which, step)
    joint.train(blocks, labels, parts, party.config.run.seed + step)
    save(models.path_of(party, which, step), joint.state())
    return joint, labels, parts


def received(party: Party, turn: Turn) -> tuple[Blocks, tuple[str, ...]]:
    """The embeddings of each other party, the newest there are.

    Raises
    ------
    PartyError
        there are none of a party, though every one sent some before any step that trains on them.
    """
    rows, dim, own = common_rows(party), party.config.vertical.dim, models.new_bottom(party)
    found = turn.mail.opened(turn.work.inbox, EMBEDDINGS, 1)
    if missing := sorted(set(turn.others) - set(found)):
        raise PartyError(f"the aggregator passes on no embeddings of {', '.join(missing)}, which every party has sent")
    sent = {name: from_bytes(found[name][0], f"embeddings of {name!r}", (len(rows), dim)) for name in found}
    save(party.folder / BLOCKS, sent)
    return blocks_of(sent, turn.others, rows, len(own), dim), turn.others


def blocks_of(
    sent: dict[str, NDArray[Any]], others: tuple[str, ...], rows: NDArray[np.int64], patients: int, dim: int
) -> Blocks:
    """Blocks of ``others`` in their order, over the label holder's ``patients``, from what they sent."""
    nothing = Part(np.zeros(0, np.int64), np.zeros((0, dim), np.float32))
    return Blocks.scatter(patients, [Part(rows, sent[name]) if name in sent else nothing for name in others])


def kept_blocks(party: Owner, others: tuple[str, ...]) -> Blocks:
    """The blocks that the label holder trained on last."""
    sent = load(party.folder / BLOCKS, "the embeddings of the other parties")
    dim = next((len(one[0]) for one in sent.values() if len(one)), party.config.vertical.dim)
    return blocks_of(sent, others, common_rows(party), len(party.data.patients), dim)


def _places(rows: NDArray[np.int64], patients: int) -> NDArray[np.int64]:
    place = np.full(patients, -1, np.int64)
    place[rows] = np.arange(len(rows))
    return place


def measured(
    model: JointModel, blocks: Blocks, labels: NDArray[np.float32], rows: NDArray[np.int64], prefix: str
) -> Facts:
    """How well a model predicts for ``rows``, as facts to report under names after ``prefix``."""
    found = metrics(labels[rows].astype(np.int64), model.predict(blocks, rows))
    facts: Facts = {f"{prefix}patients": found.patients}
    for name in ("auroc", "auprc", "brier", "calibration_error"):
        if (value := getattr(found, name)) is not None:
            facts[f"{prefix}{name}"] = round(value, 4)
    return facts
