"""Whether the attacks work at all: what each must reach where nothing protects, so that a low score means protection.

Not for: the attacks, or margins of equivalence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from research.attacks.held_out import EXACTLY
from research.attacks.held_out import KNOWN as KNOWS_ALL
from research.attacks.held_out import NAME as HELD_OUT
from research.attacks.margins import RECOVERED
from research.attacks.planted import SPACE
from research.attacks.scores import KNOWN, RELEASED, SEPARATION, Score, Separation
from research.attacks.trained import LONG
from research.attacks.vertical.scoring import CONTROL as OF_VERTICAL

# Fixed before any result.
LEAST_AUC = 0.9
LEAST_EXPOSURE = 0.9  # of log2 |R|
LEAST_EXACT = 0.3  # of all values, where two terms with known weights are added up without a dither
MOST_BITS_LEFT = 0.5  # of those before, there
CONTROL = "positive control"  # in the note of a control of token recovery
TOKENS, MEMBERSHIP, CANARIES = "token recovery", "membership inference", "canaries"


def broken(scores: Sequence[Score]) -> dict[str, str]:
    """By attack what its control did not reach, of those attacks that have scores; empty: they work.

    Tokens: every row of the control; adapters: the long training without privacy.
    """
    plain = [s for s in scores if s.view == RELEASED and s.method == "fl" and s.setting.startswith(LONG)]
    out = _vertical(scores)
    controls = [s for s in scores if CONTROL in s.note]
    if low := [s for s in controls if s.value < RECOVERED]:
        message = ", ".join(f"{s.attack} {s.metric} {s.value:.3f}" for s in low)
        out[TOKENS] = f"{message}; at least {RECOVERED} is expected"
    if any(s.attack.startswith(MEMBERSHIP) and s.view == RELEASED for s in scores):
        found = max((s.value for s in plain if s.metric == "AUC"), default=0.0)
        if found <= LEAST_AUC:
            out[MEMBERSHIP] = f"an AUC of {found:.3f} was reached; above {LEAST_AUC} is expected"
    exact = [s for s in scores if s.attack == HELD_OUT and s.setting.endswith(f"{KNOWS_ALL}; {EXACTLY}")]
    if low_held_out := [s.value for s in exact if s.value <= LEAST_AUC]:
        out[HELD_OUT] = f"an AUC of {min(low_held_out):.3f} was reached; above {LEAST_AUC} is expected"
    if any(s.metric == "exposure, bits" for s in scores):
        bits, least = max((s.value for s in plain if s.metric == "exposure, bits"), default=0.0), LEAST_EXPOSURE
        if bits < least * math.log2(SPACE):
            out[CANARIES] = f"{bits:.1f} bits were exposed; at least {least * math.log2(SPACE):.1f} are expected"
    for row in (s for s in scores if isinstance(s, Separation)):
        control = row.unknown == 2 and row.weights == KNOWN and not row.dither
        if control and (row.value < LEAST_EXACT or row.bits_left > MOST_BITS_LEFT * row.bits_before):
            out[SEPARATION] = (
                f"without a dither {row.value:.3f} of the values came out and {row.bits_left:.2f} of "
                f"{row.bits_before:.2f} bits were left; at least {LEAST_EXACT} of the values and at most "
                f"{MOST_BITS_LEFT} of the bits are expected"
            )
    return out


def _vertical(scores: Sequence[Score]) -> dict[str, str]:
    """As :func:`broken`, of the scores of vertical runs that say in their note what they must reach."""
    out = {}
    for row in (s for s in scores if s.note.startswith(OF_VERTICAL)):
        least = float(row.note.partition("=")[2])
        if row.value < least:
            name = f"{row.attack}, {row.metric}, {row.method}"
            out[name] = f"{row.value:.3f} was reached; at least {least:g} is expected"
    return out
