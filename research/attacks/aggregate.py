"""What a decrypted version tells one hospital about the others: the sum of all updates less its own.

Encryption hides each update from the server and who added what, not the sum from those who may open it. The attacks are
those on one update, on the mean of ``OTHERS`` others' updates: the union of their tokens, and their identifiers. Noise,
where there is any, is that of a hospital's share added up: every update is clipped and carries its own.

Not for: the aggregator, who cannot open the sum.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from research.attacks.gains import Gains, gains, score
from research.attacks.laboratory import Laboratory, Sample, Trainer, Vector
from research.attacks.leakage import profiles_of, trials
from research.attacks.observers import CLEAR_ALL, Noise, Observer, Seen, clipped_noise
from research.attacks.private import PRIVACY, STEPS, UNITS, trainer_for
from research.attacks.scores import HOSPITAL, Score
from research.attacks.shadow import Attack, Reader
from research.attacks.sizes import SHADOW, VICTIM, WORST, Setting
from research.attacks.spans import Choices, Chooser, helps, likelihoods, questions
from research.attacks.subspace import check, compare, first_inputs, pursuit, row_space, visible_rows

OTHERS = 3
Group = tuple[Seen, list[Sample]]


def groups(
    lab: Laboratory, setting: Setting, role: str, count: int, noise: Noise | None, trainer: Trainer | None = None
) -> list[Group]:
    """Means of ``OTHERS`` updates each, with the samples behind them.

    Of ``count`` victims each is in one mean; shadows are the attacker's own and come in twice as many random threes.
    """
    observer = Observer(lab, setting, dataclasses.replace(CLEAR_ALL, name="aggregate", noise=noise), role)
    updates = lab.updates(role, setting, count, trainer)
    rng, out = lab.rng("groups", role), list[Group]()
    threes = [list(range(start, start + OTHERS)) for start in range(0, count - OTHERS + 1, OTHERS)]
    if role == SHADOW:  # the third that an attack holds back to judge itself shares no update with the rest
        held = np.arange(count) >= count - max(count // 3, OTHERS)
        pools = [np.flatnonzero(held if number % 3 == 2 else ~held) for number in range(2 * count)]
        threes = [rng.choice(pool, OTHERS, replace=False).tolist() for pool in pools]
    for three in threes:
        mine = [updates[number] for number in three]
        seen = [observer.see(update.delta) for update in mine]
        mean: Vector = np.asarray(np.stack([one.values for one in seen]).mean(0), dtype=np.float32)
        unit = max(one.unit for one in seen) / np.sqrt(OTHERS)  # of the mean's rounding noise
        out.append((Seen(mean, seen[0].clear, (), seen[0].size, unit), [update.sample for update in mine]))
    return out


def union_of_tokens(
    lab: Laboratory, noise: Noise | None, victims: int, trainer: Trainer | None = None
) -> tuple[Gains, Gains]:
    """Worst case, 3 r distinct tokens in all: share of the union found by the span check and by the pursuit."""
    setting = dataclasses.replace(WORST, name="worst case, shared", distinct=lab.rank)
    inputs, reader = first_inputs(lab), Reader(lab, setting, profiles_of(lab))
    rows = []
    for seen, samples in groups(lab, setting, VICTIM, victims, noise, trainer):
        present = np.unique(np.concatenate([sample.present for sample in samples]))
        space = row_space(visible_rows(lab, seen.values, seen.clear), seen.unit)
        usual = reader.prior.shares([sample.hospital for sample in samples])[0].copy()
        usual[lab.public] = -1.0
        rows.append(
            (
                compare(check(space, inputs, lab.public), present).recall,
                compare(pursuit(space, inputs, lab.public, len(present)), present).recall,
                compare(np.argsort(-usual, kind="stable")[: len(present)], present).recall,
            )
        )
    table = np.array(rows)
    return gains(table[:, 0], table[:, 2]), gains(table[:, 1], table[:, 2])


def learned(lab: Laboratory, noise: Noise | None, trainer: Trainer | None = None) -> tuple[Gains, Gains]:
    """Real setting: share of the union's uncertain tokens, and of the members' identifiers."""
    setting, reader = lab.size.real, trials(lab, lab.size.real, lab.size.shadows, lab.size.victims).reader
    pairs = [
        groups(lab, setting, role, n, noise, trainer)
        for role, n in ((SHADOW, lab.size.shadows), (VICTIM, lab.size.victims))
    ]
    shadows, victims = (reader.cases([seen for seen, _ in pair], [who for _, who in pair]) for pair in pairs)
    columns = reader.columns(np.ones(len(lab.layout.blocks), np.bool_))
    attack, guess = Attack(shadows, columns, lab.public), Attack(shadows, None, lab.public)
    tokens = gains([attack.recovered(c) for c in victims], [guess.recovered(c) for c in victims])
    if attack.columns is None:
        forced = Attack(shadows, columns, lab.public, forced=True)
        tokens = dataclasses.replace(tokens, made=np.array([forced.recovered(c) for c in victims]))
    known, asked = ([_answers(lab, group) for group in pair] for pair in pairs)
    blind, informed = Chooser(known, informed=False), Chooser(known)
    made, guesses = ([float(chooser.right(c).mean()) for c in asked] for chooser in (informed, blind))
    if helps(known):
        return tokens, gains(made, guesses)
    return tokens, dataclasses.replace(gains(guesses, guesses), made=np.array(made))


def _answers(lab: Laboratory, group: Group) -> Choices:
    seen, samples = group
    rows = [question for sample in samples for question in questions(lab, sample)]
    guess = likelihoods(lab, rows, lab.start)
    after = likelihoods(lab, rows, (lab.start + np.float32(OTHERS) * seen.values).astype(np.float32))
    return Choices(tuple(q.kind for q in rows), guess, after - guess)


def run(lab: Laboratory, say: Callable[[str], None]) -> list[Score]:
    """Plainly, where hospitals protect their patients by DP-SGD, and with a hospital's noise.

    That is 0.5 times the clipped update's bound in all.
    """
    size, out = lab.size, list[Score]()
    rate, norm = 1e-2, 10.0  # clips: about a gradient's norm times the rate, about a local training's delta
    dp = trainer_for(PRIVACY, UNITS, STEPS)
    for label, sigma, trainer in (
        ("opened sum", 0.0, None),
        (f"opened sum, DP-SGD, noise {dp.noise_multiplier:.3g}", 0.0, dp),
        ("opened sum, noise 0.5", 0.5, None),
    ):
        say(f"aggregate, {label}")
        share = sigma / np.sqrt(OTHERS)
        small, large = (clipped_noise(clip, share) if sigma else None for clip in (rate, norm))
        span, pursued = union_of_tokens(lab, small, size.worst_victims, trainer)
        tokens, spans = learned(lab, large, trainer)
        plan = (("span", "worst case", "union of tokens", span), ("pursuit", "worst case", "union of tokens", pursued),
                ("learned", size.real.name, "uncertain tokens", tokens),
                ("identifier choice", size.real.name, "identifiers", spans))  # fmt: skip
        for attack, setting, metric, found in plan:
            rng = lab.rng("aggregate", attack, label)
            out.append(score(attack, HOSPITAL, label, setting, metric, found, rng, note=f"{OTHERS} others' mean"))
    return out
