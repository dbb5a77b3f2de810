"""The label holder's joint model: its own bottom and a top model over all parties' embeddings, trained together.

The top model is three layers deep: the more of the model lies behind the cut, the less gradients at the cut say about
labels (arXiv 2603.18680). It also learns from patients whom other parties do not have, and is trained with parties
left out at random, so it predicts without a party that is away.

Not for: what goes back to the other parties (``client_app.vertical.learning.exchange``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from client_app.vertical.learning.arrays import (
    Array,
    Doubles,
    Floats,
    Ints,
    LearningError,
    State,
    load_module,
    module_state,
    taken,
)
from client_app.vertical.learning.blocks import Blocks
from client_app.vertical.learning.bottoms.bottom import Bottom, parts
from client_app.vertical.learning.calibration import Platt, platt
from client_app.vertical.learning.fitting import Fit, FitSettings, fit
from client_app.vertical.learning.seeding import seeded
from client_app.vertical.learning.splits import Split


@dataclass(frozen=True)
class TopSettings:
    """``hidden`` units of each middle layer; ``party_dropout``: how often a party's block is left out in training."""

    hidden: int = 64
    dropout: float = 0.2
    party_dropout: float = 0.1
    balance: bool = True
    fit: FitSettings = field(default_factory=FitSettings)


class Top(torch.nn.Module):
    """Embeddings of all parties and which there are, to a logit."""

    scales: torch.Tensor

    def __init__(self, own: int, widths: Sequence[int], settings: TopSettings) -> None:
        super().__init__()
        self.register_buffer("scales", torch.ones(1 + len(widths)))
        first = own + sum(widths) + len(widths)
        self.network = torch.nn.Sequential(
            torch.nn.Linear(first, settings.hidden),
            torch.nn.GELU(),
            torch.nn.Dropout(settings.dropout),
            torch.nn.Linear(settings.hidden, settings.hidden),
            torch.nn.GELU(),
            torch.nn.Dropout(settings.dropout),
            torch.nn.Linear(settings.hidden, 1),
        )

    def forward(self, own: torch.Tensor, others: Sequence[torch.Tensor], present: torch.Tensor) -> torch.Tensor:
        """Float32 [b, own], [b, width] of each party and [b, parties], to logits float32 [b]."""
        blocks = [block * present[:, number : number + 1] for number, block in enumerate(others)]
        scaled = [block * scale for block, scale in zip([own, *blocks], self.scales, strict=True)]
        logits: torch.Tensor = self.network(torch.cat([*scaled, present], 1)).squeeze(1)
        return logits

    @torch.no_grad()
    def settle(self, own: torch.Tensor, others: Sequence[torch.Tensor], present: torch.Tensor) -> None:
        """Scale each block so that a value's mean square is about 1 where there is one."""
        for number, block in enumerate([own, *others]):
            seen = block if number == 0 else block[present[:, number - 1] > 0]
            if len(seen):
                self.scales[number] = 1.0 / seen.square().mean().sqrt().clamp_min(1e-6)


