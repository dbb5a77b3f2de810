"""What the server waits for, said in its log at growing intervals: no wait is silent.

Not for: how long it waits (``strategies.stopping.ending``, deadlines of ``strategies.exchange.dispatch``).
"""

from __future__ import annotations

from logging import INFO

from flwr.common import log

from crossward.machine.text import printable
from crossward.machine.waiting import Reminder
from strategies.aggregation.ranks import missing
from strategies.history.roster import Flight
from strategies.history.state import ServerState
from strategies.opening.committee import Committee
from strategies.opening.round import Round

FIRST = 15.0  # seconds without an event of the run; a training takes about as long
_SHOWN = 6  # tasks named


class Waiting:
    """For the run of ``state``: call :meth:`over` when something happened, :meth:`look` while nothing does."""

    def __init__(self, state: ServerState) -> None:
        self.state = state
        self._reminder = Reminder(state.clock.now(), FIRST)

    def over(self) -> None:
        """Something came, or was made."""
        self._reminder.reset(self.state.clock.now())

    def look(self) -> None:
        """Log what is waited for, if it is time."""
        now = self.state.clock.now()
        if self._reminder.due(now):
            log(INFO, "Waiting for %.0f s: %s", self._reminder.waited(now), described(self.state))


def described(state: ServerState) -> str:
    """What has to happen for the run to go on."""
    now, flights = state.clock.now(), sorted(state.roster.flights.values(), key=lambda flight: flight.sent)
    needed = state.settings.buffer_size
    waiting = len(state.free)
    buffered = f"{waiting} of {needed} updates have arrived" if needed else f"{waiting} updates have arrived"
    buffered += missing(state.free, state.settings.min_contributors)
    ending = "" if state.stop_reason else f"; {buffered}"
    if opening := for_committee(state):
        ending = f"; {opening}"
    if flights:
        shown = ", ".join(f"{_name(state, flight)} {now - flight.sent:.0f} s" for flight in flights[:_SHOWN])
        more = f" and {len(flights) - _SHOWN} more" if len(flights) > _SHOWN else ""
        return f"{len(flights)} task{'s' if len(flights) > 1 else ''} under way ({shown}{more}){ending}"
    present = len(state.roster.present)
    if not present:
        return f"no node is connected{ending}"
    pauses = [view.not_before - now for n, view in state.roster.nodes.items() if n in state.roster.present]
    if (pause := min((p for p in pauses if p > 0), default=0.0)) > 0:
        return f"nodes that failed are asked again, the first in {pause:.0f} s{ending}"
    return f"none of the {present} connected nodes may train now, others have to join{ending}"


def for_committee(state: ServerState) -> str:
    """What keeps the run's committee from opening a version, or updates from being sealed to it; empty: nothing."""
    committee, opening = state.committee, state.opening
    if state.stop_reason:
        return ""
    if opening is not None:
        texts = [f"opening version {opening.version.version}: {_progress(opening)}", *_away(committee, state)]
        return printable("; ".join(texts), "?")
    if committee is None:
        return ""
    if committee.book is None:
        return "no node has said which roster it follows"
    if not committee.ready(state.version, asking=False):
        missing = ", ".join(committee.missing(state.version))
        return "; ".join([f"nothing can be sealed without the keys of {missing}", *_away(committee, state)])
    return ""


def _progress(opening: Round) -> str:
    """How far it is, and what members say or leave unsaid."""
    roster, answered = opening.roster, sum(len(answer.subsets) for answer in opening.answers)
    texts = [f"{answered} of {len(roster.subsets)} shares have arrived"]
    if not opening.agreed:
        texts = [f"{len(opening.consents)} of {roster.quorum} members consented"]
    for name, (times, why) in sorted(opening.declined.items()):
        texts.append(f"{name} declined {times}x ({printable(why[:200], '?')})")
    texts += [f"{name} did not answer {times}x" for name, times in sorted(opening.silent.items())]
    return "; ".join(texts)


def _away(committee: Committee | None, state: ServerState) -> list[str]:
    members = sorted(committee.roster.committee) if committee is not None else []
    away = [name for name in members if committee is not None and committee.at(name) not in state.roster.present]
    return [f"{', '.join(away)} {'are' if len(away) > 1 else 'is'} not connected"] if away else []


def _name(state: ServerState, flight: Flight) -> str:
    view = state.roster.nodes[flight.node]
    name = printable(view.site[:40], "?")  # a node's words must not steer a terminal
    return f"{name or view.hospital}: {flight.kind}"
