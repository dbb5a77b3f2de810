"""Label inference: what a party without outcomes learns of them from what the label holder returns.

*Norm* (arXiv 2102.08504): gradients of the rarer class are longer. *Direction* (the same): gradients of one class point
one way, so a cosine with those of a few patients whose outcome is known tells the others'. *Completion* (USENIX Security
2022, "Label inference attacks against vertical federated learning"): the bottom model that the run trained, with a head
of the attacker's own, fitted on a few known outcomes.

The guess of direction and completion is the same attack on the party's own embeddings before any exchange: what it
could do alone. A one-shot run returns nothing, so there the attack *is* the guess; an encrypted forward returns masked
numbers.

Not for: predictions that distillation sends on purpose.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from client_app.vertical.learning.exchange import BATCH, ROW
from crossward.privacy.embeddings import EmbeddingNoise
from research.attacks.scores import PARTY, Score
from research.attacks.vertical.consortium import CLIP, LABORATORY, Consortium, Exchanged
from research.attacks.vertical.scoring import control, ranked
from research.attacks.vertical.views import DELTA

Floats = NDArray[np.float64]
KNOWN = 20  # outcomes that the attacker knows
LEAST = 0.8  # AUC of the controls, fixed before any result


def run(lab: Consortium, say: Callable[[str], None]) -> list[Score]:
    """All scores of label inference."""
    found = []
    noise = EmbeddingNoise.calibrated(CLIP, lab.size.epsilons[0], DELTA, lab.size.exchanges)
    draw = lab.rng("labels, noise")
    runs = (
        ("gradients with their norms", BATCH, None),
        ("targets of equal length (the default)", ROW, None),
        (f"the same, noised, epsilon {lab.size.epsilons[0]:g}", ROW, lambda h: noise(h, draw.standard_normal)),
    )
    for method, norm, noised in runs:
        say(method)
        found += of_run(lab, method, lab.run(norm, noised), lab.trained)
    say("nothing returned")
    return found + nothing_returned(lab)


def of_run(lab: Consortium, method: str, exchanged: list[Exchanged], trained: NDArray[np.float32]) -> list[Score]:
    """The three attacks on one run."""
    clear = method.startswith("gradients")
    rows = lab.split.train
    labels, own = lab.labels[rows].astype(np.float64), lab.embeddings[LABORATORY][rows].astype(np.float64)
    first = exchanged[0]
    gradients = first.embeddings[LABORATORY][rows].astype(np.float64) - first.targets[LABORATORY]
    constant, note = np.zeros(len(rows)), control(LEAST) if clear else ""
    lengths = np.round(np.linalg.norm(gradients, axis=1), 5)  # equal up to float32's rounding
    scores = [ranked("label inference", PARTY, method, "norm, AUC", lengths, labels, constant)]
    known, rest = seeds(lab, labels)
    scores.append(
        ranked(
            "label inference",
            PARTY,
            method,
            "direction, AUC",
            *_of(rest, towards(gradients, labels, known), labels),
            towards(own, labels, known)[rest],
            note,
        )  # fmt: skip
    )
    after = trained[rows].astype(np.float64)
    scores.append(
        ranked(
            "label inference",
            PARTY,
            method,
            "completion, AUC",
            *_of(rest, completed(after, labels, known), labels),
            completed(own, labels, known)[rest],
        )  # fmt: skip
    )
    return scores


def nothing_returned(lab: Consortium) -> list[Score]:
    """One-shot runs return nothing, and an encrypted forward masked numbers, uniform whatever the label."""
    rows = lab.split.train
    labels, own = lab.labels[rows].astype(np.float64), lab.embeddings[LABORATORY][rows].astype(np.float64)
    known, rest = seeds(lab, labels)
    guess = towards(own, labels, known)[rest]
    one_shot = ranked(
        "label inference", PARTY, "one-shot", "direction, AUC", *_of(rest, towards(own, labels, known), labels), guess
    )
    masked = lab.rng("labels, masks").random((len(rows), own.shape[1])) - 0.5
    constant = np.zeros(len(rest))
    hidden = ranked(
        "label inference", PARTY, "encrypted forward (masked)", "direction, AUC",
        *_of(rest, towards(masked, labels, known), labels), constant,
    )  # fmt: skip
    return [one_shot, hidden]


def seeds(lab: Consortium, labels: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of patients whose outcome the attacker knows, half of them positive, and the places of all others."""
    rng = lab.rng("seeds")
    known = np.concatenate([rng.choice(np.flatnonzero(labels == c), KNOWN // 2, replace=False) for c in (0.0, 1.0)])
    return known, np.setdiff1d(np.arange(len(labels)), known)


def towards(vectors: Floats, labels: Floats, known: NDArray[np.int64]) -> Floats:
    """Cosine with the known positives' mean less that with the known negatives', of every row."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    positive, negative = (unit[known[labels[known] == c]].mean(axis=0) for c in (1.0, 0.0))
    return np.asarray(unit @ (positive - negative), dtype=np.float64)


def completed(vectors: Floats, labels: Floats, known: NDArray[np.int64]) -> Floats:
    """Scores of a logistic head on ``vectors``, fitted on the known outcomes."""
    scaled = vectors / (vectors.std(axis=0) + 1e-12)
    fitted = LogisticRegression(C=0.1, max_iter=1000).fit(scaled[known], labels[known])
    return np.asarray(fitted.decision_function(scaled), dtype=np.float64)


def _of(rest: NDArray[np.int64], scores: Floats, labels: Floats) -> tuple[Floats, Floats]:
    return scores[rest], labels[rest]
