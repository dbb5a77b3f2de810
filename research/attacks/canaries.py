"""Canary exposure: how much of a planted identifier an adapter gives away ("The Secret Sharer", arXiv 1802.08232).

An attacker who knows the form and the name ranks all candidate numbers by their loss. Exposure is
``log2 |R| - log2 rank`` bits (definition 2): 0 to 1.4 bits on average is chance, ``log2 |R|`` means that the right one
comes first of all. The rank is exact where the identifier is likely: a search over the digits counts every candidate
that is likelier, dropping a beginning as soon as it alone is less likely than the whole secret (the paper's section 8
searches so too). Elsewhere it is the share of sampled candidates that are likelier, times ``|R|``; no distribution is
fitted. *Extracted* means that greedy decoding after the prefix spells the number out.

The guess is an identifier of the same form that was never planted, under the same adapter, which has learnt the form;
the exposure of the planted ones under the untuned base stands in the note.

Not for: what is planted and where (``research.attacks.identifiers``, ``research.attacks.trained``).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from client_app.training.learner import AdaptedModel
from client_app.training.trained import Vector
from crossward.adapters import write_vector
from research.attacks.planted import DIGITS, SPACE, Canary, Ids, digit_tokens
from research.attacks.scores import RELEASED, Score
from research.attacks.statistics import difference_interval, share_interval
from research.attacks.trained import SETTINGS, Bench

# Fixed before any result: with 2 bits of 19.9 an attacker's list of candidates shrinks to a quarter, and a quarter of
# a million record numbers is no finding. Twelve identifiers against twelve show it with power 0.9.
MARGIN_BITS = 2.0
ENOUGH = 16  # sampled candidates ahead of the secret from which a rank is read off; with fewer it is searched for
MOST = 3000  # beginnings kept at once by the search, which gives up above
NEARLY = 1e-4  # nats between two computations of one loss, which batches round differently

Floats = NDArray[np.float64]
Digits = NDArray[np.int64]
Scorer = Callable[[Ids, Digits], Floats]
"""(prefix, first digits int64 [n, k]) -> nats of each digit after the prefix and 0 to k of them, [n, k + 1, 10]."""


@dataclass(frozen=True)
class Exposure:
    """One canary's ``bits``, whether its rank was counted (``exact``) or estimated, whether it was ``extracted``."""

    bits: float
    exact: bool
    extracted: bool


def model_scorer(adapted: AdaptedModel, vector: Vector) -> Scorer:
    """A scorer of the model with the adapter ``vector``; the prefix is computed once for all candidates."""
    write_vector(adapted.model, adapted.layout, vector)
    digits = digit_tokens(adapted.base.tokenizer)
    opening = adapted.base.tokenizer.bos_token_id
    start = [] if opening is None else [opening]

    @torch.no_grad()
    def score(prefix: Ids, heads: Digits) -> Floats:
        n, k = heads.shape
        ids = torch.tensor([[*start, *prefix.tolist()]])
        found = adapted.model(input_ids=ids, use_cache=True)
        logits = found.logits[:, -1:].expand(n, 1, -1)
        if k:
            name = "cache" if "cache" in found else "past_key_values"  # transformers 5.24 renamed it
            past = copy.deepcopy(found[name])
            past.batch_repeat_interleave(n)
            inner = adapted.model(input_ids=torch.from_numpy(digits[heads].astype(np.int64)), **{name: past})
            logits = torch.cat([logits, inner.logits], dim=1)
        losses = torch.logsumexp(logits.float(), -1, keepdim=True) - logits[..., digits.tolist()].float()
        return np.asarray(losses.double().numpy(), dtype=np.float64)

    return score


def secret_losses(score: Scorer, prefix: Ids, secrets: Digits) -> Floats:
    """Nats of whole numbers, float64 [n]; ``secrets`` int64 [n, DIGITS]."""
    each = score(prefix, secrets[:, :-1])
    return np.asarray(np.take_along_axis(each, secrets[:, :, None], axis=2).sum(axis=(1, 2)), dtype=np.float64)


def likelier(score: Scorer, prefix: Ids, loss: float, most: int = MOST) -> int | None:
    """How many of all candidates have a smaller loss; None where more than ``most`` beginnings would be searched."""
    heads, spent = np.zeros((1, 0), dtype=np.int64), np.zeros(1)
    for _ in range(DIGITS):
        after = spent[:, None] + score(prefix, heads)[:, -1]
        rows, digits = np.nonzero(after < loss - NEARLY)
        if rows.size > most:
            return None
        heads, spent = np.concatenate([heads[rows], digits[:, None]], axis=1), after[rows, digits]
        if not rows.size:
            return 0
    return len(heads)


