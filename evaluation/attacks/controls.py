"""Positive controls: attacks must succeed where nothing protects, or a low score elsewhere says nothing.

The long training reads every note some twenty times and every often-planted identifier hundreds of times; whoever
holds such an adapter can tell its patients apart and spell its identifiers out.

Not for: attacks on updates (their controls are clear updates).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from evaluation.attacks.planted import SPACE
from evaluation.attacks.scores import RELEASED, Score
from evaluation.attacks.trained import LONG

# Fixed before any result.
LEAST_AUC = 0.9
LEAST_EXPOSURE = 0.9  # of log2 |R|


def broken(scores: Iterable[Score]) -> list[str]:
    """What the attacks on released adapters did not reach under the long training without privacy; empty: they work.

    A control that is not among ``scores`` counts as not reached.
    """
    plain = [s for s in scores if s.view == RELEASED and s.method == "fl" and s.setting.startswith(LONG)]
    aucs = [s.value for s in plain if s.metric == "AUC"]
    bits = [s.value for s in plain if s.metric == "exposure, bits"]
    out = []
    if max(aucs, default=0.0) <= LEAST_AUC:
        out.append(
            f"membership inference reached an AUC of {max(aucs, default=0.0):.3f}; above {LEAST_AUC} is expected"
        )
    least = LEAST_EXPOSURE * math.log2(SPACE)
    if max(bits, default=0.0) < least:
        out.append(f"canaries were exposed by {max(bits, default=0.0):.1f} bits; at least {least:.1f} are expected")
    return out
