"""How long nodes will take, from how long they took: what deadlines and the schedule are made of.

A node's round trips are smoothed as TCP smooths its own (RFC 6298): a mean and a mean deviation, a kind of task at a
time. A deadline is ``factor`` times (mean + 4 deviations), and what a larger download than usual adds at the node's
measured bandwidth; with every task in a row that came to no reply it doubles, as does the time that is given to a
node not measured yet. So a link that is slow, or has become slow, is waited for in the end.

Not for: bandwidths themselves (``strategies.exchange.bandwidth``), or acting on a deadline
(``strategies.exchange.reception``).
"""

from __future__ import annotations

from dataclasses import dataclass

from crossward.config.strategy_settings import StrategySettings
from crossward.protocol.messages import KINDS
from strategies.exchange.bandwidth import Bandwidths

_GAIN, _DEVIATION_GAIN, _DEVIATIONS = 1 / 8, 1 / 4, 4.0
_MOST_DOUBLINGS = 8


@dataclass
class _Times:
    mean: float
    deviation: float
    size: float

    def add(self, seconds: float, size: int) -> None:
        self.deviation += _DEVIATION_GAIN * (abs(seconds - self.mean) - self.deviation)
        self.mean += _GAIN * (seconds - self.mean)
        self.size += _GAIN * (size - self.size)


class Forecast:
    """Round trips by node and kind of task, and the pace of versions."""

    def __init__(self, settings: StrategySettings, bandwidths: Bandwidths) -> None:
        self.settings, self.bandwidths = settings, bandwidths
        self._times: dict[tuple[int, str], _Times] = {}
        self._unanswered: dict[int, int] = {}
        self._silent: dict[tuple[int, str], int] = {}
        self._versions, self._seconds = 0, 0.0

    def observe(self, node: int, kind: str, seconds: float, size: int) -> None:
        """A task was answered after ``seconds``; ``size`` bytes went to the node with it."""
        self._unanswered.pop(node, None)
        self._silent.pop((node, kind), None)
        times = self._times.get((node, kind))
        if times is None:
            self._times[node, kind] = _Times(seconds, seconds / 2, size)
        else:
            times.add(seconds, size)

    def unanswered(self, node: int, kind: str) -> None:
        """The deadline of a task of a ``kind`` passed."""
        self._unanswered[node] = self._unanswered.get(node, 0) + 1
        self._silent[node, kind] = self.silent(node, kind) + 1

    def silent(self, node: int, kind: str) -> int:
        """How many tasks of a ``kind`` in a row a node let pass their deadline."""
        return self._silent.get((node, kind), 0)

    def expected(self, node: int, kind: str, size: int = 0) -> float | None:
        """Seconds that a task with ``size`` bytes down will probably take; None while nothing is known."""
        times = self._times.get((node, kind))
        return None if times is None else times.mean + self._surplus(node, times, size)

    def _surplus(self, node: int, times: _Times, size: int) -> float:
        return 8e-6 * (size - times.size) / self.bandwidths.value(node) if size > times.size else 0.0

    def deadline(self, node: int, kind: str, size: int) -> float:
        """Seconds after which a task with ``size`` bytes down counts as failed."""
        s, times = self.settings, self._times.get((node, kind))
        doubled = 2.0 ** min(self._unanswered.get(node, 0), _MOST_DOUBLINGS)
        if times is None:
            return (min(s.min_timeout, s.task_timeout) if KINDS[kind].beside else s.task_timeout) * doubled
        usual = times.mean + _DEVIATIONS * times.deviation + self._surplus(node, times, size)
        return max(s.timeout_factor * usual, min(s.min_timeout, s.task_timeout)) * doubled

    def version(self, seconds: float) -> None:
        """A version was made ``seconds`` after the one before."""
        self._versions, self._seconds = self._versions + 1, self._seconds + seconds

    @property
    def pace(self) -> float:
        """Mean seconds between versions over the whole session, as they come in bursts; infinity while unknown."""
        return self._seconds / self._versions if self._versions else float("inf")

    def remaining(self, versions: int, since: float) -> float:
        """Seconds until ``versions`` more are made, ``since`` s after the last one; infinity while unknown.

        Of what is overdue nothing is known but how long it already takes: as long again is expected.
        """
        if not self._versions:
            return float("inf")
        pace = self.pace
        left = versions * pace - since
        return left if left > pace / 2 else max(pace / 2, since)
