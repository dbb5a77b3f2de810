"""Held-out quality of adapters at every hospital: loss and perplexity, AUROC and calibration of the label task.

``home`` says which adapter a hospital uses: all the same one, or each its own where hospitals stay alone.

Not for: intervals over seeds (``research.compare.summary``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from client_app.training.learner import LoraLearner
from client_app.training.trained import Vector
from crossward.evaluation.labels import label_losses, pooled, scores
from crossward.protocol.measures import Measure
from research.compare.memory import Remembering

Facts = dict[str, Any]


def notes_quality(learners: Sequence[Remembering], home: Sequence[Vector]) -> Facts:
    """``sites`` with each hospital's loss and perplexity, and what they come to together.

    That is ``loss`` (nats a token, tokens pooled), ``perplexity`` (its exponential), ``perplexity_mean`` (geometric,
    every hospital alike) and ``perplexity_worst``.
    """
    found = {
        learner.site: learner.evaluate({"home": vector})["home"] for learner, vector in zip(learners, home, strict=True)
    }
    together, losses = sum(found.values(), Measure()), [m.loss for m in found.values()]
    return {
        "sites": {
            site: {"loss": m.loss, "perplexity": m.perplexity, "tokens": m.tokens, "patients": m.patients}
            for site, m in found.items()
        },
        "loss": together.loss,
        "perplexity": together.perplexity,
        "perplexity_mean": math.exp(min(float(np.mean(losses)), 700.0)),
        "perplexity_worst": math.exp(min(max(losses), 700.0)),
        "token_accuracy": together.token_accuracy,
    }


def elsewhere(learners: Sequence[Remembering], home: Sequence[Vector]) -> Facts:
    """``loss_elsewhere``: of every hospital's own adapter at the other hospitals, tokens pooled."""
    total = Measure()
    for owner, vector in enumerate(home):
        for other, learner in enumerate(learners):
            if other != owner:
                total += learner.evaluate({"away": vector})["away"]
    return {"loss_elsewhere": total.loss}


def label_quality(learners: Sequence[LoraLearner], home: Sequence[Vector]) -> Facts:
    """Scores of the label task where each hospital uses its own of ``home``.

    ``auroc_sites``, ``auroc_mean`` and ``auroc_worst`` are over hospitals with several classes, ``macro_f1_mean`` over
    all; ``auroc_pooled``, ``brier`` and ``ece`` of all hospitals' notes together.
    """
    found = [label_losses(learner, vector) for learner, vector in zip(learners, home, strict=True)]
    by_site = {learner.site: scores(*one) for learner, one in zip(learners, found, strict=True)}
    together = pooled(found)
    known = [one["auroc"] for one in by_site.values() if one["auroc"] is not None]
    return {
        "auroc_sites": {site: one["auroc"] for site, one in by_site.items()},
        "auroc_mean": float(np.mean(known)) if known else None,
        "auroc_worst": min(known, default=None),
        "auroc_pooled": together["auroc"],
        "brier": together["brier"],
        "ece": together["ece"],
        "macro_f1_mean": float(np.mean([one["macro_f1"] or 0.0 for one in by_site.values()])),
    }
