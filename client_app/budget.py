"""What a node's private trainings cost, and the record of it: written before a training begins, so that no kill of a
process makes it forgotten, and one training after the other, since a task that was given up may still run.

A budget is of one run lineage. Two runs on the same notes add up, and nobody here adds them.

Not for: the mechanism (``privacy``) or the steps (``client_app.private_training``).
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from protocol.privacy_settings import EXAMPLE, LOCAL_UNITS, PrivacySettings
from protocol.schedule import Schedule

if TYPE_CHECKING:
    from privacy.accounting import Spent

_FORMAT = 1
_PATIENCE = 600.0  # seconds for another spending to end; calibrating noise takes some


class BudgetError(RuntimeError):
    """A training would cost more than is left of the run's privacy budget."""


class RecordError(RuntimeError):
    """What was spent cannot be read or written, so nothing more may be."""


@dataclass(frozen=True)
class Cost:
    """``noise_multiplier`` of a training, its epsilon by itself, and the hospital's with it and all before."""

    noise_multiplier: float
    alone: float
    total: float


@dataclass
class Budget:
    """One hospital's spending in one lineage, kept in the file ``path``.

    ``units`` is how many patients (or notes) the hospital trains on. It is public and not protected: the sampling rate
    follows from it, and it from the epsilon that the server is told. An epsilon is about data sets in which one unit's
    notes are replaced by nothing while ``units`` stays.
    """

    path: Path
    privacy: PrivacySettings
    schedule: Schedule
    units: int
    durable: bool = True
    _noise: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if self.privacy.unit not in LOCAL_UNITS:
            raise ValueError(f"privacy.unit = {self.privacy.unit!r} is no unit that a hospital spends a budget on")

    @property
    def rate(self) -> float:
        """Probability with which each unit enters a step."""
        return self.privacy.batch / self.units

    def _read(self) -> tuple[list[Spent], dict[str, float]]:
        from privacy.accounting import Spent

        if not self.path.exists():
            return [], {}
        try:
            facts = json.loads(self.path.read_text(encoding="utf-8"))
            if facts["format"] != _FORMAT:
                raise ValueError(f"format {facts['format']}, expected {_FORMAT}")
            return [Spent(**entry) for entry in facts["spent"]], dict(facts["noise"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordError(
                f"the record of the privacy budget cannot be read ({type(error).__name__}): nothing is trained without "
                f"it. Restore the file {self.path} of this node, or take part in a new run"
            ) from error

    def _write(self, spent: list[Spent], noise: dict[str, float]) -> None:
        facts = {"format": _FORMAT, "noise": noise, "spent": [asdict(entry) for entry in spent]}
        with self._written():
            handle, draft = tempfile.mkstemp(".draft", f"{self.path.stem}.", self.path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(facts, file)
                    file.flush()
                    if self.durable:
                        os.fsync(file.fileno())
                Path(draft).replace(self.path)
            except BaseException:
                Path(draft).unlink(missing_ok=True)
                raise
            if self.durable:
                folder = os.open(self.path.parent, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        """What cannot be written within is a record that cannot be."""
        try:
            yield
        except OSError as error:
            raise RecordError(
                f"the record of the privacy budget could not be written ({error}): nothing is trained without it. Free "
                "disk space or point state-dir elsewhere"
            ) from error

    def _multiplier(self, known: dict[str, float]) -> float:
        """The run's noise multiplier here: as set, or the least for a hospital that takes part in every version."""
        from privacy.accounting import noise_for

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
                    f"privacy.noise-multiplier = 0 takes the noise that keeps {self.schedule.versions} versions of "
                    f"{self.schedule.local_steps} steps within privacy.epsilon = {p.epsilon:g} at privacy.delta = "
                    f"{p.delta:g}, and there is none ({error}): raise privacy.epsilon, or lower strategy.num-versions, "
                    "train.local-steps or privacy.batch"
                ) from error
        return known[name]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread or process of this node reads or writes the record within."""
        lock = FileLock(self.path.with_suffix(".lock"))
        with self._written():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_PATIENCE)
        try:
            yield
        finally:
            lock.release()

    def spend(self) -> Cost:
        """Write down one more local training, and what it costs; the training may begin once this has returned.

        Raises
        ------
        BudgetError
            epsilon would exceed ``privacy.epsilon``, with this training or, before the first one, over the whole run,
            whatever the noise;
            or ``privacy.batch`` exceeds the hospital's units, so that nothing can be accounted for.
        RecordError
            the record cannot be read or written.
        """
        with self._alone():
            return self._spend()

    def _spend(self) -> Cost:
        from privacy.accounting import Spent, epsilon

        p, schedule = self.privacy, self.schedule
        if p.batch > self.units:
            what = "notes (examples)" if p.unit == EXAMPLE else "patients"
            raise BudgetError(
                f"privacy.batch = {p.batch} is more than the {self.units} {what} that this hospital trains on: no "
                f"probability gives that many on average. Set privacy.batch to at most {self.units}"
            )
        spent, known = self._read()
        noise = self._multiplier(known)
        this = Spent(self.rate, noise, schedule.local_steps)
        if p.epsilon and not spent:
            whole = epsilon([replace(this, steps=this.steps * schedule.versions)], p.delta, p.accountant)
            if whole > p.epsilon:
                raise BudgetError(
                    f"{schedule.versions} versions of {schedule.local_steps} steps with privacy.noise-multiplier = "
                    f"{noise:g} at a sampling rate of {self.rate:.4g} would cost epsilon = {whole:.4g}, more than "
                    f"privacy.epsilon = {p.epsilon:g}: raise the noise or the budget, or lower strategy.num-versions, "
                    "train.local-steps or privacy.batch"
                )
        total = epsilon([*spent, this], p.delta, p.accountant)
        if p.epsilon and total > p.epsilon:
            raise BudgetError(
                f"another training would bring this hospital's {p.unit}-level epsilon to {total:.4g}, beyond "
                f"privacy.epsilon = {p.epsilon:g} (delta {p.delta:g}): it takes no further part in this run"
            )
        self._write([*spent, this], known)
        return Cost(noise, epsilon([this], p.delta, p.accountant), total)
