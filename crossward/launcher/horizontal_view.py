"""A simulated run whose hospitals have notes of different patients, for who runs it: a line a version, and troubles.

It is drawn with the exact training losses that the simulated hospitals keep on this machine.

Not for: runs of parties (``crossward.launcher.vertical_view``), watching a run of another process
(``crossward.report.watch.command``).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from crossward.launcher.exact_losses import ExactLosses
from crossward.launcher.run_view import RunView
from crossward.ledger.events import (
    Disagreement,
    Discarded,
    Evaluated,
    Event,
    Excluded,
    Late,
    Left,
    Measured,
    Refused,
    Repaired,
    Session,
    Version,
)
from crossward.report.svg import clean, duration
from crossward.report.watch.command import Follower
from server_app.progress import ESTIMATED_LOSS

if TYPE_CHECKING:
    from crossward.launcher.display import Display


class HorizontalView(RunView[Follower]):
    """See the module."""

    def __init__(self, display: Display, folder: Path, exact: ExactLosses, resumed: bool) -> None:
        self.exact, self.measured = exact, 0
        self._hospitals: dict[str, str] = {}  # by node
        super().__init__(display, Follower(folder, exact=exact, seen=self.seen), resumed)

    def _draw_bar(self) -> None:
        state = self.follower.state
        version, planned = state.run.version, state.run.planned
        if planned and (bar := self.display.bar(planned)) is not None:
            if self.measured:
                words = f"training and measuring locally: {self.measured} hospitals done"
            elif version >= planned:
                words = "hospitals measure the last version"
            elif (left := state.to_go(time.time())) is not None:
                words = f"about {duration(round(left))} left"
            else:
                words = "the first version takes longest" if not version else ""
            bar.update(bar.task_ids[0], completed=version, description=words)

    def _show(self, event: Event) -> None:
        run = self.follower.state.run
        done = run.version >= run.planned
        match event:
            case Session():
                self._say(Text(f"{event.name} at version {event.version} of {event.last}"))
            case Version(reverts=None):
                self._say(self._version_line(event))
                if done:
                    what = "all versions are made; hospitals train their own adapters (run.alone), and measure"
                    self._say(Text(what, "dim"))
            case Late() if done:
                return  # whoever was still at work when the last version was made
            case Version() | Refused() | Discarded() | Excluded() | Disagreement() | Left() | Repaired():
                self._say(self._trouble(event))
            case Evaluated() if event.loss is not None:
                answered = "" if event.complete else ", not all hospitals answered"
                self._say(Text(f"{'':14}held-out loss {event.loss:.3f} at version {event.version}{answered}", "bold"))
            case Measured() if "own" in event.measures:
                self.measured += 1
                trained = "an adapter alone and a personal one" if "personal" in event.measures else "an adapter alone"
                self._say(Text(f"{clean(event.site, 64)} has trained {trained}, and measured them", "dim"))

    def _trouble(self, event: Event) -> Text:
        name = self._name(event)
        if isinstance(event, Version):
            return Text(f"version {event.version} subtracts version {event.reverts}", "yellow")
        if isinstance(event, Disagreement):
            return Text(f"{name} holds another state of version {event.version} than the others", "yellow")
        version = f"version {event.version}" if isinstance(event, Discarded) else ""
        text = [name, version, event.name, clean(getattr(event, "reason", ""), 300)]
        return Text(": ".join(filter(None, text)), "yellow")

    def _name(self, event: Event) -> str:
        """The site, or else the key or number, of the hospital that an event is about."""
        hospital, node = getattr(event, "hospital", ""), getattr(event, "node", "")
        run = self.follower.state.run
        if not hospital and node:
            hospital = self._hospitals.get(node, "")
        elif hospital and node:
            self._hospitals[node] = hospital
        return clean(run.sites.get(hospital, hospital or node), 64)

    def _version_line(self, made: Version) -> Text:
        """``version  3/24  training loss 2.364  held-out 2.401    40 s  about 2 min left  North, South (1 behind)``."""
        state, now = self.follower.state, time.time()
        planned = state.run.planned
        text = Text(f"version {made.version:>{len(str(planned))}}/{planned}  ")
        text.append(f"{self._loss(made):<42}", "bold")
        left = state.to_go(now)
        text.append(f"{duration(state.elapsed(made.time)):>12}  ", "dim")
        if self.display.console is None:  # on a terminal the bar shows it
            text.append(f"{f'about {duration(round(left))} left' if left is not None else '':<24}")
        members = [
            clean(site, 64) + (f" ({stale} behind)" if stale else "")
            for site, stale in zip(made.sites, made.staleness, strict=True)
        ]
        return text.append(", ".join(members), "dim")

    def _loss(self, made: Version) -> str:
        """The version's exact training loss where it is known, or what privacy cost; the held-out loss of late."""
        loss = self.exact.of_version(made.version)
        if loss is None and not (self.follower.rounding or made.loss_noise):
            loss = made.train_loss
        if made.train_loss is not None and made.loss_noise and loss is None:
            text = ESTIMATED_LOSS.format(made.train_loss, made.loss_noise)
        elif loss is not None:
            text = f"training loss {loss:.3f}"
        elif made.hospital_epsilon is not None:
            text = f"hospital epsilon {made.hospital_epsilon:.3g}"
        else:
            text = f"training loss {'withheld' if made.train_loss is None else 'unknown'}"
        found = self.follower.state.run.heldout
        return text if found is None else f"{text}, held-out {found.loss:.3f} at {found.version}"
