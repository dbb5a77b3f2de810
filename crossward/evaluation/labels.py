"""Scores of the label task: AUROC, macro-F1 and calibration from the likelihood of each candidate answer.

A note's probability of a label is the softmax over the candidates' summed log-likelihoods. AUROC is one against
the rest, averaged over the labels that occur; macro-F1 is over the labels that occur, predicting the likeliest.

Not for: perplexity (``client_app.training.measuring``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from client_app.training.head import pass_tokens
from client_app.training.learner import LoraLearner
from client_app.training.measuring import answer_losses
from crossward.adapters import write_vector
from data import label_batches

BINS = 10  # of the expected calibration error
Scores = dict[tuple[str, str], dict[str, float | None]]


def scores(losses: NDArray[np.float64], answers: NDArray[np.int64]) -> dict[str, float | None]:
    """Scores of losses [notes, labels] against answers [notes], by name.

    ``auroc`` (None with a single class) and ``macro_f1``; of calibration ``brier`` (Brier 1950: the mean over notes of
    the squared distance between probabilities and truth, 0 to 2) and ``ece`` (arXiv 1706.04599, eq. 3, in ten bins).
    """
    likely = torch.from_numpy(-losses).softmax(1).numpy()
    present = np.unique(answers)
    auroc = None
    if len(present) > 1:
        auroc = float(np.mean([roc_auc_score(answers == label, likely[:, label]) for label in present]))
    predicted = losses.argmin(axis=1)
    truth = np.eye(losses.shape[1])[answers]
    return {
        "auroc": auroc,
        "macro_f1": float(f1_score(answers, predicted, labels=present, average="macro")),
        "brier": float(((likely - truth) ** 2).sum(1).mean()),
        "ece": _calibration_error(likely.max(1), predicted == answers),
    }


def _calibration_error(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """How far the likeliest label's probability is from how often it is right, over bins by their notes."""
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    off = [abs(float(right[bins == one].mean() - sure[bins == one].mean())) * (bins == one).mean() for one in set(bins)]
    return float(sum(off))


def label_losses(learner: LoraLearner, vector: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Summed loss of every candidate answer on the site's held-out notes [notes, labels], and the answers [notes]."""
    write_vector(learner.adapted.model, learner.adapted.layout, vector)
    tokens, settings = learner.test_tokens, learner.settings
    batches = label_batches(tokens, pass_tokens(settings.evaluation_tokens, learner.adapted.model))
    table = answer_losses(learner.adapted.model, batches, len(tokens), len(tokens.labels), settings.precision)
    return table, tokens.answers


def label_scores(learners: list[LoraLearner], models: dict[str, NDArray[np.float32]]) -> Scores:
    """(model, site) -> scores on the site's held-out notes; site ``all`` pools them."""
    out: Scores = {}
    for model, vector in models.items():
        found = [label_losses(learner, vector) for learner in learners]
        for learner, (table, answers) in zip(learners, found, strict=True):
            out[model, learner.site] = scores(table, answers)
        out[model, "all"] = pooled(found)
    return out


def pooled(found: Sequence[tuple[NDArray[np.float64], NDArray[np.int64]]]) -> dict[str, float | None]:
    """Scores of several hospitals' notes together, of each its losses and answers."""
    return scores(np.concatenate([table for table, _ in found]), np.concatenate([answers for _, answers in found]))
