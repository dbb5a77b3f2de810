"""Sections that pages of all kinds of runs have: activity, the committee, what failed, the footer.

Not for: the page of a run (``crossward.report.page``) or of a profile run (``crossward.report.profile.page``).
"""

from __future__ import annotations

from typing import Any

from crossward.ledger.file import FILE_NAME
from crossward.report import cost
from crossward.report.history import History
from crossward.report.parts import committee, sealed, section, settings, troubles
from crossward.report.svg import escape
from crossward.report.timeline import timeline_figure


def activity_section(history: History) -> str:
    """When every hospital worked."""
    return section(
        "Activity of every hospital, and when versions were made",
        "A lane a hospital; a vertical line, or a tick above, is a version. Computing is as long as the hospital "
        "reports, placed in the middle of its round trip; a failed task does not report how long it computed.",
        timeline_figure(history),
        "No task was sent.",
    )


def troubles_section(history: History) -> str:
    """What failed, was refused or was clamped, and why."""
    return section(
        "Failures and refusals",
        "Every outcome other than an accepted update has a reason in the ledger. Clamped: what a hospital reported "
        "with an accepted update was out of bounds and was limited to them.",
        troubles(history),
        "Nothing failed and nothing was refused.",
    )


def footer(history: History, config: dict[str, Any], lineage: str) -> str:
    """Lineage, encryption and settings."""
    return f"<footer>Lineage {escape(lineage)}. {sealed(history)} Drawn from {FILE_NAME}. {settings(config)}</footer>"


def committee_section(history: History) -> list[str]:
    """Who opened the versions, in a run that a committee opens."""
    if (met := history.committee) is None:
        return []
    took = cost.typical(made.latency for made in history.versions)
    title = f"A committee of {len(met.members)} hospitals opens every version"
    latency = f" Opening one took {took} (median)." if took is not None else ""
    says = (
        f"{met.quorum} members consent to a version's list of updates, then {met.openers} send their shares; together "
        f"they open the sum and no update.{latency} Roster {met.roster}, revision {met.revision}: compare it with what "
        "“crossward members show” prints at a hospital."
    )
    return [section(title, says, committee(history))]
