"""What is done to embeddings before they leave a party, as ``vertical.protection`` says.

Not for: sealing (``client_app.vertical.envelopes``), which is done to all that leaves; clipping, which bottoms do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crossward.config.vertical_settings import NOISED
from crossward.protocol.vertical.messages import Facts

if TYPE_CHECKING:
    from client_app.vertical.party import Party


def protected(party: Party, embeddings: NDArray[np.float32], facts: Facts) -> NDArray[np.float32]:
    """The embeddings float32 [n, dim] as they may be released, and in ``facts`` what that costs."""
    vertical = party.config.vertical
    if vertical.protection != NOISED:
        return embeddings
    raise NotImplementedError
