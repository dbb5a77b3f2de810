"""A learned attack: from updates that it trained itself, the attacker learns to read another's.

Learning to invert (arXiv 2210.10880) trains a model on pairs of auxiliary data and their updates; here it is a logistic
regression that says, from a token's evidence (``research.attacks.profiles``), what the span attacks say of it and how
usual the token is at that hospital, whether the token is in the notes. It adapts to whatever protection it is trained
under: rounding, noise, sealed blocks, and to AdamW, under which exact attacks fail. It names a bag of words and does
not put them in order (``research.attacks.spans`` asks for whole identifiers).

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

from research.attacks.gains import believable
from research.attacks.laboratory import Ints, Laboratory, Sample
from research.attacks.observers import Seen
from research.attacks.profiles import Profiles
from research.attacks.sizes import Setting

Floats = NDArray[np.float64]
_TEXTS = 60
_CERTAIN = 0.004  # tokens whose prior is nearer to 0 or 1 teach little and are left out of the fit
_USUAL = 0.9
_WEIGHTS = (0.0003, 0.003, 0.03)  # inverse strengths of the ridge, weakest use of the evidence first
_TOGETHER = 16  # updates whose evidence is taken in one multiplication


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

    ``prior`` float64 [vocabulary, p], ``evidence`` float32 [vocabulary, e].
    """

    prior: Floats
    evidence: NDArray[np.float32]
    present: Ints


class Attack:
    """Fitted on shadow cases; ``scores`` of a case's tokens.

    ``columns`` of the evidence are used, with the weight that recovered most tokens on a third of the shadows after a
    fit on the others; none of them where that recovered not believably more than the guess, unless ``forced``.
    """

    def __init__(
        self, cases: Sequence[Case], columns: NDArray[np.bool_] | None, public: Ints, forced: bool = False
    ) -> None:
        self.public = public
        self.columns: NDArray[np.bool_] | None = None
        self._fit(cases, _WEIGHTS[-1])
        if columns is None or not columns.any():
            return
        held = [n % 3 == 2 for n in range(len(cases))]
        kept = [case for case, out in zip(cases, held, strict=True) if not out]
        rest = [case for case, out in zip(cases, held, strict=True) if out]
        blind, best, chosen = self._fit(kept, _WEIGHTS[-1])._shares(rest), 0.0, 0.0
        self.columns = columns
        for weight in _WEIGHTS:
            apart = self._fit(kept, weight)._shares(rest) - blind
            if (believable(apart) and apart.mean() > best) or (forced and (not chosen or apart.mean() > best)):
                best, chosen = float(apart.mean()), weight
        if not chosen:
            self.columns = None
        self._fit(cases, chosen or _WEIGHTS[-1])

    def _fit(self, cases: Sequence[Case], weight: float) -> Attack:
        from sklearn.linear_model import LogisticRegression

        rows, truth = [], []
        for case in cases:
            share = 1.0 / (1.0 + np.exp(-case.prior[:, -1]))
            open_ = np.flatnonzero(np.minimum(share, 1 - share) >= _CERTAIN)
            rows.append(self._features(case, open_))
            truth.append(np.isin(open_, case.present))
        table = np.concatenate(rows)
        self.mean, self.spread = table.mean(0), table.std(0) + 1e-9
        self.model = LogisticRegression(C=weight, max_iter=100, tol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an optimiser that stops early still ranks
            self.model.fit((table - self.mean) / self.spread, np.concatenate(truth))
        return self

    def _features(self, case: Case, tokens: Ints) -> NDArray[np.float32]:
        parts: list[NDArray[Any]] = [case.prior[tokens]]
        if self.columns is not None:
            parts.append(case.evidence[np.ix_(tokens, self.columns)])
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _shares(self, cases: Sequence[Case]) -> Floats:
        return np.array([self.recovered(case) for case in cases], dtype=np.float64)

    def scores(self, case: Case) -> Floats:
        """Log odds of every token of the vocabulary, float64 [vocabulary]."""
        table = self._features(case, np.arange(len(case.prior)))
        return np.asarray(self.model.decision_function((table - self.mean) / self.spread), dtype=np.float64)

    def recovered(self, case: Case) -> float:
        """Of the n uncertain tokens that are present the share among the n uncertain ones with the highest scores.

        Uncertain are tokens that a text of the hospital holds with a chance of at most 0.9; public ones are left out.
        """
        share = 1.0 / (1.0 + np.exp(-case.prior[:, 0]))
        tokens = np.setdiff1d(np.flatnonzero(share <= _USUAL), self.public)
        there = np.isin(tokens, case.present)
        named = np.argsort(-self.scores(case)[tokens], kind="stable")[: there.sum()]
        return float(there[named].sum() / max(there.sum(), 1))


class Reader:
    """Turns observed updates into cases. Evidence from the maps comes first, then two columns of the span attacks."""

    def __init__(self, lab: Laboratory, setting: Setting, profiles: Profiles) -> None:
        self.lab, self.setting, self.profiles, self.prior = lab, setting, profiles, Prior(lab, setting)
        self.needs = profiles.uses  # bool [columns, blocks]; those of the span attacks are made for what is clear

    def cases(self, observed: Sequence[Seen], samples: Sequence[Sequence[Sample]]) -> list[Case]:
        """Of updates with the samples behind each, more than one for an aggregate."""
        out: list[Case] = []
        for start in range(0, len(observed), _TOGETHER):
            seen = observed[start : start + _TOGETHER]
            tables = self.profiles.evidence([one.reading() for one in seen])
            for one, table, who in zip(seen, tables, samples[start : start + _TOGETHER], strict=True):
                hospitals = [sample.hospital for sample in who]
                present = np.unique(np.concatenate([sample.present for sample in who]))
                if not self.setting.adam:
                    blocks = one.blocks(self.lab)
                    table = np.concatenate([table, self.span(one, hospitals, blocks)], axis=1)
                out.append(Case(self.prior.columns(hospitals), table, present))
        return out

    def span(self, seen: Seen, hospitals: Sequence[int], blocks: NDArray[np.bool_]) -> NDArray[np.float32]:
        """The span attacks' columns from ``blocks`` alone (from ciphertexts where none is clear)."""
        usable = blocks if blocks.any() else np.ones(len(blocks), np.bool_)
        most = int(self.prior.shares(hospitals)[0].sum() * 1.2) + 4
        return self.profiles.span(seen.reading(), usable, seen.unit, most)

    def columns(self, clear: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Columns that need no sealed block: bool [e]; where all are sealed, all, read from ciphertexts."""
        usable = ~np.any(self.needs & ~clear, axis=1) if clear.any() else np.ones(len(self.needs), np.bool_)
        return np.append(usable, [] if self.setting.adam else [True, True]).astype(np.bool_)
