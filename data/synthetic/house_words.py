"""Single words that the houses' headings and phrases use, for general.py. Words only, never their order."""

from __future__ import annotations

import functools


@functools.cache
def house_words() -> tuple[str, ...]:
    """Every word of every house's headings and phrases once, sorted."""
    return ("admission", "assessment", "history", "medications", "physical", "plan")
