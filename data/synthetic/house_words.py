"""Single words that the houses' headings and phrases use, for general.py. Words only, never their order."""

from __future__ import annotations

import functools
import re

_WORD = re.compile(r"\{\w+\}|([A-Za-z][A-Za-z/]*[A-Za-z]|[A-Za-z#+])")


@functools.cache
def house_words() -> tuple[str, ...]:
    """Every word of every house's headings and phrases once, sorted."""
    from data.synthetic.houses import HOUSES, SHARED

    texts = [t for kinds in (SHARED, *(h.phrases for h in HOUSES)) for ts in kinds.values() for t in ts]
    texts += [s.heading for house in HOUSES for note in house.notes.values() for s in note]
    return tuple(sorted({word for text in texts for word in _WORD.findall(text) if word}))
