"""The steps of a vertical run in words, shared by every view of one: progress, page, live view, launcher.

Adding a step to the program is an entry of ``WORDS``.

Not for: which steps there are (``crossward.protocol.vertical.program``), what follows from events
(``crossward.report.vertical.history``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crossward.ledger.events import Event, Finished, Joined, Left, Session
from crossward.ledger.vertical_events import PartiesMet, PartyAbsent, StepDone, StepFailed
from crossward.protocol.vertical.messages import (
    APPROACH,
    BLIND,
    COMBINE,
    DISTIL,
    FINISH,
    FORWARD,
    GRADIENT,
    HELLO,
    MATCH,
    OPEN,
    PIN,
    RAISE,
    REPRESENT,
    SEAL,
)

REASON = 300  # most characters of a reason


@dataclass(frozen=True)
class Words:
    """An action as a step's title, as what a party is doing and as what it did; ``{round}`` is the hop or exchange."""

    title: str
    doing: str
    did: str


WORDS: dict[str, Words] = {
    HELLO: Words("introductions", "introduces itself", "introduced itself"),
    BLIND: Words("blinded sets of patients", "blinds its set of patients", "blinded its set of patients"),
    RAISE: Words(
        "sets passed round, hop {round}",
        "blinds another party's set, hop {round}",
        "blinded another party's set, hop {round}",
    ),
    MATCH: Words("sets compared", "compares the blinded sets", "compared the blinded sets"),
    PIN: Words(
        "common patients known",
        "looks up which of its patients are in common",
        "knows which of its patients are in common",
    ),
    REPRESENT: Words(
        "representations learnt", "learns representations of its patients", "learnt representations of its patients"
    ),
    COMBINE: Words(
        "joint model, exchange {round}",
        "trains the joint model, exchange {round}",
        "trained the joint model, exchange {round}",
    ),
    APPROACH: Words(
        "representations improved, exchange {round}",
        "improves its representations, exchange {round}",
        "improved its representations, exchange {round}",
    ),
    SEAL: Words(
        "representations learnt and encrypted",
        "learns representations of its patients and encrypts them",
        "learnt representations of its patients and encrypted them",
    ),
    GRADIENT: Words(
        "encrypted gradients, exchange {round}",
        "trains the joint model and multiplies encrypted embeddings, exchange {round}",
        "trained the joint model and multiplied encrypted embeddings, exchange {round}",
    ),
    OPEN: Words(
        "masked products opened, exchange {round}",
        "opens masked products, exchange {round}",
        "opened masked products, exchange {round}",
    ),
    FORWARD: Words(
        "encrypted forward, exchange {round}",
        "multiplies encrypted embeddings by its weights, exchange {round}",
        "multiplied encrypted embeddings by its weights, exchange {round}",
    ),
    FINISH: Words("joint model finished", "finishes the joint model", "finished the joint model"),
    DISTIL: Words(
        "models that predict alone", "trains a model that predicts alone", "trained a model that predicts alone"
    ),
}


def title(action: str, round: int) -> str:
    """A step as a heading; a step of a newer version goes by its action's name."""
    return _in(action, round, "title")


def doing(action: str, round: int) -> str:
    """What a party does in a step."""
    return _in(action, round, "doing")


def did(action: str, round: int) -> str:
    """What a party did in a step."""
    return _in(action, round, "did")


def _in(action: str, round: int, form: str) -> str:
    words = WORDS.get(action)
    return action if words is None else str(getattr(words, form)).format(round=round)


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def figure(value: str) -> str:
    """A fact that a party reported: whole numbers as they are, others in four digits, texts as they are."""
    try:
        number = float(value)
    except ValueError:
        return value
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else f"{number:.4g}"


def facts(done: StepDone) -> list[str]:
    """What a party reported of a step: ``common patients 412``."""
    return [
        f"{name} {figure(value)}".replace("_", " ") for name, value in zip(done.facts_named, done.values, strict=True)
    ]


def reason_line(reason: str) -> str:
    """The first line of a reason."""
    return next(iter(reason.strip().splitlines()), "no reason given")[:REASON]


def event_lines(event: Event, last: int) -> Iterator[str]:
    """What a reader should know of an event, if anything, where ``last`` is the last step's number."""
    match event:
        case Session():
            yield f"{event.name} at step {event.version} of {event.last}"
        case PartiesMet():
            members = ", ".join(f"{name} ({holds})" for name, holds in zip(event.parties, event.holds, strict=True))
            yield f"parties: {members}; {event.holder} has the outcome; roster {event.roster[:16]}"
        case StepDone():
            sent = f", sends {event.bytes / 1e3:.0f} kB" if event.bytes else ""
            what = f"{did(event.action, event.round)} in {event.worked:.1f} s{sent}"
            yield f"step {event.step}/{last}: {'; '.join([f'{event.party} {what}', *facts(event)])}"
        case StepFailed() | PartyAbsent():
            yield f"  {trouble_line(event)}"
        case Joined() | Left():
            yield f"{event.name}: {event.node}"
        case Finished():
            yield f"finished: {event.reason}"


def trouble_line(event: StepFailed | PartyAbsent) -> str:
    """A failure or an absence in one line."""
    if isinstance(event, PartyAbsent):
        return f"step {event.step} goes on without {event.party}, away for {event.seconds:.0f} s"
    who = event.party or f"node {event.node}"
    return f"step {event.step} ({event.action}), {who}: {event.kind}: {reason_line(event.reason)}"
