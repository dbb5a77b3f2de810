"""Cached updates: public numbers by which every node follows the same mean of what hospitals sent last.

``cached`` is SAGA (arXiv 1407.0202) in the form of cached update calibration (CA2FL, ICLR 2024), where the server
cannot read an update: hospital i sends d_i = delta_i - c_i, with c_i what the sums already hold of it, and nodes make

    x += eta (H/N + D)

of a version's opened sum D, from opened sums alone. H, the sum of all c_i, stays as it is for a block of versions, so
that versions of a block can still be sent as one sum, and then takes in what they brought. A block ends when about as
many updates came as there are hospitals, and where the run is evaluated, since a rollback goes back to there.

A cache does not become the newest delta, it moves a quarter of the way. A hospital's deltas have a correlation of about
0.3 from one training to the next (embedded model), so the difference to the whole last one is noisier than the delta
itself; the mean of a few has little noise and the same bias. H forgets a fiftieth with every block: else a hospital
that left, the dithers of versions (which nobody can subtract), and what a node lost with its state would stay for good.

Not for: the arithmetic (``client_app.cached``).
"""

from __future__ import annotations

from typing import NamedTuple

NONE, CACHED = "none", "cached"
VARIANCE_REDUCTION = {
    NONE: "updates are sent as they are",
    CACHED: "hospitals send how an update differs from their last one, and nodes add the mean of the last ones, so "
    "that a hospital that takes part less often counts as much",
}
FADE = 0.98  # of H and of every cache in it, at the end of a block
PACE = 0.25  # how far a cache moves to the hospital's newest delta: a power of two, so that sums of it are exact


class Block(NamedTuple):
    """Where a version is among the blocks; all 0 in a run without cached updates.

    ``gain`` is how many updates a full buffer holds, ``number`` the block's, from 1, ``position`` the version's in it,
    from 1, ``hospitals`` how many had contributed before the block (1 for none). ``closed`` is how many versions the
    block before had, ``before`` its ``hospitals``; 0 in the first.
    """

    gain: int = 0
    number: int = 0
    position: int = 0
    hospitals: int = 0
    closed: int = 0
    before: int = 0

    def next(self, evaluated: bool, hospitals: int) -> Block:
        """The version's after this one; ``evaluated``: this one is measured. ``hospitals`` contributed by now."""
        if not evaluated and self.position * self.gain < self.hospitals:
            return self._replace(position=self.position + 1)
        return Block(self.gain, self.number + 1, 1, max(hospitals, 1), self.position, self.hospitals)


NO_BLOCK = Block()
