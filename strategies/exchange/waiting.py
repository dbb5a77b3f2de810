"""What the server waits for, said in its log at growing intervals: no wait is silent.

Not for: how long it waits (``strategies.stopping.ending``, deadlines of ``strategies.exchange.dispatch``).
"""

from __future__ import annotations

from logging import INFO

from flwr.common import log

from crossward.machine.text import printable
from crossward.machine.waiting import Reminder
from strategies.history.roster import Flight
from strategies.history.state import ServerState
from strategies.opening.questions import asking
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
    waiting = len(state.run.buffer)
    buffered = f"{waiting} of {needed} updates have arrived" if needed else f"{waiting} updates have arrived"
    ending = "" if state.stop_reason else f"; {buffered}"
    if text := _of_committee(state):
        ending = f"; {text}"
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


def _of_committee(state: ServerState) -> str:
    """What the committee keeps the run waiting for: its members' consents or answers, its roster, or its keys."""
    committee = state.committee
    if state.opening is not None:
        return _opening(state.opening)
    if committee is None or state.stop_reason:
        return ""
    if committee.book is None:
        return "no node has said yet which roster the hospitals follow"
    if committee.ready(state.version, asking(state)):
        return ""
    members = committee.roster.committee
    missing = sorted(set(members) - set(committee.keys(committee.number(state.version))))
    return (
        f"the committee's sealing keys are missing from {', '.join(missing)}: of its {len(members)} members "
        f"{committee.roster.absent} may be absent"
    )


def _opening(opening: Round) -> str:
    """How far a version is that the committee opens, and which members will not."""
    begun, roster = f"opening version {opening.version.version}", opening.roster
    declined = "".join(f"; {name} declined: {why[:200]}" for name, (_, why) in sorted(opening.declined.items()))
    if not opening.agreed:
        return printable(f"{begun}: {len(opening.consents)} of {roster.quorum} members consented{declined}", "?")
    answered = sum(len(answer.subsets) for answer in opening.answers)
    return printable(f"{begun}: {answered} of {len(roster.subsets)} shares have arrived{declined}", "?")


def _name(state: ServerState, flight: Flight) -> str:
    view = state.roster.nodes[flight.node]
    name = printable(view.site[:40], "?")  # a node's words must not steer a terminal
    return f"{name or view.hospital}: {flight.kind}"
