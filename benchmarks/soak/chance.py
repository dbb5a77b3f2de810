"""What a run draws from the system's randomness, drawn from a seed, so that a soak that failed fails again.

Names of run lineages and of updates, and the seeds of their masks, from which a committee's dither follows too. Keys
are the system's own: nothing that is counted depends on them. Never for anything but a soak.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import patch

from crossward.encryption.committee import masks
from server_app import run_folder


@contextmanager
def drawn_from(rng: random.Random) -> Iterator[None]:
    """Within the block ``rng`` decides them."""
    drawn = SimpleNamespace(token_bytes=rng.randbytes, token_hex=lambda count: rng.randbytes(count).hex())
    with patch.object(masks, "secrets", drawn), patch.object(run_folder, "secrets", drawn):
        yield
