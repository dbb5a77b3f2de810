"""Seeds of what a node draws at random and may draw again: the same for the same run, hospital, version and purpose.

Not for: secrets or noise, which nobody may draw again.
"""

from __future__ import annotations

import hashlib


def derived_seed(seed: int, site: str, version: int, purpose: str) -> int:
    """A seed of 64 bits from the run's ``seed``, the hospital's name, the version, and what is drawn."""
    text = f"{seed}:{site}:{version}:{purpose}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
