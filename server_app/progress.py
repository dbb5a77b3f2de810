"""Progress of a run for people: one line an event that matters, as it happens.

In a simulation the launcher puts exact training losses into these lines where it shows them
(``crossward.launcher.exact_losses``), by the patterns below.

Not for: machines (``ledger.jsonl`` and ``metrics.jsonl`` are).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console, RenderableType

from crossward.ledger import events
from crossward.ledger.events import Event
from crossward.ledger.explain import committee_text
from crossward.ledger.state import RunState
from crossward.machine.text import printable
from crossward.report import cost
from strategies.callbacks import Callback

_CLOCK = r"^\[ *[\d.]+ s\] "
UPDATE_LINE = re.compile(_CLOCK + r"  update (?P<task>\d+) from ")
VERSION_LINE = re.compile(_CLOCK + r"version (?P<version>\d+)/\d+: ")
_ROUNDED = r"reported training loss \S+ \(rounded to powers of [^)]*\)"
_ESTIMATED = r"estimated held-out loss \S+ ± \d[\d.]*"
REPORTED_LOSS = re.compile(f"{_ROUNDED}|{_ESTIMATED}")
TRAINING_LOSS, ESTIMATED_LOSS = "training loss {:.3f}", "estimated held-out loss {:.2f} ± {:.2f}"


class Progress(Callback):
    """Prints events.

    ``rounding``: how hospitals round the loss they report; ``counts``: they count notes and report none.
    """

    def __init__(
        self,
        folder: Path,
        versions: int,
        clock: Callable[[], float] = time.monotonic,
        rounding: str = "",
        counts: bool = False,
    ) -> None:
        self.console = Console(width=None if Console().is_terminal else 140)
        self.versions, self.clock, self.began = versions, clock, clock()
        self.rounding, self.counts = rounding, counts
        self.console.print(f"Run folder: {folder}", highlight=False, soft_wrap=True)

    def say(self, what: RenderableType) -> None:
        """Print anything."""
        self.console.print(what, highlight=False, soft_wrap=True)

    def _line(self, text: str) -> None:
        text = printable(text, "?")  # nodes' words must not steer the terminal
        self.console.print(
            f"[{self.clock() - self.began:6.1f} s] {text}", highlight=False, markup=False, soft_wrap=True
        )

    def on_event(self, event: Event, state: RunState) -> None:
        """Print what a reader should know of an event, if anything."""
        for line in self._lines(event, state):
            self._line(line)

    def _lines(self, event: Event, state: RunState) -> Iterator[str]:  # noqa: C901 - one branch an event
        hospital = getattr(event, "hospital", "")
        name = state.sites.get(hospital, hospital)
        match event:
            case events.Session():
                yield f"{event.name} at version {event.version} of {event.last}"
            case events.HospitalPrivacy():
                yield (
                    f"privacy of a hospital: epsilon {event.epsilon:.4g} at delta {event.delta:g} after "
                    f"{event.versions} versions, noise multiplier {event.noise_multiplier:g}"
                )
            case events.Accepted():
                stale = f"{event.staleness} stale" if event.staleness else "fresh"
                reported = "" if state.promise else f"{self._reported(event)}, "
                yield (
                    f"  update {event.task} from {name}: based on version {event.version} ({stale}), "
                    f"{event.steps} steps, {reported}{event.bytes / 1e3:.0f} kB in {event.seconds:.1f} s"
                )
                if event.clamped:
                    yield f"  clamped: {name}: {'; '.join(event.clamped)[:300]}"
            case events.Version(reverts=None):
                members = ", ".join(
                    f"{site} {weight} (staleness {stale})"
                    for site, weight, stale in zip(event.sites, event.weights, event.staleness, strict=True)
                )
                crypto = f"; encryption {cost.seconds(event):.2f} s, {cost.share(event):.1%}" if event.key else ""
                if (took := cost.latency(event)) is not None:
                    crypto += f"; opened by {', '.join(event.openers)} in {took.seconds:.2g} s, {took.share:.1%}"
                facts = "; ".join([*self._fit(event, state), f"weights {members}"])
                yield f"version {event.version}/{self.versions}: {facts}{crypto}"
            case events.Version():
                yield f"version {event.version}: subtracts version {event.reverts}"
            case events.Measured() if "own" in event.measures:
                yield f"  {name}: trained alone and measured in {event.seconds:.1f} s"
            case events.Evaluated() if event.loss is not None:
                yield f"evaluated (asked at version {event.version}): held-out loss {event.loss:.3f}"
            case events.Refused():
                reason = next(iter(event.reason.strip().splitlines()), "no reason given")
                yield f"  {event.name}: {name or event.node}: {reason[:300]}"
            case events.Discarded():
                yield f"version {event.version} opens at no node and is discarded: {event.reason[:300]}"
            case events.CommitteeMet() | events.OpeningDropped() | events.Liar() | events.Corrected():
                yield committee_text(event, state.member)[:500]
            case events.Excluded():
                yield f"excluded: {name}: it contributed to every version that did not open"
            case events.Joined() | events.Left():
                yield f"{event.name}: {event.node}"
            case events.Snapshot():
                yield f"snapshot: {event.version}"
            case events.Disagreement():
                yield f"disagreement: {list(event.hospitals)}"
            case events.Finished():
                yield f"finished: {event.reason}"

    def _fit(self, made: events.Version, state: RunState) -> Iterator[str]:
        """What a version's line says of how well the model fits, or of what that cost."""
        if self.counts:
            yield "the hospitals' counts, added up"
        elif made.hospital_epsilon is not None:
            yield f"hospital epsilon {made.hospital_epsilon:.3g}"
        elif made.train_loss is None:
            yield "training losses withheld"
        elif made.loss_noise:
            yield ESTIMATED_LOSS.format(made.train_loss, made.loss_noise)
        elif not self.rounding:
            yield TRAINING_LOSS.format(made.train_loss)
        if (found := state.heldout) is not None:
            yield f"held-out loss {found.loss:.3f} at version {found.version}"

    def _reported(self, update: events.Accepted) -> str:
        """An update's loss or, where that is withheld, what the hospital has spent."""
        if update.local_epsilon is not None:
            return f"{update.privacy_unit}-level epsilon {update.local_epsilon:.3g}"
        if self.counts:
            return "counts"
        loss = update.loss_sum / update.num_tokens
        if update.loss_noise:
            return ESTIMATED_LOSS.format(loss, update.loss_noise)
        return f"reported training loss {loss:.3g} ({self.rounding})" if self.rounding else TRAINING_LOSS.format(loss)
