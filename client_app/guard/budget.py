"""Whether a node's next private training fits its budgets, and what it costs.

The cost is on disk before the training begins, so that a killed process has not spent less than it did.

The run's budget (``privacy.epsilon``) is of one run lineage. Trainings on the same notes add up over runs, too: the
hospital's own budget over all of them is ``TotalBudget``.

Not for: the record (``client_app.guard.spending``), the mechanism (``crossward.privacy``), the steps
(``client_app.training.private``).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from client_app.guard.spending import Record, RecordError, Spending
from crossward.config.privacy_settings import EXAMPLE, LOCAL_UNITS, RDP, PrivacySettings
from crossward.config.schedule import Schedule

if TYPE_CHECKING:
    from crossward.privacy.accounting import Spent


logger = logging.getLogger("crossward.node")


class BudgetError(RuntimeError):
    """A training would cost more than is left of the run's privacy budget, or of the hospital's."""

    tellable = True  # see client_app.guard.refusals


@dataclass(frozen=True)
class Cost:
    """``noise_multiplier`` of a training, its epsilon by itself, and the hospital's in the run with it."""

    noise_multiplier: float
    alone: float
    total: float


@dataclass(frozen=True)
class TotalBudget:
    """A hospital's own budget: ``epsilon`` at ``delta`` for ``unit`` over all runs in its records.

    By RDP: later runs' noise and sampling may be chosen in sight of what earlier ones gave, and for RDP the sum stays
    a bound when it is stopped before the budget (privacy filters, arXiv 2008.11193). What other runs spent is the
    hospital's affair: it is in the node's log, and is not reported to the server.
    """

    unit: str
    epsilon: float
    delta: float

    def check(self, others: dict[str, Spending], planned: list[Spent], whole: bool) -> None:
        """Refuse ``planned`` (``whole``: all of a run that begins) where it would exceed what others left.

        Raises
        ------
        BudgetError
            it would, or another run protected somebody else, of whom nothing can be said.
        """
        from crossward.privacy.accounting import epsilon

        refusal = "this hospital's own budget over all its runs (node config: privacy-total-epsilon) does not allow it"
        for name, other in others.items():
            if other.unit != self.unit:
                logger.warning(
                    "run %s trained here under privacy.unit = %r, which bounds nothing for one %s: no budget over "
                    "all runs can be kept. Set privacy-total-epsilon to 0.0, or privacy-unit to that of all runs",
                    name,
                    other.unit,
                    self.unit,
                )
                raise BudgetError(f"{refusal}: an earlier run protected another unit than {self.unit!r}")
        before = [training for other in others.values() for training in other.trainings]
        total = epsilon([*before, *planned], self.delta, RDP)
        if total > self.epsilon:
            what = "all of this run" if whole else "another training"
            logger.warning(
                "%s would bring this hospital's %s-level epsilon over all runs (%d others) to %.4g at delta %g; "
                "privacy-total-epsilon is %g",
                what,
                self.unit,
                len(others),
                total,
                self.delta,
                self.epsilon,
            )
            raise BudgetError(f"{refusal}: {what} would exceed it, and it takes no further part in this run")


