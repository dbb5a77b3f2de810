"""A learned attack: from updates that it trained itself, the attacker learns to read another's.

Learning to invert (arXiv 2210.10880) trains a model on pairs of auxiliary data and their updates; here it is a logistic
regression that says, from a token's evidence (``evaluation.attacks.profiles``), what the span attacks say of it and how
usual the token is at that hospital, whether the token is in the notes. It adapts to whatever protection it is trained
under: rounding, noise, sealed blocks, and to AdamW, under which exact attacks fail. It names a bag of words and does not
put them in order (``evaluation.attacks.spans`` asks for whole identifiers).

The *guess* is the same regression on how usual a token is alone.

Not for: making updates.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.laboratory import SHADOW, VICTIM, Ints, Laboratory, Sample, Setting
from evaluation.attacks.observers import Observer, Protection, Seen
from evaluation.attacks.profiles import Profiles

Floats = NDArray[np.float64]
_TEXTS = 60
_CERTAIN = 0.004  # tokens whose prior is nearer to 0 or 1 teach nothing and are left out of the fit


class Prior:
    """How usual each token is in a sample of a setting at a hospital, from texts of auxiliary patients."""

    def __init__(self, lab: Laboratory, setting: Setting, texts: int = _TEXTS) -> None:
        shares = []
        for hospital in range(lab.size.hospitals):
            counts = np.zeros(lab.vocabulary)
            for present in lab.auxiliary_texts(setting, hospital, texts):
                counts[present] += 1
            shares.append(counts / texts)
        self.own = np.stack(shares)
        self.all = self.own.mean(0)

    def shares(self, hospitals: Sequence[int]) -> tuple[Floats, Floats]:
        """Chance of a token in the union of one sample of each hospital; the same with hospitals not told apart."""
        own = 1.0 - np.prod(1.0 - self.own[list(hospitals)], axis=0)
        return own, 1.0 - (1.0 - self.all) ** len(hospitals)

    def columns(self, hospitals: Sequence[int]) -> Floats:
        """float64 [vocabulary, 3]: log odds, smoothed, of both, and of their mean."""
        own, every = self.shares(hospitals)
        parts = (own, every, 0.8 * own + 0.2 * every)
        return np.stack([_log_odds(np.clip(part, 0.002, 0.998)) for part in parts], axis=1)


def _log_odds(share: Floats) -> Floats:
    return np.asarray(np.log(share / (1.0 - share)), dtype=np.float64)


@dataclass(frozen=True)
class Case:
    """One observation: what is known of each token, and the tokens that are really there.

    ``prior`` float64 [vocabulary, p], ``evidence`` float32 [vocabulary, e], ``blocks`` bool [e, blocks].
    """

    prior: Floats
    evidence: NDArray[np.float32]
    blocks: NDArray[np.bool_]
    present: Ints


class Attack:
    """Fitted on shadow cases: ``scores`` of a case's tokens."""

    def __init__(self, cases: Sequence[Case], columns: NDArray[np.bool_] | None = None, weight: float = 0.02) -> None:
        """``columns`` of the evidence to use (None: none of it, the guess)."""
        from sklearn.linear_model import LogisticRegression

        self.columns = columns
        rows, truth = [], []
        for case in cases:
            share = 1.0 / (1.0 + np.exp(-case.prior[:, -1]))
            open_ = np.minimum(share, 1 - share) >= _CERTAIN
            rows.append(self._features(case)[open_])
            truth.append(np.isin(np.flatnonzero(open_), case.present))
        table = np.concatenate(rows)
        self.mean, self.spread = table.mean(0), table.std(0) + 1e-9
        self.model = LogisticRegression(C=weight, max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an optimiser that stops early still ranks
            self.model.fit((table - self.mean) / self.spread, np.concatenate(truth))

    def _features(self, case: Case) -> NDArray[np.float32]:
        parts: list[NDArray[Any]] = [case.prior]
        if self.columns is not None:
            parts.append(case.evidence[:, self.columns])
        return np.concatenate(parts, axis=1).astype(np.float32)

    def scores(self, case: Case) -> Floats:
        """Log odds of every token of the vocabulary, float64 [vocabulary]."""
        found = self.model.decision_function((self._features(case) - self.mean) / self.spread)
        return np.asarray(found, dtype=np.float64)


def recovered(scores: Floats, present: Ints, public: Ints) -> float:
    """Share of the n tokens present that are among the n with the highest scores, public ones left out."""
    scores = scores.copy()
    scores[public] = -np.inf
    named = np.argsort(-scores, kind="stable")[: len(present)]
    return len(np.intersect1d(named, present)) / max(len(present), 1)


def area(scores: Floats, present: Ints, public: Ints) -> float:
    """AUC of the scores for the tokens present against all others, public ones left out."""
    from sklearn.metrics import roc_auc_score

    kept = np.setdiff1d(np.arange(len(scores)), public)
    return float(roc_auc_score(np.isin(kept, present), scores[kept]))


class Reader:
    """Turns observed updates into cases: profiles and priors are made once for a laboratory and setting."""

    def __init__(self, lab: Laboratory, setting: Setting, profiles: Profiles) -> None:
        self.lab, self.setting, self.profiles, self.prior = lab, setting, profiles, Prior(lab, setting)

    def case(self, seen: Seen, samples: Sequence[Sample]) -> Case:
        """``samples`` are those of the update, more than one for an aggregate."""
        hospitals = [sample.hospital for sample in samples]
        present = np.unique(np.concatenate([sample.present for sample in samples]))
        values, blocks = seen.reading(), seen.blocks(self.lab)
        found = self.profiles.evidence(values)
        table, uses = found.table, found.blocks
        if not self.setting.adam:
            every = np.ones(len(blocks), np.bool_) if not blocks.any() else blocks
            most = int(self.prior.shares(hospitals)[0].sum() * 1.2) + 4
            table = np.concatenate([table, self.profiles.span(values, every, seen.unit, most)], axis=1)
            uses = np.concatenate([uses, np.zeros((2, uses.shape[1]), np.bool_)])
        return Case(self.prior.columns(hospitals), table, uses, present)

    def cases(self, role: str, count: int, protection: Protection) -> list[Case]:
        """Of ``count`` updates of a role under a protection."""
        observer = Observer(self.lab, self.setting, protection)
        updates = self.lab.updates(role, self.setting, count, protection.trainer)
        return [self.case(observer.see(update.delta), [update.sample]) for update in updates]


def usable(case: Case, clear: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Columns of the evidence that need no sealed block: bool [e]; where all are sealed, all, read from bytes."""
    if not clear.any():
        return np.ones(len(case.blocks), np.bool_)
    return ~np.any(case.blocks & ~clear, axis=1)


ROLES = (SHADOW, VICTIM)
