"""What the label holder returns to the other parties: where their embeddings of training patients should move.

Block coordinate descent with few exchanges (FedBCD, arXiv 1912.11187): between two exchanges the label holder trains
on embeddings that do not change, and a party takes local steps towards the targets it was given. A target is the
embedding one step down the joint loss's gradient. Patients who stop the training or are held out have none.

Not for: local steps (``client_app.vertical.learning.bottoms``), envelopes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from client_app.vertical.learning.arrays import Floats, Ints
from client_app.vertical.learning.blocks import Blocks, Part
from client_app.vertical.learning.top import JointModel, at_rows, positive_weight

ROW, BATCH = "row", "batch"


@dataclass(frozen=True)
class ExchangeSettings:
    """``step``: how far targets lie from embeddings, by the root mean square of a party's embeddings' norms.

    ``norm``: "row" moves every patient as far as the others, so that a gradient's norm, which tells rare outcomes
    (arXiv 2102.08504), is not sent; "batch" keeps the norms' ratios.
    """

    step: float = 0.5
    norm: str = ROW


def targets(
    joint: JointModel, blocks: Blocks, labels: Floats, rows: Ints, settings: ExchangeSettings
) -> tuple[Part, ...]:
    """For each party the targets of those of the training patients ``rows`` that it has, float32 [n, dim].

    ``labels`` are those that the joint model was trained with.
    """
    joint.own.module.eval()
    joint.top.eval()
    found = []
    for number in range(len(blocks.parts)):
        mine = rows[blocks.present[rows, number]]
        found.append(Part(mine, _moved(joint, blocks, labels, mine, number, settings)))
    return tuple(found)


def _moved(
    joint: JointModel,
    blocks: Blocks,
    labels: Floats,
    rows: Ints,
    number: int,
    settings: ExchangeSettings,
) -> Floats:
    """One step from the embeddings of party ``number`` down the summed loss."""
    others, present = at_rows(
        [torch.from_numpy(b) for b in blocks.parts], torch.from_numpy(blocks.present.astype(np.float32)), rows
    )
    with torch.no_grad():
        own = joint.own.forward(rows)
    block = others[number].clone().requires_grad_()
    others[number] = block
    logits = joint.top(own, others, present)
    loss = joint.loss(logits, labels[rows], positive_weight(labels[rows]))
    (gradient,) = torch.autograd.grad(loss, block)
    norms = gradient.norm(dim=1, keepdim=True)
    typical = norms if settings.norm == ROW else norms.square().mean().sqrt()
    length = settings.step * block.detach().norm(dim=1).square().mean().sqrt()
    moved: Floats = (block.detach() - length * gradient / typical.clamp_min(1e-12)).numpy()
    return moved