@dataclass
class Budget:
    """One hospital's spending in one lineage, recorded in the file ``path``.

    ``units`` is how many patients (or notes) the hospital trains on. It is public and not protected: the sampling rate
    follows from it, and it from the epsilon reported to the server. An epsilon is about data sets in which one unit's
    notes are replaced by nothing while ``units`` stays.
    """

    path: Path
    privacy: PrivacySettings
    schedule: Schedule
    units: int
    durable: bool = True
    total_budget: TotalBudget | None = None
    _record: Record = field(init=False)

    def __post_init__(self) -> None:
        if self.privacy.unit not in LOCAL_UNITS:
            raise ValueError(f"privacy.unit = {self.privacy.unit!r} is no unit that a hospital spends a budget on")
        self._record = Record(self.path, self.durable)

    @property
    def rate(self) -> float:
        """Probability with which each unit enters a step."""
        return self.privacy.batch / self.units

    def _multiplier(self, known: dict[str, float]) -> float:
        """The run's noise multiplier here: as set, or the least for a hospital that takes part in every version."""
        from crossward.privacy.accounting import noise_for

        p = self.privacy
        if p.noise_multiplier:
            return p.noise_multiplier
        steps = self.schedule.versions * self.schedule.local_steps
        name = f"{p.epsilon}:{p.delta}:{self.rate}:{steps}:{p.accountant}"
        if name not in known:  # it takes seconds, and a process may live for one task
            try:
                known[name] = noise_for(p.epsilon, p.delta, self.rate, steps, p.accountant)
            except ValueError as error:
                raise BudgetError(
                    f"privacy.noise-multiplier = 0 selects the noise that keeps {self.schedule.versions} versions of "
                    f"{self.schedule.local_steps} steps within privacy.epsilon = {p.epsilon:g} at privacy.delta = "
                    f"{p.delta:g}, but no noise does ({error}): raise privacy.epsilon, or lower strategy.num-versions, "
                    "train.local-steps or privacy.batch"
                ) from error
        return known[name]

    def spend(self) -> Cost:
        """Write down one more local training, and what it costs; the training may begin once this has returned.

        Raises
        ------
        BudgetError
            epsilon would exceed ``privacy.epsilon``, with this training or, before the first one, over the whole run,
            whatever the noise; or the hospital's own budget over all runs in the same way;
            or ``privacy.batch`` exceeds the hospital's units, so that nothing can be accounted for.
        RecordError
            the record cannot be read or written, or is of another unit.
        """
        with self._record.exclusive():
            return self._spend()

    def _spend(self) -> Cost:
        from crossward.privacy.accounting import Spent, epsilon

        p, schedule = self.privacy, self.schedule
        if p.batch > self.units:
            what = "notes (examples)" if p.unit == EXAMPLE else "patients"
            raise BudgetError(
                f"privacy.batch = {p.batch} is more than the {self.units} {what} that this hospital trains on: no "
                f"probability gives that many on average. Set privacy.batch to at most {self.units}"
            )
        before = self._record.read() or Spending(p.unit)
        if before.unit != p.unit:
            raise RecordError(
                f"the record {self._record.name} of the privacy budget is of privacy.unit = {before.unit!r}, the run "
                f"now has {p.unit!r}, and what was spent for one is not known for the other: resume with privacy.unit "
                f"= {before.unit!r}, or start a new run"
            )
        known, spent = dict(before.noise), list(before.trainings)
        noise = self._multiplier(known)
        this = Spent(self.rate, noise, schedule.local_steps)
        run = [replace(this, steps=this.steps * schedule.versions)]
        if p.epsilon and not spent:
            whole = epsilon(run, p.delta, p.accountant)
            if whole > p.epsilon:
                raise BudgetError(
                    f"{schedule.versions} versions of {schedule.local_steps} steps with privacy.noise-multiplier = "
                    f"{noise:g} at a sampling rate of {self.rate:.4g} would cost epsilon = {whole:.4g}, more than "
                    f"privacy.epsilon = {p.epsilon:g}: raise the noise or the budget, or lower strategy.num-versions, "
                    "train.local-steps or privacy.batch"
                )
        # A run that went on with other settings may have chosen them in sight of what it got. For RDP the sum stays a
        # bound then (privacy filters, arXiv 2008.11193); for privacy loss distributions that is not known.
        same = {(one.sampling_rate, one.noise_multiplier) for one in spent} <= {(this.sampling_rate, noise)}
        total = epsilon([*spent, this], p.delta, p.accountant if same else RDP)
        if p.epsilon and total > p.epsilon:
            raise BudgetError(
                f"another training would bring this hospital's {p.unit}-level epsilon to {total:.4g}, beyond "
                f"privacy.epsilon = {p.epsilon:g} (delta {p.delta:g}): it takes no further part in this run"
            )
        if self.total_budget is not None:
            self.total_budget.check(self._record.others(), [*spent, this] if spent else run, not spent)
        self._record.write(Spending(p.unit, (*spent, this), known))
        return Cost(noise, epsilon([this], p.delta, p.accountant), total)