class JointModel:
    """The label holder's ``own`` bottom, a top model over it and the blocks of other parties, and a calibration.

    Without other parties (``widths`` is empty) it is a model that predicts alone.
    """

    def __init__(self, own: Bottom, widths: Sequence[int], settings: TopSettings, seed: int) -> None:
        self.own, self.widths, self.settings = own, tuple(widths), settings
        with seeded(seed):
            self.top = Top(own.dim, widths, settings).eval()
        self.calibration = Platt()
        self._settled = False

    def train(self, blocks: Blocks, labels: Floats, split: Split, seed: int) -> Fit:
        """Train on ``split.train``, stop early and calibrate on ``split.validation``.

        ``labels`` float32 [patients] are outcomes, or probabilities of them, in [0, 1]. What was trained before goes
        on from where it was.

        Raises
        ------
        LearningError
            there is no patient to train on, blocks of other widths, or labels out of range.
        """
        self._check(blocks, labels, split)
        present = torch.from_numpy(blocks.present.astype(np.float32))
        others = [torch.from_numpy(block) for block in blocks.parts]
        if not self._settled:
            self.top.settle(torch.from_numpy(self.own.embed(split.train)), *at_rows(others, present, split.train))
            self._settled = True
        weight = positive_weight(labels[split.train])
        module = torch.nn.ModuleList([self.own.module, self.top])

        def loss(part: Ints) -> torch.Tensor:
            chosen, there = at_rows(others, present, part)
            kept = there * (torch.rand(there.shape) >= self.settings.party_dropout)
            logits = self.top(self.own.forward(part), chosen, kept)
            return self.loss(logits, labels[part], weight)

        def score() -> float:
            logits = torch.from_numpy(self.logits(blocks, split.validation)).float()
            return float(self.loss(logits, labels[split.validation], weight))

        with seeded(seed):
            done = fit(module, loss, split.train, self.settings.fit, seed, score if len(split.validation) else None)
        self.calibration = platt(self.logits(blocks, split.validation), labels[split.validation].astype(np.float64))
        return done

    def loss(self, logits: torch.Tensor, labels: Floats, weight: float) -> torch.Tensor:
        """The mean loss that it is trained on, of ``logits`` [n]; a positive patient counts ``weight`` if balanced."""
        wanted = torch.from_numpy(labels)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        weights = 1 + (weight - 1) * wanted if self.settings.balance else torch.ones_like(wanted)
        return (losses * weights).sum() / weights.sum()

    def _check(self, blocks: Blocks, labels: Floats, split: Split) -> None:
        if blocks.widths != self.widths or blocks.present.shape != (len(self.own), len(self.widths)):
            raise LearningError(
                f"blocks of widths {list(blocks.widths)} for {len(blocks.present)} patients: this model has widths "
                f"{list(self.widths)} and {len(self.own)} patients."
            )
        used = labels[np.concatenate([split.train, split.validation])]
        if len(labels) != len(self.own) or not ((used >= 0) & (used <= 1)).all():
            raise LearningError(f"{len(labels)} labels for {len(self.own)} patients, expected one each, from 0 to 1.")

    @torch.no_grad()
    def logits(self, blocks: Blocks, rows: Ints) -> Doubles:
        """Logits of ``rows`` before calibration, float64 [n]."""
        self.own.module.eval()
        self.top.eval()
        others = [torch.from_numpy(block) for block in blocks.parts]
        present = torch.from_numpy(blocks.present.astype(np.float32))
        found = [self.top(self.own.forward(part), *at_rows(others, present, part)) for part in parts(rows)]
        return torch.cat(found).double().numpy() if found else np.zeros(0)

    def predict(self, blocks: Blocks, rows: Ints) -> Doubles:
        """Calibrated probabilities of the outcome of ``rows``, float64 [n]."""
        return self.calibration(self.logits(blocks, rows))

    def state(self) -> State:
        """All that is learnt, the own bottom included, as named arrays."""
        own = {f"own.{name}": array for name, array in self.own.state().items()}
        scaling = np.array([self.calibration.slope, self.calibration.intercept])
        return own | module_state(self.top, "top.") | {"calibration": scaling}

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` of such a model gave; raises LearningError where it does not fit."""
        slope, intercept = (float(value) for value in taken(state, "calibration"))
        self.own.load({name.removeprefix("own."): array for name, array in state.items() if name.startswith("own.")})
        load_module(self.top, state, "top.")
        self.calibration, self._settled = Platt(slope, intercept), True


def at_rows(
    others: Sequence[torch.Tensor], present: torch.Tensor, rows: Ints
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The part of each block, and of ``present``, that is of ``rows``."""
    return [block[rows] for block in others], present[rows]


def positive_weight(labels: Floats) -> float:
    """What a positive patient counts beside a negative one: such that both classes together count alike, at most 10."""
    positive = float(labels.sum())
    return min(10.0, max(1.0, (len(labels) - positive) / max(positive, 1.0)))
