"""Ways to train on the features of several parties, each measured on the same held-out common patients.

``split`` is split learning of several parties (SplitNN, arXiv 1812.00564): for every mini-batch each party sends its
embeddings and gets their gradients, and once an epoch sends those of the patients who stop the training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.harness.figures import Row
from benchmarks.split_learning.parties import Consortium
from benchmarks.split_learning.traffic import Traffic
from client_app.vertical.learning.arrays import Floats
from client_app.vertical.learning.blocks import Blocks
from client_app.vertical.learning.bottoms import Bottom
from client_app.vertical.learning.bottoms.joined import Joined
from client_app.vertical.learning.exchange import ExchangeSettings, targets
from client_app.vertical.learning.fitting import fit
from client_app.vertical.learning.metrics import metrics
from client_app.vertical.learning.seeding import seeded
from client_app.vertical.learning.splits import Split
from client_app.vertical.learning.top import JointModel

Bottoms = tuple[Bottom, ...]


def row(way: str, outcomes: Floats, probabilities: Any, traffic: Traffic | None = None, **more: Any) -> Row:
    """A way's figures on held-out patients."""
    found = metrics(outcomes.astype(np.int64), probabilities, draws=1)
    sent = {} if traffic is None else {"messages": traffic.messages, "bytes": traffic.bytes}
    return {"way": way, "auroc": found.auroc, "auprc": found.auprc, "patients": found.patients} | sent | more


def alone_model(c: Consortium, bottom: Bottom, party: int) -> JointModel:
    """A model of one party's features: of all outcomes at the label holder, elsewhere of the common patients'."""
    model = JointModel(bottom.twin(), (), c.sizes.top, c.seed)
    split = c.split_at(party) if party else c.split
    model.train(Blocks.scatter(len(bottom), []), c.outcomes[party], split, c.seed)
    return model


def alone(c: Consortium, bottom: Bottom, party: int, way: str) -> Row:
    """One party's features with the common patients' outcomes, as if that party had them."""
    model, held = alone_model(c, bottom, party), c.split_at(party).test
    return row(way, c.outcomes[party][held], model.predict(Blocks.scatter(len(bottom), []), held))


def central(c: Consortium, bottoms: Bottoms) -> Row:
    """All features of the common patients in one place, trained end to end; bottoms start as they were represented."""
    taken = [Taken(one.twin(), rows) for one, rows in zip(bottoms, c.common, strict=True)]
    place = np.full(len(c.data[0].patients), -1, np.int64)
    place[c.common[0]] = np.arange(len(c.common[0]))
    known = c.known
    split = Split(*(place[part] for part in (known.train, known.validation, known.test)))
    outcomes, none = c.outcomes[0][c.common[0]], Blocks.scatter(len(c.common[0]), [])
    model = JointModel(Joined(taken), (), c.sizes.top, c.seed)
    model.train(none, outcomes, split, c.seed)
    return row("central", outcomes[split.test], model.predict(none, split.test))


class Taken(Bottom):
    """A bottom over some of another's patients, in another order; the weights are the other's."""

    kind = "taken"

    def __init__(self, bottom: Bottom, rows: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        super().__init__(len(rows), torch.nn.Identity(), bottom.settings)
        self.bottom, self.rows, self.dim, self.module = bottom, rows, bottom.dim, bottom.module

    def inputs(self, rows: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[torch.Tensor, ...]:
        """The other's."""
        return self.bottom.inputs(self.rows[rows])

    def embed(self, rows: np.ndarray[Any, np.dtype[np.int64]]) -> Floats:
        """The other's."""
        return self.bottom.embed(self.rows[rows])

    def digest(self) -> bytes:
        """The other's, of all of its patients."""
        return self.bottom.digest()

    def represent(self, seed: int) -> None:
        """The other's, over all of its patients."""
        self.bottom.represent(seed)


def few_shot(c: Consortium, bottoms: Bottoms, exchanges: int, settings: ExchangeSettings) -> list[Row]:
    """One-shot, and after each exchange that follows; ``kept``: the best on the patients who stop the training."""
    own, others, traffic = bottoms[0].twin(), tuple(one.twin() for one in bottoms[1:]), Traffic()
    labels, held, rows, best = c.outcomes[0], c.known.test, [], float("inf")
    blocks = _sent(c, others, traffic)
    joint = JointModel(own, blocks.widths, c.sizes.top, c.seed)
    kept: Row = {}
    for number in range(exchanges + 1):
        if number:
            found = targets(joint, blocks, labels, c.known.train, settings)
            for party, (one, part) in enumerate(zip(others, found, strict=True), 1):
                traffic.rows(len(part.rows), one.dim)
                one.approach(c.at(party, part.rows), part.embeddings, c.seed + number)
            blocks = _sent(c, others, traffic)
        score = joint.train(blocks, labels, c.split, c.seed + number).score
        name = f"few-shot, {number}" if number else "one-shot"
        rows.append(row(name, labels[held], joint.predict(blocks, held), traffic, validation=score))
        if score < best:
            best, kept = score, rows[-1]
    return [*rows, kept | {"way": "few-shot, kept", "messages": traffic.messages, "bytes": traffic.bytes}]


def _sent(c: Consortium, others: Bottoms, traffic: Traffic) -> Blocks:
    for one, rows in zip(others, c.common[1:], strict=True):
        traffic.rows(len(rows), one.dim, positions=False)
    return c.blocks(others)


def split_learning(c: Consortium, bottoms: Bottoms, way: str) -> tuple[Row, list[Row]]:
    """Every mini-batch's embeddings forward and gradients back; its figures in the end, and after each epoch."""
    own, others, traffic = bottoms[0].twin(), tuple(one.twin() for one in bottoms[1:]), Traffic()
    known, labels = c.known, torch.from_numpy(c.outcomes[0])
    joint = JointModel(own, [one.dim for one in others], c.sizes.top, c.seed)
    blocks = c.blocks(others)
    present = torch.from_numpy(blocks.present.astype(np.float32))
    first = [torch.from_numpy(block[known.train]) for block in blocks.parts]
    joint.top.settle(torch.from_numpy(own.embed(known.train)), first, present[known.train])
    module = torch.nn.ModuleList([own.module, joint.top, *(one.module for one in others)])
    epochs: list[Row] = []

    def logits(part: Any) -> torch.Tensor:
        sent = [one.forward(c.at(party, part)) for party, one in enumerate(others, 1)]
        found: torch.Tensor = joint.top(own.forward(part), sent, present[part])
        return found

    def loss(part: Any) -> torch.Tensor:
        for one in others:
            traffic.rows(len(part), one.dim)
            traffic.rows(len(part), one.dim, positions=False)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits(part), labels[part])

    @torch.no_grad()
    def score() -> float:
        module.eval()
        for one in others:
            traffic.rows(len(known.validation), one.dim, positions=False)
        found = torch.sigmoid(logits(known.test)).double().numpy()
        epochs.append(row(way, c.outcomes[0][known.test], found, traffic.copy()))
        wrong = torch.nn.functional.binary_cross_entropy_with_logits(logits(known.validation), labels[known.validation])
        return float(wrong)

    with seeded(c.seed):
        done = fit(module, loss, known.train, c.sizes.top.fit, c.seed, score)
    best = epochs[done.best]
    return best | {"messages": traffic.messages, "bytes": traffic.bytes, "epochs": done.epochs}, epochs


def to_reach(epochs: list[Row], auroc: float) -> Row | None:
    """The first of ``epochs`` with that AUROC on the held-out patients; None where none has."""
    return next((one for one in epochs if one["auroc"] >= auroc), None)
