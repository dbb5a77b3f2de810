"""Identifiers as a forced choice: which of eight names, record numbers or birth dates stands in the notes?

The attacker knows the form of a note's head and what stands before the identifier, and applies what it sees of the
update to the start adapter: a candidate whose loss falls more than the others' was trained on. Sealed blocks stay as
they were at the start. How far to trust the fall, and how far the language model's own guess, is learned on shadow
updates under the same protection (a conditional logit); the guess is the same choice without the update.

Not for: finding identifiers without candidates, or those planted many times (``research.attacks.canaries``).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from client_app.training.losses import token_losses
from crossward.adapters import write_vector
from data.batches import IGNORED
from research.attacks.gains import believable
from research.attacks.identifiers import KINDS, decoys
from research.attacks.laboratory import Laboratory, Sample, Vector

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """Candidate sequences [candidates] of one identifier, the true one first: ids and how many are the context."""

    kind: int
    sequences: tuple[tuple[int, ...], ...]
    given: tuple[int, ...]


@dataclass(frozen=True)
class Choices:
    """Answers for one update; the first candidate is the true one.

    ``guess`` and ``fall``, float64 [questions, candidates]: log likelihood at the start, and its rise with the update.
    """

    kinds: tuple[int, ...]
    guess: Floats
    fall: Floats


def questions(lab: Laboratory, sample: Sample) -> list[Question]:
    """Up to ``lab.size.spans`` questions about a sample's patients, the kinds in turn."""
    rng = random.Random(f"{lab.seed}|{sample.seed}")
    start = sample.notes.frame.start.tolist()
    wanted = [(who, kind) for who in sample.identities for kind in range(len(KINDS))]
    rng.shuffle(wanted)
    out = []
    for who, kind in wanted[: lab.size.spans]:
        context = who.before(kind)
        lead = len(lab.encode(context))
        values = (who.values[kind], *decoys(who, kind, lab.size.choices - 1, rng))
        ids = [(*start, *lab.encode(f"{context}{value}\n").tolist()) for value in values]
        out.append(Question(kind, tuple(ids), (len(start) + lead,) * len(ids)))
    return out


@torch.no_grad()
def likelihoods(lab: Laboratory, asked: Sequence[Question], adapter: Vector) -> Floats:
    """Log likelihood of each candidate behind its context under an adapter: float64 [questions, candidates]."""
    write_vector(lab.adapted.model, lab.layout, adapter)
    lab.adapted.model.eval()
    rows = [(ids, given) for q in asked for ids, given in zip(q.sequences, q.given, strict=True)]
    width = max(len(ids) for ids, _ in rows)
    inputs = torch.zeros((len(rows), width), dtype=torch.int64)
    mask, labels = torch.zeros_like(inputs), torch.full_like(inputs, IGNORED)
    for row, (ids, given) in enumerate(rows):
        known = torch.tensor(ids)
        inputs[row, : len(ids)], mask[row, : len(ids)] = known, 1
        labels[row, given : len(ids)] = known[given:]
    batch = {"input_ids": inputs, "attention_mask": mask, "labels": labels}
    losses = token_losses(lab.adapted.model, batch)[0].sum(1).double().numpy()
    found: Floats = -losses.reshape(len(asked), -1)
    return found


class Chooser:
    """A conditional logit over candidates, fitted on shadow updates; ``informed`` False leaves the update out."""

    def __init__(self, shadows: Sequence[Choices], informed: bool = True) -> None:
        from sklearn.linear_model import LogisticRegression

        self.informed = informed
        table = np.concatenate([self._features(c) for c in shadows])  # [questions, candidates, features]
        self.spread = table.std((0, 1)) + 1e-12
        apart = ((table[:, :1] - table[:, 1:]) / self.spread).reshape(-1, table.shape[2])
        both = np.concatenate([apart, -apart])
        truth = np.repeat([1, 0], len(apart))
        fitted = LogisticRegression(fit_intercept=False).fit(both, truth)
        self.weights: Floats = fitted.coef_[0]

    def _features(self, found: Choices) -> Floats:
        """Within a question centred, float64 [questions, candidates, features]; kinds have weights of their own."""
        parts = [found.guess, found.fall] if self.informed else [found.guess]
        table = np.stack([part - part.mean(1, keepdims=True) for part in parts], axis=2)
        kinds = np.array(found.kinds)
        return np.concatenate([table * (kinds == kind)[:, None, None] for kind in range(len(KINDS))], axis=2)

    def right(self, found: Choices) -> Floats:
        """Whether each question was answered rightly, ties shared: float64 [questions], 0 to 1."""
        scores = (self._features(found) / self.spread) @ self.weights
        best = scores.max(1, keepdims=True)
        ties = scores >= best - 1e-12
        return np.asarray(ties[:, 0] / ties.sum(1), dtype=np.float64)


def helps(shadows: Sequence[Choices]) -> bool:
    """Whether the update helped believably on a third of the shadows after a fit on the others."""
    kept, rest = [c for n, c in enumerate(shadows) if n % 3 != 2], shadows[2::3]
    informed, blind = Chooser(kept), Chooser(kept, informed=False)
    return believable(np.array([informed.right(c).mean() - blind.right(c).mean() for c in rest]))
