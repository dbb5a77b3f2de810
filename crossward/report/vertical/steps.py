"""The tables of a vertical run's steps and of its parties: who took how long, who waited for whom.

Not for: the same over time (``crossward.report.vertical.timeline``).
"""

from __future__ import annotations

from crossward.protocol.vertical.program import EVERYBODY, Step
from crossward.report.parts import table
from crossward.report.svg import duration, escape, size
from crossward.report.vertical.history import DONE, Span, VerticalHistory
from crossward.report.vertical.timeline import lanes_of
from crossward.report.vertical.waiting import waited_for, waits
from crossward.report.vertical.words import facts, listed, title

_MOST = 240  # characters of what parties reported of a step


def parties_table(history: VerticalHistory) -> str:
    """A line a party: what it holds and sent, and how it spent its time."""
    if (met := history.state.met) is None:
        return ""
    found, rows = waits(history), []
    for lane, holds in zip(lanes_of(history), met.holds, strict=True):
        mine = [span for span in history.spans if span.party == lane.name and span.outcome == DONE]
        waited = sum(wait.seconds for wait in found if wait.party == lane.name and not wait.away)
        longest = next(iter(waited_for(found, lane.name).items()), None)
        while_ = f" <small>{duration(longest[1])} while {escape(longest[0])} worked</small>" if longest else ""
        name = f'<i style="background:{lane.colour}"></i>{escape(lane.name)}'
        outcome = ", <b>outcome</b>" if lane.name == met.holder else ""
        numbers = [
            duration(sum(s.worked for s in mine)),
            size(sum(s.sent for s in mine)),
            size(sum(s.received for s in mine)),
        ]
        cells = "".join(f'<td class="n">{cell}</td>' for cell in numbers)
        rows.append(
            f"<tr><td>{name}</td><td>{escape(holds, 80)}{outcome}</td>{cells}<td>{duration(waited)}{while_}</td></tr>"
        )
    return table(["party", "holds", "computed", "sent", "received", "waited for others"], rows, [2, 3, 4])


def steps_table(history: VerticalHistory) -> str:
    """A line a step, those to come included where the settings say what they are."""
    rows = [_row(history, step) for step in history.steps]
    return (
        table(["step", "", "by", "state", "took", "last to finish, after the others by", "reported"], rows, [0, 4])
        if rows
        else ""
    )


def _row(history: VerticalHistory, step: Step) -> str:
    spans = [span for span in history.spans if span.step == step.number]
    done = [span for span in spans if span.outcome == DONE]
    cells = [
        f'<td class="n">{step.number}</td>',
        f"<td>{escape(title(step.action, step.round))}</td>",
        f"<td>{escape('all' if step.who == EVERYBODY else step.who)}</td>",
        f"<td>{escape(_state(history, step, spans))}</td>",
        f'<td class="n">{_took(history, step, spans)}</td>',
        f"<td>{_slowest(done)}</td>",
        f"<td>{escape(reported(history, step), _MOST)}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _state(history: VerticalHistory, step: Step, spans: list[Span]) -> str:
    absent = [party for number, party in history.state.absent if number == step.number]
    absent = [party for party in absent if (step.number, party) not in history.state.done]
    without = f", without {listed(absent)}" if absent else ""
    if step.number in history.ended:
        return f"done{without}"
    if not spans:
        return "to come"
    waiting = listed(history.missing(step.number))
    return f"waits for {waiting}{without}" if waiting else f"under way{without}"


def _took(history: VerticalHistory, step: Step, spans: list[Span]) -> str:
    if not spans:
        return "-"
    end = history.ended.get(step.number, history.running)
    return duration(max(end - min(span.start for span in spans), 0.0))


def _slowest(done: list[Span]) -> str:
    """Who finished last, and how long after the one before it."""
    ended = sorted((span.end, span.party) for span in done if span.party)
    if len(ended) < 2:
        return escape(ended[0][1]) if ended else "-"
    (before, _), (last, party) = ended[-2:]
    return f"{escape(party)} <small>+{duration(last - before)}</small>" if last > before else "at once"


def reported(history: VerticalHistory, step: Step) -> str:
    """What parties reported with a step: once where it is the same, empty where it is nothing."""
    said = {}
    for party in history.parties:
        if (done := history.state.done.get((step.number, party))) is not None and done.facts_named:
            said[party] = ", ".join(facts(done))
    if len(set(said.values())) == 1 and len(said) == len(history.parties):
        return f"each: {next(iter(said.values()))}"
    return "; ".join(f"{party}: {text}" for party, text in said.items())
