"""What is done to embeddings before they leave a party, as ``vertical.protection`` says.

Not for: sealing (``client_app.vertical.envelopes``), which is done to all that leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crossward.config.vertical_settings import NOISED
from crossward.privacy.embeddings import EmbeddingNoise
from crossward.protocol.vertical.messages import REPRESENT, Facts

if TYPE_CHECKING:
    from client_app.vertical.party import Party, Turn


def protected(party: Party, turn: Turn, embeddings: NDArray[np.float32], facts: Facts) -> NDArray[np.float32]:
    """The embeddings float32 [n, dim] as they may be released, and in ``facts`` what has been spent.

    A step that is done again after a kill draws new noise only where its answer was never recorded, and so never sent.
    """
    settings, delta = party.config.vertical, party.config.privacy.delta
    if settings.protection != NOISED:
        return embeddings
    noise = EmbeddingNoise.calibrated(settings.clip, settings.epsilon, delta, settings.exchanges + 1)
    released = 1 if turn.work.action == REPRESENT else turn.work.round + 1
    facts["epsilon"] = round(noise.epsilon(released, delta), 4)
    return noise(embeddings)
