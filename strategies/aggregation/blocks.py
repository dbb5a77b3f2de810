"""Blocks of versions with cached updates: where the next version is among them.

Not for: what nodes make of it (``client_app.cached``).
"""

from __future__ import annotations

from crossward.config.variance_reduction import Block
from strategies.history.state import ServerState


def next_block(state: ServerState) -> tuple[int, ...]:
    """The ``block`` of the next version's event: empty without cached updates."""
    if not state.settings.cached:
        return ()
    every, hospitals = state.settings.evaluate_every, len(state.run.taken)
    last = next((v for v in range(state.version, 0, -1) if not state.run.versions[v].discarded), 0)
    if not last:
        return tuple(Block(state.settings.buffer_size, 1, 1, max(hospitals, 1)))
    facts = state.run.versions[last]
    if facts.sign < 0:
        return tuple(facts.block)  # of the version that was taken back: the next one takes its place
    evaluated = every > 0 and (facts.reverts or last) % every == 0
    return tuple(facts.block.next(evaluated, hospitals))
