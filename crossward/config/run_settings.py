"""Run-config keys that both sides read: the run itself and simulated links and speeds.

Not for: keys of one side only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from crossward.config.scenarios import HORIZONTAL, SCENARIOS
from crossward.config.settings import PATH
from crossward.machine.paths import home

LAUNCHER_LOG = re.compile(r"launcher(-\d+)?\.log")  # what a launcher puts into a run folder before there is a run


@dataclass(frozen=True)
class RunSettings:
    """Keys under ``run.``."""

    seed: int = field(
        default=0,
        metadata={"key": "run.seed", "help": "Seed of all randomness that is not secret.", "min": 0},
    )
    scenario: str = field(
        default=HORIZONTAL,
        metadata={
            "key": "run.scenario",
            "help": "; ".join(f"{name!r}: {one.about}" for name, one in SCENARIOS.items()) + ".",
            "choices": tuple(SCENARIOS),
        },
    )
    folder: str = field(
        default="",
        metadata={
            "key": "run.folder",
            "path": PATH,
            "help": "Run folder to create; empty: runs/<UTC time>-<id> in CROSSWARD_HOME (~/.crossward).",
        },
    )
    resume: str = field(
        default="",
        metadata={
            "key": "run.resume",
            "path": PATH,
            "help": "Run folder of the run to resume from its last version.",
        },
    )
    callbacks: str = field(
        default="",
        metadata={
            "key": "run.callbacks",
            "help": "Callbacks that the ServerApp loads: module:Class, several with commas (strategies.callbacks).",
        },
    )
    alone: bool = field(
        default=True,
        metadata={
            "key": "run.alone",
            "help": "After the last version every hospital trains a local adapter for num-versions x local-steps "
            "steps, for comparison, and a personal one (personal.method). They never leave the node and are trained "
            "without noise; with privacy.unit example or patient their measures stay there too.",
        },
    )
    profile: bool = field(
        default=False,
        metadata={
            "key": "run.profile",
            "help": "Train nothing: add up how many notes the hospitals have of each category, label and length, "
            "encrypted as updates are (`crossward data profile`). strategy.min-nodes is how many hospitals there are.",
        },
    )
    state: str = field(
        default="",
        metadata={
            "key": "run.state-dir",
            "path": PATH,
            "help": "Folder for the state of simulated nodes; empty: state/ in CROSSWARD_HOME.",
        },
    )

    def __post_init__(self) -> None:
        if self.folder and self.resume:
            raise ValueError("run.folder and run.resume cannot be combined: a resumed run keeps its folder")

    @property
    def state_root(self) -> Path:
        """Folder of the simulated nodes' states."""
        return Path(self.state) if self.state else home() / "state"


def simulation_keys() -> Path:
    """Folder of the consortium keys that simulations make for themselves."""
    return home() / "keys"


def launched_here(folder: Path) -> bool:
    """Whether a launcher on this machine made the run in ``folder``: a simulation, with all hospitals' notes here."""
    return folder.is_dir() and any(LAUNCHER_LOG.fullmatch(path.name) for path in folder.iterdir())


def _numbers(key: str, text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(item) for item in text.split(",") if item.strip())
    except ValueError:
        values = (-1.0,)
    if any(not 0 < value < 1e9 for value in values):
        raise ValueError(f"{key} = {text!r}: expected a comma list of numbers above 0, one a hospital")
    return values


@dataclass(frozen=True)
class SimulationSettings:
    """Keys under ``simulation.``: links and speeds of simulated hospitals, by partition id."""

    links: str = field(
        default="1000,300,100,50",
        metadata={
            "key": "simulation.links-mbit",
            "help": "Link speed of each simulated hospital in Mbit/s, repeated as needed; empty: not simulated.",
        },
    )
    slowdowns: str = field(
        default="1,1,1.5,3",
        metadata={
            "key": "simulation.slowdowns",
            "help": "How many times slower than this machine each simulated hospital computes, repeated as needed.",
        },
    )

    def __post_init__(self) -> None:
        _numbers("simulation.links-mbit", self.links)
        _numbers("simulation.slowdowns", self.slowdowns)

    def link(self, partition: int) -> float:
        """Mbit/s of a partition; 0 = not simulated."""
        values = _numbers("simulation.links-mbit", self.links)
        return values[partition % len(values)] if values else 0.0

    def slowdown(self, partition: int) -> float:
        """Factor on a partition's compute time."""
        values = _numbers("simulation.slowdowns", self.slowdowns)
        return max(values[partition % len(values)], 1.0) if values else 1.0
