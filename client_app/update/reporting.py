"""What a node reports in the clear: of a training beside its sealed update, and of an evaluation.

Not for: how a number is made coarser (``client_app.training.trained``).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from client_app.training.trained import Trained, coarse, rough_count, uncounted
from client_app.update.held_out_loss import HeldOutReports
from crossward.config.privacy_settings import NO_UNIT
from crossward.protocol.measures import Measure

UNNOISED = {"own": "alone", "personal": "personal"}  # adapters trained without noise, and what the log calls them
logger = logging.getLogger("crossward.node")


@dataclass(frozen=True)
class Reporting:
    """What of a training and of held-out measures leaves the node.

    Without ``counts`` an update does not report the size of the training set, with them its nearest power of two: who
    knows all patients but one could infer from the exact size whether that one is in the set. The loss is that of
    ``held_out``, or else of the training, as a power of ``loss_grid``. Measures of fewer than ``fewest_held_out``
    patients are not reported.
    """

    counts: bool = True
    loss_grid: float = 1.0
    fewest_held_out: int = 0
    held_out: HeldOutReports | None = None

    def training(self, trained: Trained, version: int = 0, versions: int = 1) -> tuple[Trained, float]:
        """What is reported of ``trained`` from ``version`` of so many; and the noise of its loss, 0.0 without any."""
        reported = rough_count(trained) if self.counts else uncounted(trained)
        found = self.held_out.report(trained.held_out, version, versions) if self.held_out is not None else None
        if found is None:
            return coarse(reported, self.loss_grid), 0.0
        return replace(reported, loss_sum=found.value * reported.num_tokens), found.noise

    def measures(self, found: dict[str, Measure], version: int, protected: str = NO_UNIT) -> dict[str, Measure]:
        """What is reported of the measures ``found`` at ``version``; the log has the others.

        Where a budget is kept for the privacy unit ``protected``, the measures of the adapters trained here without
        noise, alone and personal, are not reported: they would reveal something of the patients trained on.
        """
        if not found:
            return {}
        held_out = found["global"]
        if self.fewest_held_out and held_out.patients < self.fewest_held_out:
            logger.info(
                "the held-out loss is %.4f; it is of %d patients, and of fewer than %d only this log shows it",
                held_out.loss,
                held_out.patients,
                self.fewest_held_out,
            )
            return {}
        logger.info("held-out loss %.4f at version %d", held_out.loss, version)
        if protected == NO_UNIT or not (hidden := {name: found[name] for name in UNNOISED if name in found}):
            return found
        logger.info(
            "held-out loss of the adapters trained here without noise: %s (global: %.4f); with privacy.unit = %r only "
            "this log shows it",
            ", ".join(f"{UNNOISED[name]} {measure.loss:.4f}" for name, measure in hidden.items()),
            held_out.loss,
            protected,
        )
        return {name: measure for name, measure in found.items() if name not in hidden}
