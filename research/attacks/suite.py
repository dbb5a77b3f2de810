"""``crossward attack``: attacks updates, sums and adapters of a run, and measures what leaks.

Steps: make the laboratory (embedded model, synthetic hospitals); run the registry's attacks; print a table a view;
write scores and settings as JSON and figures as PNG. ``--quick`` takes ten minutes on one core. The full suite takes
hours: on a core shared with other work half an hour for recovery, fifty minutes for membership and canaries together,
half an hour for reported facts, eleven minutes for sums and four for held-out losses; the full aggregate and frontier
have not been timed. All of ``--scenario vertical`` takes a quarter of an hour, two minutes with ``--quick``.

Not for: its options (``crossward.cli.research``), a run's own record of privacy (``server_app``), comparing methods
(``research.compare``).
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from research.attacks.scores import VIEWS, Score

if TYPE_CHECKING:
    from research.attacks.sizes import Size
    from research.attacks.vertical.consortium import VerticalSize

Run = Callable[[Any, Callable[[str], None]], list[Score]]
REGISTRY = {  # module and function
    "recovery": "research.attacks.recovery:run",
    "coalition": "research.attacks.coalition:run",
    "aggregate": "research.attacks.aggregate:run",
    "sums": "research.attacks.sums:run",
    "frontier": "research.attacks.frontier:run",
    "membership": "research.attacks.memory:membership",
    "reported": "research.attacks.memory:reported",
    "held-out": "research.attacks.memory:held_out",
    "canaries": "research.attacks.memory:canaries",
}
VERTICAL = {
    "inversion": "research.attacks.vertical.inversion:run",
    "labels": "research.attacks.vertical.labels:run",
    "intersection": "research.attacks.vertical.intersection:run",
}


@dataclass(frozen=True)
class Scenario:
    """The attacks on one kind of run, where they are made (``laboratory``: a module and class), and at which sizes."""

    attacks: dict[str, str]
    laboratory: str
    sizes: str

    def size(self, quick: bool) -> Any:
        """The laboratory's, from the module that ``sizes`` names."""
        return getattr(importlib.import_module(self.sizes), "QUICK" if quick else "FULL")


SCENARIOS = {
    "horizontal": Scenario(REGISTRY, "research.attacks.laboratory:Laboratory", "research.attacks.sizes"),
    "vertical": Scenario(
        VERTICAL, "research.attacks.vertical.consortium:Consortium", "research.attacks.vertical.consortium"
    ),
}


class AttackError(RuntimeError):
    """The suite cannot run as asked; the message says why."""


def chosen(only: str, registry: dict[str, str] = REGISTRY) -> list[tuple[str, Run]]:
    """The attacks asked for, of those that ``registry`` has.

    Raises
    ------
    AttackError
        a name is not in the registry.
    """
    names = [name.strip() for name in only.split(",") if name.strip()] or list(registry)
    out: list[tuple[str, Run]] = []
    for name in names:
        if name not in registry:
            raise AttackError(f"--only: there is no attack {name!r}; expected some of {', '.join(registry)}")
        module, _, function = registry[name].partition(":")
        out.append((name, getattr(importlib.import_module(module), function)))
    return out


def table(scores: Sequence[Score], view: str) -> Any:
    """The rows of one view."""
    from rich.table import Table

    out = Table(title=f"View: {view}", title_justify="left")
    for name in ("attack", "method", "setting", "metric"):
        out.add_column(name)
    for name in ("found", "guess", "gain", "95 % interval", "victims", "nothing?"):
        out.add_column(name, justify="right", no_wrap=True)
    for s in (s for s in scores if s.view == view):
        verdict = "" if s.equivalent is None else "yes" if s.equivalent else "no"
        cells = (f"{s.value:.3f}", f"{s.guess:.3f}", f"{s.gain:+.3f}", f"{s.low:+.3f} {s.high:+.3f}", str(s.samples))
        out.add_row(s.attack, s.method, s.setting, s.metric, *cells, verdict)
    return out


def measure(
    lab: Any, attacks: Sequence[tuple[str, Run]], console: Any, keep: Callable[[list[Score]], None]
) -> list[Score]:
    """Every attack's scores, with what is going on told on ``console``; ``keep`` gets them after every attack."""
    scores: list[Score] = []
    began = time.monotonic()
    with console.status("attacks") as status:

        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal:  # where no status line is drawn
                console.print(f"[{time.monotonic() - began:6.0f} s] {text}", highlight=False, markup=False)

        for name, run in attacks:
            scores += run(lab, lambda step, name=name: say(f"{name}: {step}"))  # type: ignore[misc]
            keep(scores)
            console.print(f"{name}: {len(scores)} scores so far")
    return scores


def made(kind: Scenario, size: Any, seed: int, rank: int) -> Any:
    """The laboratory of a scenario; vertical runs have no rank of their own."""
    laboratory = pkgutil.resolve_name(kind.laboratory)
    return laboratory(size, seed, rank) if kind.attacks is REGISTRY else laboratory(size, seed)


def attack(  # noqa: C901 - a recipe, read from top to bottom
    only: str = "",
    quick: bool = False,
    json_file: Path | None = None,
    figures: Path | None = None,
    seed: int = 0,
    rank: int = 8,
    size: Size | VerticalSize | None = None,
    scenario: str = "horizontal",
) -> int:
    """Run the suite; 0 when everything asked for was done, 1 when an attack did not reach its positive control.

    ``size`` replaces what ``quick`` chooses.

    Raises
    ------
    AttackError
        it cannot run as asked.
    OSError
        a file cannot be written.
    """
    from rich.console import Console

    console = Console(width=None if Console().is_terminal else 160)
    if scenario not in SCENARIOS:
        raise AttackError(f"--scenario: there is none {scenario!r}; expected one of {', '.join(SCENARIOS)}")
    kind = SCENARIOS[scenario]
    attacks = chosen(only, kind.attacks)
    if json_file:  # before the long work
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.touch()
    if figures:
        figures.mkdir(parents=True, exist_ok=True)
    size = size or kind.size(quick)
    try:
        lab = made(kind, size, seed, rank)
    except ValueError as error:
        raise AttackError(str(error)) from error
    from research.attacks.controls import broken

    def keep(scores: list[Score]) -> None:
        if json_file:
            settings = {"scenario": scenario, "seed": seed, "rank": rank, "size": dataclasses.asdict(size)}
            content = {"scores": [s.to_json() for s in scores], "settings": settings}
            json_file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    scores = measure(lab, attacks, console, keep)
    for view in VIEWS:
        if any(s.view == view for s in scores):
            console.print(table(scores, view))
    failed = broken(scores)
    for name, problem in failed.items():
        console.print(f"[bold red]{name}: the positive control was not reached:[/bold red] {problem}", highlight=False)
    if json_file:
        console.print(f"wrote {json_file}")
    if figures:
        from research.attacks.figures import write

        for path in write(scores, figures):
            console.print(f"wrote {path}")
    return 1 if failed else 0
