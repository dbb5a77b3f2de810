"""What went wrong in a vertical run, in plain words and with what to do about it.

Not for: reasons in the parties' own words, which are shown as they are.
"""

from __future__ import annotations

from crossward.ledger.events import Left
from crossward.ledger.file import FILE_NAME
from crossward.ledger.vertical_events import PartyAbsent
from crossward.protocol.vertical.messages import FAILED, MALFORMED, REFUSED
from crossward.report.parts import table
from crossward.report.svg import duration, escape
from crossward.report.vertical.history import Trouble, VerticalHistory
from crossward.report.vertical.words import title

_SHOWN = 60
_REASON = 400

SAYS = {
    FAILED: "could not do it",
    REFUSED: "refused to do it",
    MALFORMED: "answered something else than it was asked for",
    PartyAbsent.name: "did not answer in time; the run went on with what it had sent before",
    Left.name: "disconnected",
}
"""What became of a step, by a failure's kind or an event's name."""

REMEDIES = {
    FAILED: "The party's node log has the whole error. Put right what it names: the step is asked again by itself, and "
    "a run that ended is resumed with run.resume.",
    REFUSED: "The party's own rules do not allow it: agree on settings with the party, or change its node config. "
    "Nothing was sent.",
    MALFORMED: "Install the same version of Crossward at the party and the aggregator, then resume the run.",
    PartyAbsent.name: "Start its SuperNode again: it takes part from the next step on. A larger vertical.max-wait "
    "waits longer for it.",
    Left.name: "Start its SuperNode again with the same state-dir: it takes up the step it stood at.",
}
"""What to do, by the same keys."""


def troubles_table(history: VerticalHistory) -> str:
    """One row for all that is the same but for its moment; empty where nothing went wrong."""
    alike: dict[tuple[str, str, int, str], list[Trouble]] = {}
    for one in history.troubles:
        alike.setdefault((one.party, one.what, one.step, one.reason), []).append(one)
    rows = [_row(history, found) for found in list(alike.values())[:_SHOWN]]
    if (more := len(alike) - _SHOWN) > 0:
        rows.append(f'<tr><td colspan="6">and {more} more kinds; all of them are in {FILE_NAME}</td></tr>')
    return (
        table(["party", "step", "what happened", "times", "after", "reason, and what to do"], rows, [3]) if rows else ""
    )


def _row(history: VerticalHistory, found: list[Trouble]) -> str:
    one = found[0]
    when = duration(one.at) + (f" to {duration(found[-1].at)}" if len(found) > 1 else "")
    reason = f"{escape(one.reason, _REASON)}<br/>" if one.reason else ""
    return (
        f"<tr><td>{escape(one.party)}</td><td>{escape(_step(history, one))}</td>"
        f'<td>{escape(SAYS.get(one.what, one.what))}</td><td class="n">{len(found)}</td><td>{escape(when)}</td>'
        f"<td>{reason}<small>{escape(REMEDIES.get(one.what, ''))}</small></td></tr>"
    )


def _step(history: VerticalHistory, one: Trouble) -> str:
    if one.step < 0:
        return "between steps"
    turn = history.steps[one.step].round if one.step < len(history.steps) else 0
    return f"{one.step}, {title(one.action, turn)}"
