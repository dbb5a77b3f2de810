"""Progress of a run for people: one line an event that matters, as it happens.

In a simulation the launcher puts exact training losses into these lines where it shows them
(``crossward.launcher.exact_losses``), by the patterns below.

Not for: machines (``ledger.jsonl`` and ``metrics.jsonl`` are).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from crossward.machine.text import printable
from crossward.protocol.messages import BEHIND, BUDGET, DUPLICATE, FAILED, LATE, MALFORMED, WRONG_KEY, WRONG_LAYOUT
from crossward.report import cost
from strategies.stopping.hospital_budget import EVENT as HOSPITAL_PRIVACY

Facts = dict[str, Any]

_CLOCK = r"^\[ *[\d.]+ s\] "
UPDATE_LINE = re.compile(_CLOCK + r"  update (?P<task>\d+) from ")
VERSION_LINE = re.compile(_CLOCK + r"version (?P<version>\d+)/\d+: ")
REPORTED_LOSS = re.compile(r"reported training loss \S+ \(rounded to powers of [^)]*\)")
TRAINING_LOSS = "training loss {:.3f}"


class Progress:
    """Prints events; give it to ``RunFolder.observers``. ``rounding``: how hospitals round the loss they report."""

    def __init__(
        self, folder: Path, versions: int, clock: Callable[[], float] = time.monotonic, rounding: str = ""
    ) -> None:
        self.console = Console(width=None if Console().is_terminal else 140)
        self.versions, self.clock, self.began = versions, clock, clock()
        self.sites: dict[str, str] = {}
        self.withheld, self.rounding = False, rounding
        self.heldout = ""
        self.console.print(f"Run folder: {folder}", highlight=False, soft_wrap=True)

    def say(self, what: RenderableType) -> None:
        """Print anything."""
        self.console.print(what, highlight=False, soft_wrap=True)

    def _line(self, text: str) -> None:
        text = printable(text, "?")  # nodes' words must not steer the terminal
        self.console.print(
            f"[{self.clock() - self.began:6.1f} s] {text}", highlight=False, markup=False, soft_wrap=True
        )

    def __call__(self, line: Facts) -> None:  # noqa: C901 - one branch an event
        """Print what a reader should know of an event, if anything."""
        event = line["event"]
        if "site" in line and "hospital" in line:
            self.sites[line["hospital"]] = line["site"]
        name = self.sites.get(line.get("hospital", ""), line.get("hospital", ""))
        if event in ("started", "resumed"):
            self._line(f"{event} at version {line['version']} of {line['last']}")
        elif event == HOSPITAL_PRIVACY:
            self.withheld = True  # no hospital reports a training loss
            self._line(
                f"privacy of a hospital: epsilon {line['epsilon']:.4g} at delta {line['delta']:g} after "
                f"{line['versions']} versions, noise multiplier {line['noise_multiplier']:g}"
            )
        elif event == "accepted":
            stale = f"{line['staleness']} stale" if line["staleness"] else "fresh"
            told = "" if self.withheld else f"{self._told(line)}, "
            self._line(
                f"  update {line['task']} from {name}: based on version {line['version']} ({stale}), "
                f"{line['steps']} steps, {told}{line['bytes'] / 1e3:.0f} kB in {line['seconds']:.1f} s"
            )
            if clamped := line.get("clamped"):
                self._line(f"  clamped: {name}: {'; '.join(map(str, clamped))[:300]}")
        elif event == "version" and "reverts" in line:
            self._line(f"version {line['version']}: subtracts version {line['reverts']}")
        elif event == "version":
            members = ", ".join(
                f"{site} {weight} (staleness {stale})"
                for site, weight, stale in zip(line["sites"], line["weights"], line["staleness"], strict=True)
            )
            crypto = f"; encryption {cost.seconds(line):.2f} s, {cost.share(line):.1%}" if line["key"] else ""
            facts = "; ".join([*self._fit(line), f"weights {members}"])
            self._line(f"version {line['version']}/{self.versions}: {facts}{crypto}")
        elif event == "measured" and "own_loss_sum" in line:
            self._line(f"  {name}: trained alone and measured in {line['seconds']:.1f} s")
        elif event == "evaluated" and line["loss"] is not None:
            self.heldout = f"held-out loss {line['loss']:.3f} at version {line['version']}"
            self._line(f"evaluated (asked at version {line['version']}): held-out loss {line['loss']:.3f}")
        elif event in (FAILED, LATE, MALFORMED, WRONG_KEY, WRONG_LAYOUT, DUPLICATE, BEHIND, BUDGET):
            reason = next(iter(str(line.get("reason", "")).strip().splitlines()), "no reason given")
            self._line(f"  {event}: {name or line.get('node', '')}: {reason[:300]}")
        elif event == "void":
            self._line(f"version {line['version']} opens at no node and is left out: {str(line['reason'])[:300]}")
        elif event == "excluded":
            self._line(f"excluded: {name}: it contributed to every version that did not open")
        elif event in ("joined", "left", "snapshot", "disagreement", "finished"):
            detail = {"snapshot": "version", "finished": "reason", "disagreement": "hospitals"}.get(event, "node")
            self._line(f"{event}: {line.get(detail, '')}")

    def _fit(self, line: Facts) -> list[str]:
        """What a version's line says of how well the model fits, or of what that cost."""
        if "hospital_epsilon" in line:
            said = [f"hospital epsilon {line['hospital_epsilon']:.3g}"]
        elif "train_loss" not in line:
            said = ["training losses withheld"]
        else:
            said = [] if self.rounding else [TRAINING_LOSS.format(line["train_loss"])]
        return [*said, *filter(None, [self.heldout])]

    def _told(self, line: Facts) -> str:
        """An update's loss or, where that is withheld, what the hospital has spent."""
        if "local_epsilon" in line:
            return f"{line['privacy_unit']}-level epsilon {line['local_epsilon']:.3g}"
        loss = line["loss_sum"] / line["num_tokens"]
        return f"reported training loss {loss:.3g} ({self.rounding})" if self.rounding else TRAINING_LOSS.format(loss)
