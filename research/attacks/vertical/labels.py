"""Label inference: what a party without outcomes learns of them from what the label holder returns.

*Norm* (arXiv 2102.08504): gradients of the rarer class are longer. *Direction* (the same): gradients of one class point
one way, so a cosine with those of a few patients whose outcome is known tells the others'. *Completion* ("Label
inference attacks against vertical federated learning", USENIX Security 2022): the bottom model that the run trained,
with a head of the attacker's own, fitted on a few known outcomes.

Norm and direction are measured on what the first exchange returns, and as a control on what an untrained joint model
would. The guess of direction and completion is the same attack on the party's own embeddings before any exchange: what
it could do alone. A one-shot run returns nothing, so there the attack *is* the guess; an encrypted forward returns
masked numbers.

Not for: predictions that distillation sends on purpose.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from client_app.vertical.learning.exchange import BATCH, ROW
from crossward.privacy.embeddings import EmbeddingNoise
from crossward.privacy.labels import RandomisedResponse
from research.attacks.scores import PARTY, Score
from research.attacks.vertical.consortium import CLIP, LABORATORY, Consortium, Run, Sender
from research.attacks.vertical.scoring import control, ranked
from research.attacks.vertical.views import DELTA

Floats = NDArray[np.float64]
KNOWN = 20  # outcomes that the attacker knows
LEAST = 0.8  # AUC of the controls, fixed before any result
RANDOMISED = 1.0  # label epsilon of randomised response
NAME = "label inference"


def run(lab: Consortium, say: Callable[[str], None]) -> list[Score]:
    """All scores of label inference."""
    say("gradients")
    clear, skewed = lab.run(BATCH), lab.run(BATCH, balance=False)
    found = [
        direction_score(lab, "gradients of an untrained model", clear.returned[0], control(LEAST)),
        norm_score(lab, "gradients with their norms, classes not balanced", skewed, control(LEAST)),
        norm_score(lab, "gradients with their norms", clear),
        direction_score(lab, "gradients with their norms", clear.returned[1]),
    ]
    for method, made in _runs(lab, say):
        found += [
            norm_score(lab, method, made),
            direction_score(lab, method, made.returned[1]),
            completion_score(lab, method, made),
        ]
    return found + nothing_returned(lab)


def _runs(lab: Consortium, say: Callable[[str], None]) -> list[tuple[str, Run]]:
    """The default exchange, with noised embeddings, and with randomised labels."""
    epsilon, draw = lab.size.epsilons[0], lab.rng("labels, noise")
    noise = EmbeddingNoise.calibrated(CLIP, epsilon, DELTA, lab.size.exchanges)
    noised: Sender = lambda h: noise(h, draw.standard_normal)  # noqa: E731 - a sender in one line
    randomised = RandomisedResponse(RANDOMISED)(lab.labels, draw.random).astype(np.float32)
    found = []
    for method, sender, labels in (
        ("targets of equal length", None, None),
        (f"embeddings noised, epsilon {epsilon:g}", noised, None),
        (f"labels randomised, label epsilon {RANDOMISED:g}", None, randomised),
    ):
        say(method)
        found.append((method, lab.run(ROW, sender, labels)))
    return found


def _victims(lab: Consortium) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Labels of training patients, and among them the places of those known to the attacker and of the others."""
    labels = lab.labels[lab.split.train].astype(np.float64)
    known, rest = seeds(lab, labels)
    return labels, known, rest


def _own(lab: Consortium) -> Floats:
    return lab.embeddings[LABORATORY][lab.split.train].astype(np.float64)


def norm_score(lab: Consortium, method: str, made: Run, note: str = "") -> Score:
    """How well lengths of what the first exchange returned rank labels."""
    labels, _, rest = _victims(lab)
    lengths = np.round(np.linalg.norm(made.returned[1], axis=1), 4)[rest]  # equal up to float32's rounding
    return ranked(NAME, PARTY, method, "norm, AUC", lengths.astype(np.float64), labels[rest], np.zeros(len(rest)), note)


def direction_score(lab: Consortium, method: str, returned: NDArray[np.float32], note: str = "") -> Score:
    """How well directions of what was returned rank labels, against those of the party's own embeddings."""
    labels, known, rest = _victims(lab)
    scores, guess = towards(returned.astype(np.float64), labels, known), towards(_own(lab), labels, known)
    return ranked(NAME, PARTY, method, "direction, AUC", scores[rest], labels[rest], guess[rest], note)


def completion_score(lab: Consortium, method: str, made: Run) -> Score:
    """How well a head on the trained embeddings ranks labels, against one on those before the run."""
    labels, known, rest = _victims(lab)
    after = made.trained[lab.split.train].astype(np.float64)
    scores, guess = completed(after, labels, known), completed(_own(lab), labels, known)
    return ranked(NAME, PARTY, method, "completion, AUC", scores[rest], labels[rest], guess[rest])


def nothing_returned(lab: Consortium) -> list[Score]:
    """One-shot runs return nothing, and an encrypted forward masked numbers, uniform whatever the label."""
    labels, known, rest = _victims(lab)
    own = towards(_own(lab), labels, known)[rest]
    masked = towards(lab.rng("labels, masks").random((len(labels), lab.size.dim)) - 0.5, labels, known)[rest]
    metric, zero = "direction, AUC", np.zeros(len(rest))
    return [
        ranked(NAME, PARTY, "one-shot", metric, own, labels[rest], own),
        ranked(NAME, PARTY, "encrypted forward (masked)", metric, masked, labels[rest], zero),
    ]


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
