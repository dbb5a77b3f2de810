"""What joining brought a hospital, in one sentence that follows from the figures, whatever they are.

A difference is claimed only where its 95 % interval, paired by patient, excludes zero; an adapter that is missing is
named as missing and is no argument against joining.

Not for: the figures (``crossward.report.joining.figures``).
"""

from __future__ import annotations

from crossward.report.joining.figures import (
    ALIKE,
    ALONE,
    BASE,
    BETTER,
    GLOBAL,
    PERSONAL,
    UNKNOWN,
    WORSE,
    Gap,
    Joining,
    Place,
)
from crossward.report.svg import short

MAKE_ONE = "crossward personalise"
_CLAIMS = {
    BETTER: "better than the one trained alone",
    ALIKE: "not shown to differ from the one trained alone",
    WORSE: "worse than the one trained alone",
    UNKNOWN: "not to be told from the one trained alone with so few patients",
}
_BRIEF = {BETTER: "better", ALIKE: "not shown to differ", WORSE: "worse", UNKNOWN: "not to be told apart"}


def signed(nats: float) -> str:
    """Nats a token with a sign and three decimals, more where all of those would be zeros."""
    return f"{nats:+.3f}" if abs(nats) >= 0.0005 or not nats else f"{nats:+.1e}"


def gap_text(gap: Gap) -> str:
    """A gap with half of its interval."""
    if gap.low is None or gap.high is None:
        return signed(gap.nats)
    return f"{signed(gap.nats)} ± {signed((gap.high - gap.low) / 2).removeprefix('+')}"


def _at(place: Place, model: str) -> str:
    return short(place.adapters[model].perplexity)


def _best(place: Place) -> str:
    """The adapter that joining gives for these notes.

    The personal one; the global one where the personal one is shown to be worse than that, or is missing.
    """
    over = place.differences.get(f"{PERSONAL}-{GLOBAL}")
    return GLOBAL if PERSONAL not in place.adapters or (over is not None and over.verdict == WORSE) else PERSONAL


def at_home(place: Place) -> str:
    """The clause about the hospital's own notes."""
    model = _best(place)
    if model not in place.adapters:
        return "at home the global adapter was not measured"
    subject, level = f"the {model} adapter", _at(place, model)
    if ALONE not in place.adapters:
        base = f", the untuned base {_at(place, BASE)}" if BASE in place.adapters else ""
        return f"at home {subject} reaches {level}{base}; there is no adapter trained alone to compare with"
    gap, alone = place.differences.get(f"{model}-{ALONE}"), _at(place, ALONE)
    if gap is None:
        return f"at home {subject} reaches {level} and the one trained alone {alone}, as it reported, unpaired"
    nats = f", {gap_text(gap)} nats a token" if gap.low is not None else ""
    if PERSONAL not in place.adapters and gap.verdict != BETTER:
        return (
            f"at home no personal adapter, which starts from the global one, was trained yet (global {level}, alone "
            f"{alone}): `{MAKE_ONE}` makes it"
        )
    stays = ", which stays the one to use there" if gap.verdict == WORSE else ""
    return f"at home {subject} is {_CLAIMS[gap.verdict]}{stays} ({level} against {alone}{nats})"


def elsewhere(place: Place) -> str:
    """The clause about the other hospitals' notes; empty where there is nothing to compare with."""
    found = {model: gap.verdict for model in (GLOBAL, PERSONAL) if (gap := place.differences.get(f"{model}-{ALONE}"))}
    if not found:
        return ""
    if len(set(found.values())) > 1:
        each = " and ".join(f"the {model} adapter ({_at(place, model)}) is {_BRIEF[v]}" for model, v in found.items())
        return f"elsewhere, beside the one trained alone ({_at(place, ALONE)}), {each}"
    who = " and ".join(f"the {model} ({_at(place, model)})" for model in found)
    claim = _CLAIMS[next(iter(found.values()))]
    return f"elsewhere {who} adapter{'s are' if len(found) > 1 else ' is'} {claim} ({_at(place, ALONE)})"


def sentence(joining: Joining) -> str:
    """What joining brought the hospital: "at home the personal adapter is ...; elsewhere the global ..."."""
    parts = [at_home(joining.home)]
    if joining.elsewhere is not None and (more := elsewhere(joining.elsewhere)):
        parts.append(more)
    return "; ".join(parts) + "."
