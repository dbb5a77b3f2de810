"""Cached updates: public numbers by which every node follows the same mean of what hospitals sent last.

``cached`` is SAGA (arXiv 1407.0202) in the form of cached update calibration (CA2FL, ICLR 2024), where the server
cannot read an update: hospital i sends d_i = delta_i - c_i, with c_i what the sums already hold of it, and nodes make

    x += eta (H/N + D),  H = fade(K, N) H + K D

from the opened sums alone, with D a version's weighted sum over W, K its contributors, N the hospitals that ever
contributed. The fade makes H forget: a hospital that left, the dithers of versions (which nobody can subtract), and
what a node lost with its state would stay in it for good.

Not for: the arithmetic (``client_app.cached``).
"""

from __future__ import annotations

NONE, CACHED = "none", "cached"
VARIANCE_REDUCTION = {
    NONE: "updates as they are",
    CACHED: "hospitals send what changed since their last update, and nodes add the mean of the last ones, so that who "
    "takes part seldom is not outvoted",
}
TURNS = 10.0  # contributions of a hospital after which what an earlier one left in H has faded to 1/e


def fade(contributors: int, hospitals: int) -> float:
    """Factor on the cached updates after a version of so many ``contributors``, of ``hospitals`` in all."""
    return 1.0 - contributors / (TURNS * hospitals)
