"""Embedding inversion: from what is seen of a patient's embedding to features, words and the name in the notes.

The attacker holds both the features and what it sees of the *known* patients (an insider's or a leaked table), fits a
ridge regression from one to the other, with the penalty chosen on them, and applies it to the victims. A learned attack
of this kind is what inversion of text embeddings (arXiv 2310.06816) comes to where the vocabulary is small.

Not for: what is seen (``views``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from research.attacks.margins import SPANS, TOKENS
from research.attacks.scores import LABEL_HOLDER, Score
from research.attacks.vertical.consortium import LABORATORY, NAMES, WARD, Consortium
from research.attacks.vertical.scoring import FEATURES, control, share
from research.attacks.vertical.views import Guise, guises

Floats = NDArray[np.float64]
CHOICES = 8
_PENALTIES = tuple(10.0**i for i in range(-4, 9, 2))
LEAST_FEATURES, LEAST_WORDS, LEAST_NAMES = 0.9, 0.75, 0.6  # of the controls, fixed before any result


def regressed(seen: Floats, known: NDArray[np.int64], values: Floats, victims: NDArray[np.int64]) -> Floats:
    """``values`` of the known patients regressed on what is ``seen`` of them; predictions for the victims."""
    middle, scale = seen[known].mean(axis=0), seen[known].std(axis=0) + 1e-12
    standard = (seen - middle) / scale
    fitted = RidgeCV(_PENALTIES).fit(standard[known], values[known])
    return np.asarray(fitted.predict(standard[victims]), dtype=np.float64)


def run(lab: Consortium, say: Callable[[str], None]) -> list[Score]:
    """All scores of inversion."""
    say("control")
    wide = Guise(LABEL_HOLDER, f"clear, {lab.size.wide} values", lambda h: h.astype(np.float64), control=True)
    seen = wide.see(lab.wide_embeddings)
    found = [words(lab, wide, seen), names(lab, wide, seen)]
    for guise in guises(lab):
        say(guise.method)
        found.append(features(lab, guise))
        seen = guise.see(lab.embeddings[WARD])
        found += [words(lab, replace(guise, control=False), seen), names(lab, replace(guise, control=False), seen)]
    return found


def features(lab: Consortium, guise: Guise) -> Score:
    """The share of the variance of a victim's laboratory values that is recovered; the guess is their mean."""
    values = lab.tables[LABORATORY]
    predicted = regressed(guise.see(lab.embeddings[LABORATORY]), lab.known, values, lab.victims)
    true, middle = values[lab.victims], values[lab.known].mean(axis=0)
    spread = ((true - middle) ** 2).sum(axis=1)
    explained = (spread - ((true - predicted) ** 2).sum(axis=1)) / spread.mean()
    note = control(LEAST_FEATURES) if guise.control else ""
    zero = np.zeros(len(explained))
    return share("inversion", guise.view, guise.method, "features, R2", explained, zero, FEATURES, note)


def words(lab: Consortium, guise: Guise, seen: Floats) -> Score:
    """The share of a victim's words among as many that score highest; the guess ranks by how frequent they are."""
    has = lab.words.astype(np.float64)
    predicted = regressed(seen, lab.known, has, lab.victims)
    some = lab.words[lab.victims].any(axis=1)
    rows, truth = predicted[some], lab.words[lab.victims][some]
    prior = np.broadcast_to(has[lab.known].mean(axis=0), truth.shape)
    note = control(LEAST_WORDS) if guise.control else ""
    return share("inversion", guise.view, guise.method, "words", _top(rows, truth), _top(prior, truth), TOKENS, note)


def _top(scores: Floats, truth: NDArray[np.bool_]) -> Floats:
    ranks = (-scores).argsort(axis=1).argsort(axis=1)
    count = truth.sum(axis=1)
    return np.asarray(((ranks < count[:, None]) & truth).sum(axis=1) / count, dtype=np.float64)


def names(lab: Consortium, guise: Guise, seen: Floats) -> Score:
    """Which of eight names is in a victim's notes; the guess is one in eight."""
    planted = np.eye(len(NAMES))[lab.name]
    predicted = regressed(seen, lab.known, planted, lab.victims)
    rng, right = lab.rng("decoys"), []
    for scores, name in zip(predicted, lab.name[lab.victims], strict=True):
        others = rng.choice(np.delete(np.arange(len(NAMES)), name), CHOICES - 1, replace=False)
        right.append(float(scores[name] > scores[others].max()))
    note = control(LEAST_NAMES) if guise.control else ""
    guess = np.full(len(right), 1.0 / CHOICES)
    return share("inversion", guise.view, guise.method, "name, 8 choices", np.array(right), guess, SPANS, note)
