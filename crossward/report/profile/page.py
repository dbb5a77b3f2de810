"""The report of a profile run: the profile, and how the run went.

Not for: runs that train (``crossward.report.page``), where a profile is one section.
"""

from __future__ import annotations

from typing import Any

from crossward.report.common_sections import activity_section, committee_section, footer, troubles_section
from crossward.report.document import document
from crossward.report.history import History
from crossward.report.parts import state
from crossward.report.profile.figures import Profile
from crossward.report.profile.section import profile_section, unopened_section
from crossward.report.svg import escape


def profile_page(history: History, config: dict[str, Any], lineage: str, folder: str, profile: Profile | None) -> str:
    """The page: well-formed HTML that is XML too; ``profile`` is None while nobody has opened it here."""
    body = [
        f'<header><div class="title"><h1>Crossward profile {escape(lineage[:8])}</h1>{state(history)}</div>',
        f"<p>{escape(folder)}</p></header>",
        profile_section(profile) if profile is not None else unopened_section(),
        activity_section(history),
        *committee_section(history),
        troubles_section(history),
        footer(history, config, lineage),
    ]
    return document(f"Crossward profile {lineage[:8]}", "".join(body))
