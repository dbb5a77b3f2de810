"""Torch's own randomness from a seed, for as long as it is needed.

Not for: batches, which have a generator of their own (``client_app.vertical.learning.fitting``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it, what torch draws for weights and dropout follows from ``seed``; afterwards its generator is as before.

    On the CPU, where all that is drawn here is drawn.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**63)
        yield
