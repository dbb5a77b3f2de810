"""A very small grammar: ``<a|b|>`` picks an alternative, ``{slot}`` asks the caller for a filling.

Alternatives nest; fillings may themselves be templates. Not for anything but made-up text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_CHOICE = re.compile(r"<([^<>]*)>")
_SLOT = re.compile(r"\{(\w+)\}")


def _choose(template: str, rng: random.Random) -> str:
    while "<" in template:
        chosen = _CHOICE.sub(lambda match: rng.choice(match.group(1).split("|")), template)
        if chosen == template:
            raise ValueError(f"unbalanced <...> in the template {template!r}")
        template = chosen
    return template


def expand(template: str, rng: random.Random, fill: Callable[[str], str]) -> str:
    """One random reading of ``template``; ``fill`` turns a slot's name into text or another template."""
    template = _choose(template, rng)
    while "{" in template:
        template = _choose(_SLOT.sub(lambda match: fill(match.group(1)), template), rng)
    return template
