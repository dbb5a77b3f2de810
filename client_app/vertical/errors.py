"""Why a party does not do a step."""

from __future__ import annotations


class PartyError(RuntimeError):
    """A party refuses a step; the text is made of settings, names of parties, keys and counts alone."""

    tellable = True  # see client_app.guard.refusals
