"""The held-out loss that a node reports beside an update: a noisy mean over patients, smoothed over the run.

Every version, each held-out patient of the sample (``client_app.training.held_out_sample``) contributes a mean loss,
clipped to within ``WIDTH`` of the last estimate; the first time to ``FIRST_RANGE``, as there is none. The mean over
the patients gets Gaussian noise. Neighbouring data sets have one held-out patient's window replaced by nothing, which
counts as the middle of the range, while the number of patients stays: a patient moves a mean by at most half the range
over their number. All of a run's means together are (``EPSILON``, ``DELTA``)-differentially private for held-out
patients: noise is calibrated to as many means as the run has versions, and the node stops when the budget is spent.
Patients who are trained on are not in these means; they are covered by no epsilon, and move them only as far as they
move the global model.

Noise alone would hide a slow fall. So what is reported is an estimate (a Kalman filter of a local level, Durbin and
Koopman, Time Series Analysis by State Space Methods, 2nd ed., Section 2.2) together with its standard deviation; it is
made of the noisy means alone and costs no further epsilon.

Not for: measuring (``client_app.training.held_out_sample``), evaluations (``client_app.update.reporting``).
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from crossward.machine.files import write_atomic

logger = logging.getLogger("crossward.node")

EPSILON, DELTA = 1.0, 1e-5
MU = 0.268  # of Gaussian differential privacy: these epsilon and delta (arXiv 1905.02383, Corollary 1)
WIDTH = 1.0  # nats a token to either side of the estimate
FIRST_RANGE = (0.5, 6.5)  # nats a token
FIRST_COST = 6  # the first mean costs as much as so many others: its range is wider
FALL = 3.0  # nats a token that a run's loss may fall: how much the level may move from version to version


@dataclass(frozen=True)
class HeldOutLoss:
    """``value``, nats a token, was estimated with ``noise`` (standard deviation) at ``version``.

    ``spent`` is the part of the run's privacy budget that is used up, at most 1 (of the square of ``MU``).
    """

    value: float
    noise: float
    version: int
    spent: float


def multiplier(versions: int) -> float:
    """Noise over sensitivity of one mean in a run of ``versions``; of the first one by the root of FIRST_COST less."""
    return math.sqrt(max(versions, 1) - 1 + FIRST_COST) / MU


def seeded_normal(seed: int, partition: int) -> Callable[[int], float]:
    """Noise that a simulated hospital draws again in a rerun: it protects nobody, and shows what a run would show."""
    return lambda version: float(np.random.default_rng([seed, partition, version]).standard_normal())


@dataclass(frozen=True)
class HeldOutReports:
    """A node's reports in one lineage, kept in the file ``path``; ``normal`` draws the standard normal of a version."""

    path: Path
    normal: Callable[[int], float]
    durable: bool = True

    def last(self) -> HeldOutLoss | None:
        """What was reported last; None where nothing was.

        Raises
        ------
        ValueError
            the file cannot be read, and so nobody knows what is spent.
        """
        try:
            return HeldOutLoss(**json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"{self.path} cannot be read ({type(error).__name__})") from error

    def report(self, losses: Sequence[float], version: int, versions: int) -> HeldOutLoss | None:
        """What to report of the patients' mean ``losses`` at ``version`` of so many; None without any.

        On disk before it is returned, so that no budget is spent twice. The last report again where ``version`` is not
        after its own, or the budget is spent.
        """
        if not len(losses):
            return None
        try:
            last = self.last()
            fresh = following(last, losses, version, versions, self.normal)
            if fresh is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(self.path, json.dumps(asdict(fresh)) + "\n", durable=self.durable)
        except (OSError, ValueError) as error:
            logger.warning("no held-out loss is reported, as its spent epsilon is not on record: %s", error)
            return None
        return fresh or last


def following(
    last: HeldOutLoss | None,
    losses: Sequence[float],
    version: int,
    versions: int,
    normal: Callable[[int], float],
) -> HeldOutLoss | None:
    """The report after ``last``; None where there is no news, or no budget for any."""
    unit, cost = multiplier(versions) / len(losses), 1.0 / (multiplier(versions) * MU) ** 2
    if last is None:
        low, high = FIRST_RANGE
        noise = (high - low) / 2 * unit / math.sqrt(FIRST_COST)
        value = float(np.clip(losses, low, high).mean()) + noise * normal(version)
        return HeldOutLoss(min(max(value, low), high), noise, version, FIRST_COST * cost)
    if version <= last.version or last.spent + cost > 1.0 + 1e-9:
        return None
    noise = WIDTH * unit
    mean = float(np.clip(losses, last.value - WIDTH, last.value + WIDTH).mean()) + noise * normal(version)
    before = last.noise**2 + (version - last.version) * (FALL / max(versions, 1)) ** 2
    gain = before / (before + noise**2)
    value = max(last.value + gain * (mean - last.value), 0.0)
    return HeldOutLoss(value, math.sqrt((1 - gain) * before), version, last.spent + cost)
