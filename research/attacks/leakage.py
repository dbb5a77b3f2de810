"""One number for what the aggregator learns from an update under a protection: the comparison's leakage.

The strongest of the attacks on an update counts: tokens by the learned attack, identifiers by forced choice, in the
real setting. The gain over the guess is rescaled to (value - guess) / (1 - guess), not below 0: 0 is nothing beyond
guessing and 1 everything. An attack that the update did not help on its shadows guesses, so that its figure is 0; its
interval and ``equivalent`` are then those of the attack made to use the update: read it with them.

Not for: the worst case (``research.attacks.recovery``), membership.
"""

from __future__ import annotations

import dataclasses
import weakref

from research.attacks.gains import rescaled, score
from research.attacks.laboratory import Laboratory
from research.attacks.margins import SPANS, TOKENS
from research.attacks.observers import Protection
from research.attacks.profiles import Profiles
from research.attacks.scores import AGGREGATOR, Score
from research.attacks.sizes import Setting
from research.attacks.trials import Trials

_KEPT: weakref.WeakKeyDictionary[Laboratory, dict[tuple[Setting, int, int], Trials]] = weakref.WeakKeyDictionary()
_PROFILES: weakref.WeakKeyDictionary[Laboratory, Profiles] = weakref.WeakKeyDictionary()


def profiles_of(lab: Laboratory) -> Profiles:
    """A laboratory's profiles, made once."""
    if lab not in _PROFILES:
        _PROFILES[lab] = Profiles(lab, lab.size.profile_tokens)
    return _PROFILES[lab]


def trials(lab: Laboratory, setting: Setting, shadows: int, victims: int) -> Trials:
    """Trials of a laboratory, made once for a setting and its numbers."""
    kept = _KEPT.setdefault(lab, {})
    key = (setting, shadows, victims)
    if key not in kept:
        kept[key] = Trials(lab, setting, profiles_of(lab), shadows, victims)
    return kept[key]


def findings(lab: Laboratory, protection: Protection, victims: int) -> list[Score]:
    """Both attacks of the real setting on ``victims`` updates under ``protection``, in the suite's form."""
    tried = trials(lab, lab.size.real, lab.size.shadows, victims)
    rng, name = lab.rng("leakage", protection.name), lab.size.real.name
    return [
        score("learned", AGGREGATOR, protection.name, name, "uncertain tokens", tried.tokens(protection), rng, TOKENS),
        score(
            "identifier choice", AGGREGATOR, protection.name, name, "identifiers", tried.spans(protection), rng, SPANS
        ),
    ]


def aggregator_leakage(lab: Laboratory, protection: Protection) -> Score:
    """What the aggregator's strongest attack gains, rescaled: ``value`` and ``gain`` 0 to 1, ``guess`` 0.

    ``equivalent`` is whether *every* attack is within its
    margin, and ``note`` tells the attacks' own figures.
    """
    found = findings(lab, protection, lab.size.victims)
    best = max(found, key=lambda s: (rescaled(s.value, s.guess), s.high / max(1.0 - s.guess, 1e-9)))
    rest = max(1.0 - best.guess, 1e-9)
    value = rescaled(best.value, best.guess)
    note = "; ".join(
        f"{s.attack} {s.value:.3f} of {s.guess:.3f} guessed" + (f" ({s.note})" if s.note else "") for s in found
    )
    low, high = ((getattr(best, end)) / rest for end in ("low", "high"))
    return dataclasses.replace(
        best,
        metric=f"rescaled: {best.metric}",
        value=value,
        guess=0.0,
        gain=value,
        low=min(max(low, 0.0), value),
        high=max(min(high, 1.0), value),
        margin=best.margin,
        equivalent=all(s.equivalent for s in found),
        note=note,
    )