def greedy(score: Scorer, prefix: Ids) -> Digits:
    """The likeliest digit after digit, int64 [DIGITS]."""
    head = np.zeros((1, 0), dtype=np.int64)
    for _ in range(DIGITS):
        head = np.concatenate([head, score(prefix, head)[:, -1].argmin(axis=1)[:, None]], axis=1)
    return np.asarray(head[0], dtype=np.int64)


def exposure(score: Scorer, canary: Canary, secret: Digits, candidates: Digits) -> Exposure:
    """What ``score`` gives away of ``canary``, whose number is ``secret`` int64 [DIGITS].

    ``candidates`` int64 [n, DIGITS] are sampled from the space; they decide the rank unless so few of them are likelier
    than the secret that a search is tried and comes to an end. With none of n likelier and no end to the search, the
    exposure is taken to be log2(2 n) bits.
    """
    losses = secret_losses(score, canary.prefix, np.concatenate([secret[None], candidates]))
    ahead = int((losses[1:] < losses[0] - NEARLY).sum())
    estimate = max(ahead, 0.5) / len(candidates) * SPACE
    worth = ahead == 0 or (ahead < ENOUGH and estimate <= 2 * MOST)  # a search that is likely to end
    counted = likelier(score, canary.prefix, float(losses[0])) if worth else None
    rank = counted + 1 if counted is not None else max(1.0, estimate)
    spelt = bool((greedy(score, canary.prefix) == secret).all())
    return Exposure(math.log2(SPACE) - math.log2(rank), counted is not None, spelt)


def exposures(bench: Bench, vector: Vector) -> dict[int, list[Exposure]]:
    """Every canary of the bench under one adapter, by how often it was planted."""
    score = model_scorer(bench.adapted, vector)
    digits = digit_tokens(bench.adapted.base.tokenizer).tolist()
    found: dict[int, list[Exposure]] = {}
    for number, canary in enumerate(bench.canaries):
        drawn = np.random.default_rng([bench.seed, 11, number]).integers(10, size=(bench.size.candidates, DIGITS))
        secret = np.array([digits.index(token) for token in canary.secret], dtype=np.int64)
        found.setdefault(canary.repeats, []).append(exposure(score, canary, secret, drawn))
    return found


def rows(
    found: Mapping[int, list[Exposure]], base: Mapping[int, list[Exposure]], method: str, setting: str
) -> list[Score]:
    """Exposure and extraction for every count of repeats; those never planted (0) are the guess."""
    guess = np.array([e.bits for e in found[0]])
    spelt = float(np.mean([e.extracted for e in found[0]]))
    out = []
    for repeats in sorted(r for r in found if r):
        bits, extracted = np.array([e.bits for e in found[repeats]]), [e.extracted for e in found[repeats]]
        where = f"{setting}, planted {repeats} times"
        exact = sum(e.exact for e in found[repeats])
        untuned = float(np.mean([e.bits for e in base[repeats]]))
        note = f"of {math.log2(SPACE):.1f} bits; {exact} of {bits.size} ranks counted; untuned base {untuned:.1f} bits"
        low, high = difference_interval(bits, guess)
        inner = difference_interval(bits, guess, 0.90)
        within = inner[0] > -MARGIN_BITS and inner[1] < MARGIN_BITS
        value, level = float(bits.mean()), float(guess.mean())
        out.append(
            Score(
                "canary exposure",
                RELEASED,
                method,
                where,
                "exposure, bits",
                value,
                level,
                value - level,
                low,
                high,
                bits.size,
                MARGIN_BITS,
                within,
                note,
            )
        )
        share = float(np.mean(extracted))
        least, most = share_interval(sum(extracted), len(extracted))
        note = "greedy decoding after form and name"
        out.append(
            Score(
                "canary extraction",
                RELEASED,
                method,
                where,
                "share extracted",
                share,
                spelt,
                share - spelt,
                least - spelt,
                most - spelt,
                len(extracted),
                note=note,
            )
        )
    return out


def run(bench: Bench) -> list[Score]:
    """Exposure and extraction from the bench's adapters, plain and private."""
    bench.progress("canaries under the untuned base")
    base = exposures(bench, bench.adapted.initial)
    out: list[Score] = []
    for method in bench.trainings:
        for setting in SETTINGS:
            target = bench.target(setting, method)
            bench.progress(f"{setting}, {method}: canaries")
            out += rows(exposures(bench, target.released), base, method, setting)
    return out
