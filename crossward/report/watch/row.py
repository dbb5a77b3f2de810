"""A row of the live view: a hospital, what its node does, and what is known of its updates.

Not for: how a row follows from the ledger (``crossward.report.watch.state``) or is drawn
(``crossward.report.watch.view``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from crossward.ledger.events import Accepted
from crossward.protocol.messages import ALONE, EVALUATE, KINDS, TRAIN
from crossward.report.reported_loss import ExactLoss

TRAINING, EVALUATING, TRAINING_ALONE = (KINDS[kind].doing for kind in (TRAIN, EVALUATE, ALONE))
WAITING, IDLE, PAUSING = "update awaits version", "idle", "pausing"
SPENT = "privacy budget spent"
LEFT, EXCLUDED, ABSENT = "left", "excluded", "not back since resume"
CLAMPED = "clamped"  # facts that a node reported were out of bounds and limited to them


@dataclass
class Updates:
    """A hospital's site and accepted updates; from ``steps`` on, what is known of the last of them.

    ``bytes_up`` of all of them and of what it sent for the committee's sake, ``bytes_down`` of all tasks; ``loss`` of
    the training in nats a token, or with ``noise`` an estimate of that on held-out notes; ``heldout`` that of the
    newest global adapter on the hospital's held-out notes; ``round_trip`` in seconds.
    ``epsilon`` of ``unit`` is what the hospital has spent, where it protects examples or patients: its loss is then
    withheld, and its tokens are a public number, not a count.
    """

    site: str = ""
    accepted: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    steps: int | None = None
    tokens_per_second: float | None = None
    loss: float | None = None
    round_trip: float | None = None
    unit: str = ""
    epsilon: float | None = None
    heldout: float | None = None
    noise: float = 0.0

    def add(self, update: Accepted, exact: ExactLoss | None = None) -> None:
        """Take in an accepted update; the ``exact`` loss stands in for the one that was reported."""
        self.accepted, self.bytes_up = self.accepted + 1, self.bytes_up + update.bytes
        self.steps, self.round_trip = update.steps, update.seconds
        self.loss, self.noise = update.loss, update.loss_noise
        self.tokens_per_second = update.num_tokens / update.train_seconds if update.train_seconds > 0 else None
        if update.local_epsilon is not None:
            self.unit, self.epsilon, self.tokens_per_second = update.privacy_unit, update.local_epsilon, None
        if exact is not None:
            self.loss, self.noise = exact(update.task), 0.0


class Row(NamedTuple):
    """A hospital: ``seconds`` in its state; ``detail`` is why it pauses, or what else holds.

    ``at_most``: seconds that the server waits for what is under way, where the ledger records it.
    """

    name: str
    state: str
    seconds: float
    version: int | None
    updates: Updates
    detail: str = ""
    at_most: float | None = None
