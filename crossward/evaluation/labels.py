"""Scores of the label task: AUROC and macro-F1 from the likelihood of each candidate answer.

A note's probability of a label is the softmax over the candidates' summed log-likelihoods. AUROC is one against
the rest, averaged over the labels that occur; macro-F1 is over the labels that occur, predicting the likeliest.

Not for: perplexity (``client_app.training.measuring``).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from client_app.training.head import pass_tokens
from client_app.training.learner import LoraLearner
from client_app.training.measuring import answer_losses
from crossward.adapters import write_vector
from data import label_batches

Scores = dict[tuple[str, str], dict[str, float | None]]


def scores(losses: NDArray[np.float64], answers: NDArray[np.int64]) -> dict[str, float | None]:
    """``auroc`` (None with a single class) and ``macro_f1`` of losses [notes, labels] against answers [notes]."""
    likely = torch.from_numpy(-losses).softmax(1).numpy()
    present = np.unique(answers)
    auroc = None
    if len(present) > 1:
        auroc = float(np.mean([roc_auc_score(answers == label, likely[:, label]) for label in present]))
    predicted = losses.argmin(axis=1)
    return {"auroc": auroc, "macro_f1": float(f1_score(answers, predicted, labels=present, average="macro"))}


def label_scores(learners: list[LoraLearner], models: dict[str, NDArray[np.float32]]) -> Scores:
    """(model, site) -> scores on the site's held-out notes; site ``all`` pools them."""
    out: Scores = {}
    for model, vector in models.items():
        tables, answers = [], []
        for learner in learners:
            write_vector(learner.adapted.model, learner.adapted.layout, vector)
            tokens, settings = learner.test_tokens, learner.settings
            batches = label_batches(tokens, pass_tokens(settings.evaluation_tokens, learner.adapted.model))
            table = answer_losses(learner.adapted.model, batches, len(tokens), len(tokens.labels), settings.precision)
            out[model, learner.site] = scores(table, tokens.answers)
            tables.append(table)
            answers.append(tokens.answers)
        out[model, "all"] = scores(np.concatenate(tables), np.concatenate(answers))
    return out
