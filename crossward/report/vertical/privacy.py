"""The part of the page that says who could see what: the aggregator, the label holder, the others.

Not for: what each protection rests on (``docs/vertical.md``, ``docs/alignment.md``).
"""

from __future__ import annotations

from crossward.config.vertical_settings import ENCRYPTED, NOISED, SEALED, VerticalSettings
from crossward.protocol.vertical.messages import APPROACH, REPRESENT
from crossward.report.parts import section
from crossward.report.svg import count, escape, size
from crossward.report.vertical.history import VerticalHistory
from crossward.report.vertical.words import figure, listed

EPSILON = "epsilon"  # what parties report of their noise
DOCS = "docs/vertical.md, docs/alignment.md and docs/threat-model.md"
PROTECTIONS = {
    SEALED: "Embeddings are sealed to the label holder, which sees them as they are: nothing but "
    "what an embedding leaves out hides a patient from it.",
    NOISED: "Embeddings are clipped to length {clip:g} and noised before they are sealed to the label holder: each "
    "party spends at most epsilon {epsilon:g} (delta {delta:g}) for a patient in the whole run, given its bottom "
    "model, which is trained without noise.",
    ENCRYPTED: "Embeddings are encrypted under their party's own key: the label holder sees their products with its "
    "weights, fewer than an embedding has values, and gradients summed over patients; never an embedding.",
}
"""What the label holder sees of embeddings, by ``vertical.protection``."""


def privacy_section(history: VerticalHistory, settings: VerticalSettings, delta: float) -> str:
    """The card."""
    lines = [
        ("The aggregator saw", _saw(history)),
        (
            "It did not see",
            "identifiers, features, embeddings, predictions or outcomes: envelopes are sealed from party "
            "to party and signed, and it holds no key to any.",
        ),
        ("Alignment", _alignment(settings)),
    ]
    if not settings.cardinality_only:
        protection = PROTECTIONS.get(settings.protection, settings.protection)
        protection = protection.format(clip=settings.clip, epsilon=settings.epsilon, delta=delta)
        lines.append((f"Protection “{settings.protection}”", protection))
        lines.append(("Outcomes", _outcomes(settings)))
        if spent := _spent(history):
            lines.append(("Epsilon spent by now, as each party reports", spent))
    items = "".join(f"<li><b>{escape(name)}</b>: {escape(text)}</li>" for name, text in lines)
    return section(
        "Who could see what",
        f"What each protection rests on, and what it leaves open, is in {DOCS}.",
        f"<ul>{items}</ul>",
    )


def _outcomes(settings: VerticalSettings) -> str:
    """What the other parties learn of patients' outcomes."""
    if not settings.tells_outcomes:
        return "nothing that the label holder returned to the other parties follows from a single patient's outcome."
    what = " and ".join(
        name for name, returned in (("targets", settings.exchanges > 0), ("predictions", settings.distil)) if returned
    )
    if settings.label_epsilon:
        return f"the {what} that the others got follow from outcomes randomised at epsilon {settings.label_epsilon:g}."
    return f"the {what} that the others received reveal to them the outcomes of common patients who are not held out."


def _saw(history: VerticalHistory) -> str:
    envelopes = sum(found.count for found in history.sent.values())
    sizes = size(sum(found.bytes for found in history.sent.values()))
    reported = sorted({name for done in history.state.done.values() for name in done.facts_named})
    facts = (
        f"; and what parties reported in the open: {listed([n.replace('_', ' ') for n in reported])}"
        if reported
        else ""
    )
    return (
        f"who takes part, under which roster and with which kinds of features; sizes and times of "
        f"{count(envelopes, 'sealed envelope')} ({sizes}){facts}."
    )


def _spent(history: VerticalHistory) -> str:
    reported = {**history.state.reported(REPRESENT), **history.state.reported(APPROACH)}
    return ", ".join(f"{party} {figure(str(facts[EPSILON]))}" for party, facts in reported.items() if EPSILON in facts)


def _alignment(settings: VerticalSettings) -> str:
    found = (
        "only the number of common patients was found out"
        if settings.cardinality_only
        else "each party learns which of its own patients are common to all, and nothing of the others'"
    )
    padded = f"; sets are filled with random points to multiples of {settings.padding}" if settings.padding else ""
    return f"sets of patients were compared blinded: {found}{padded}."
