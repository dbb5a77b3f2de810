"""Held-out measures that add up over hospitals: loss and next-token accuracy, with intervals by patient.

Tokens of one patient are not independent, so variances are taken over patients: for a mean ``sum x_i / sum n_i``
over patients i the linearised variance of the numerator is ``m/(m-1) sum (x_i - mean n_i)^2`` (the ratio estimator
of survey sampling; Cochran, Sampling Techniques, 3rd ed., eq. 6.13). Hospitals are strata: their variances add.
Two adapters on the same notes are compared by the same estimator of the patients' differences, which is paired: what
makes a patient's notes hard for both cancels out. As few patients can be compared, its interval is Student's, with one
degree of freedom less than patients at each hospital.

Not for: running a model (``client_app.training.measuring``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

_Z = 1.959963984540054  # two-sided 95 %
Patient = tuple[float, float, float]  # tokens, loss_sum, correct


@dataclass(frozen=True)
class Measure:
    """Sums over held-out notes. ``loss_sum`` in nats over ``tokens`` predicted tokens, ``correct`` of them right.

    ``loss_var`` and ``correct_var`` are variances of the two sums over patients.
    """

    patients: float = 0.0
    tokens: float = 0.0
    loss_sum: float = 0.0
    correct: float = 0.0
    loss_var: float = 0.0
    correct_var: float = 0.0

    def __add__(self, other: Measure) -> Measure:
        return Measure(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.loss_sum / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(loss)."""
        return math.exp(min(self.loss, 700.0))

    @property
    def token_accuracy(self) -> float:
        """Share of held-out tokens that were the most likely one."""
        return self.correct / self.tokens

    @property
    def has_interval(self) -> bool:
        """Whether there are patients enough (two) to tell how much they differ."""
        return self.patients >= 2

    def perplexity_interval(self) -> tuple[float, float]:
        """95 % interval of the perplexity, from the loss's by patient."""
        half = _Z * math.sqrt(self.loss_var) / self.tokens
        return math.exp(min(self.loss - half, 700.0)), math.exp(min(self.loss + half, 700.0))

    def accuracy_interval(self) -> tuple[float, float]:
        """95 % interval of the token accuracy, by patient."""
        half = _Z * math.sqrt(self.correct_var) / self.tokens
        return max(self.token_accuracy - half, 0.0), min(self.token_accuracy + half, 1.0)

    def as_dict(self) -> dict[str, float]:
        """The sums by name."""
        return asdict(self)


@dataclass(frozen=True)
class Difference:
    """How much more one adapter loses than another on the same held-out notes: nats summed over ``tokens``.

    ``loss_var`` is the variance of that sum over patients, each compared with itself, on ``degrees`` of freedom.
    """

    patients: float = 0.0
    tokens: float = 0.0
    loss_sum: float = 0.0
    loss_var: float = 0.0
    degrees: float = 0.0

    def __add__(self, other: Difference) -> Difference:
        return Difference(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def loss(self) -> float:
        """Nats a token; negative where the first adapter is better."""
        return self.loss_sum / self.tokens

    def half_width(self) -> float | None:
        """Half of the 95 % interval of :attr:`loss`, paired by patient; None with one patient at each hospital."""
        if not self.degrees:
            return None
        from scipy.special import stdtrit  # takes time to import, and only evaluations need it

        return float(stdtrit(self.degrees, 0.975)) * math.sqrt(self.loss_var) / self.tokens

    def interval(self) -> tuple[float, float]:
        """95 % interval of :attr:`loss`, paired by patient; without bounds where :meth:`half_width` is None."""
        half = self.half_width()
        return self.loss - (math.inf if half is None else half), self.loss + (math.inf if half is None else half)


def difference(one: Iterable[Patient], other: Iterable[Patient]) -> Difference:
    """Loss of ``one`` minus loss of ``other``: the same patients, in the same order, of one hospital.

    Raises
    ------
    ValueError
        they are not of the same patients and tokens.
    """
    pairs = list(zip(one, other, strict=True))
    if any(a[0] != b[0] for a, b in pairs):
        raise ValueError("the two adapters were measured on different notes: their losses cannot be paired")
    found = measure((a[0], a[1] - b[1], 0.0) for a, b in pairs)
    return Difference(found.patients, found.tokens, found.loss_sum, found.loss_var, max(found.patients - 1, 0.0))


def measure(patients: Iterable[Patient]) -> Measure:
    """Measure of one hospital from (tokens, loss_sum, correct) of each of its held-out patients."""
    rows = [row for row in patients if row[0] > 0]
    tokens, loss, correct = (sum(row[i] for row in rows) for i in range(3))
    if not rows:
        return Measure()
    scale = len(rows) / max(len(rows) - 1, 1)
    loss_var = scale * sum((x - loss / tokens * n) ** 2 for n, x, _ in rows)
    correct_var = scale * sum((y - correct / tokens * n) ** 2 for n, _, y in rows)
    return Measure(len(rows), tokens, loss, correct, loss_var, correct_var)
