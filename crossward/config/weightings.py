"""Weightings: what an update is worth beside the others of its version, and which of its facts that is made of.

When to use which:

- ``paper`` (arXiv 2503.12226) lets a badly fitted hospital count more and a fast link less, which offsets that it takes
  part more often.
- ``paper-literal`` reads the same formula with the mean loss and so also divides by the size.
- ``examples`` is FedAvg (arXiv 1602.05629).
- ``corrected`` grows with size and loss and leaves bandwidth to scheduling (q-FFL's form, arXiv 1905.10497).
- ``uniform`` takes nothing that a hospital reports of itself: updates differ by staleness alone.
- ``equal`` counts every update the same, whatever its hospital says of itself and however stale it is, and a version
  with fewer of them is a shorter step. Weights that depend on a loss or a count depend on data: differential privacy of
  hospitals takes ``equal``.

The registry is here and not with the strategies because both sides read it: a node reports only what the run's
weighting needs, and neither side starts a run that would withhold it. Adding one is a class and an entry.

Not for: staleness, caps and integers (``strategies.aggregation.weighting``).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

from crossward.config.privacy_settings import EXAMPLE, HOSPITAL, PATIENT

LOSS, TOKENS, EXAMPLES = "loss_sum", "num_tokens", "num_examples"
BANDWIDTH = "bandwidth"  # what the server measures
# privacy.unit -> facts that nodes replace by public constants
WITHHELD = {EXAMPLE: {LOSS}, PATIENT: {LOSS}, HOSPITAL: {LOSS, TOKENS, EXAMPLES}}
EQUAL = "equal"


class MissingFactError(LookupError):
    """A weighting reads a fact that it does not name among its needs."""


LOSS_CAP = 1.5  # times the version's median mean loss that a hospital's loss counts for: notes may be mere noise


class Facts:
    """What a weighting knows of an update: losses in nats, counts, bandwidth in Mbit/s."""

    def __init__(self, given: Mapping[str, float]) -> None:
        self._given = given

    def __getattr__(self, name: str) -> float:
        if name not in self._given:
            raise MissingFactError(
                f"a weighting that needs {', '.join(self._given) or 'nothing'} reads {name}, which nodes may have "
                f"withheld: name it in its `needs`"
            )
        return self._given[name]

    @property
    def mean_loss(self) -> float:
        """Nats a token."""
        return self.loss_sum / self.num_tokens


class Exponents(Protocol):
    """The numbers under ``strategy.`` that formulas take."""

    @property
    def bandwidth_exponent(self) -> float: ...
    @property
    def loss_exponent(self) -> float: ...
    @property
    def loss_offset(self) -> float: ...


class Weighting(ABC):
    """One formula. ``about`` is its line in the settings' reference, ``needs`` the facts that it may read.

    A ``fixed`` one gives each update the same part of W, one of ``strategy.buffer-size``, and staleness none of it.
    """

    about: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    fixed: ClassVar[bool] = False

    @abstractmethod
    def weight(self, update: Facts, s: Exponents) -> float:
        """Weight relative to the version's other updates, before staleness; not negative."""


class Paper(Weighting):
    about = "L/(|D| B^a) with the summed loss"
    needs = frozenset({LOSS, TOKENS, BANDWIDTH})

    def weight(self, update: Facts, s: Exponents) -> float:
        return update.loss_sum / (update.num_tokens * math.pow(update.bandwidth, s.bandwidth_exponent))


class PaperLiteral(Weighting):
    about = "the same with the mean loss"
    needs = frozenset({LOSS, TOKENS, BANDWIDTH})

    def weight(self, update: Facts, s: Exponents) -> float:
        return update.mean_loss / (update.num_tokens * math.pow(update.bandwidth, s.bandwidth_exponent))


class Examples(Weighting):
    about = "FedAvg"
    needs = frozenset({EXAMPLES})

    def weight(self, update: Facts, s: Exponents) -> float:
        return float(update.num_examples)


class Corrected(Weighting):
    about = "|D| (mean loss + e)^q"
    needs = frozenset({LOSS, TOKENS})

    def weight(self, update: Facts, s: Exponents) -> float:
        return update.num_tokens * math.pow(update.mean_loss + s.loss_offset, s.loss_exponent)


class Uniform(Weighting):
    about = "the same but for staleness"
    needs = frozenset[str]()

    def weight(self, update: Facts, s: Exponents) -> float:
        return 1.0


class Equal(Weighting):
    about = "1/buffer-size each, whatever its size, loss, link or staleness"
    needs = frozenset[str]()
    fixed = True

    def weight(self, update: Facts, s: Exponents) -> float:
        return 1.0


WEIGHTINGS: dict[str, Weighting] = {
    "paper": Paper(),
    "paper-literal": PaperLiteral(),
    "examples": Examples(),
    "corrected": Corrected(),
    "uniform": Uniform(),
    EQUAL: Equal(),
}


def missing(weighting: str, unit: str) -> set[str]:
    """The facts that ``weighting`` is made of and no node reports under ``privacy.unit`` = ``unit``."""
    return WITHHELD.get(unit, set()) & WEIGHTINGS[weighting].needs
