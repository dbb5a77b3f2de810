"""Probing a run before it is started: what it takes is printed, and how many hospitals may train at once.

Not for: the arithmetic (``crossward.launcher.forecast.forecast``).
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crossward.config.run_config import RunConfig
from crossward.config.train_settings import NO_SHARDING
from crossward.launcher.errors import LauncherError
from crossward.launcher.forecast.forecast import AROUND, PATIENCE, Room, Work, room, work
from crossward.launcher.forecast.probe import Probe
from crossward.launcher.processes import ProcessTree
from crossward.machine.memory import available
from crossward.machine.waiting import announced
from crossward.report.svg import duration

REMEDIES = (
    "train.batch-size=1 with train.accumulation=4, a smaller data.max-tokens, train.gradient-checkpointing=true, or "
    "model.quantization=4bit"
)


def run_probe(tree: ProcessTree, app: str, config: RunConfig, hospitals: int, threads: int) -> Probe:
    """Probe in a process of its own.

    Raises
    ------
    LauncherError
        the model cannot be had or used, the notes do not suit it, or it does not fit into memory.
    """
    path = os.pathsep.join(filter(None, [app, os.environ.get("PYTHONPATH", "")]))
    args = [sys.executable, "-P", "-m", "crossward.launcher.forecast.probe"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = tree.start(args, env=os.environ | {"PYTHONPATH": path}, **pipes)
    asked = {"config": config.by_key(), "hospitals": hospitals, "threads": threads}
    out, err = process.communicate(json.dumps(asked).encode())
    if process.returncode == -signal.SIGKILL:
        raise LauncherError(f"the model does not fit into memory: its process was killed. Try {REMEDIES}")
    if process.returncode:
        lines = err.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise LauncherError("\n".join(lines) if process.returncode == 2 else f"the first steps failed: {lines[-1]}")
    return Probe(**json.loads(out.splitlines()[-1]))


@dataclass(frozen=True)
class Load:
    """A run's hospitals: how many, with how many ``held_out`` notes in all, how many ``at_once`` on how many ``cpus``.

    ``evaluated`` is whether the run is followed by its evaluation.
    """

    hospitals: int
    held_out: int
    at_once: int
    cpus: int
    evaluated: bool


@dataclass(frozen=True)
class Fit:
    """How many hospitals may train ``at_once``, and the seconds that a task needs to be allowed."""

    at_once: int
    task_timeout: float


def forecast(tree: ProcessTree, app: str, config: RunConfig, load: Load, say: Callable[[str], None]) -> Fit:
    """Probe, print, and return what the run needs.

    Raises
    ------
    LauncherError
        as :func:`run_probe`, or there is not enough memory for one hospital.
    """
    with announced(say, f"trying the model {config.model.name}: two training steps of one hospital"):
        found = run_probe(tree, app, config, load.hospitals, max(1, load.cpus // load.at_once))
    say(_model(found))
    on_cpu = not found.device_memory and config.node.sharding == NO_SHARDING
    if on_cpu:
        fits = room(found, load.at_once, available())
    else:
        fits = Room(load.at_once, load.at_once, found.peak, found.device_memory)
    if not fits.at_once:
        raise LauncherError(
            f"not enough memory: one hospital takes {_gb(fits.each)} and Flower {_gb(AROUND)}; "
            f"{_gb(fits.available)} are available. Try {REMEDIES}"
        )
    say(_memory(fits, on_cpu))
    tokens = work(found, config, load.hospitals, load.held_out, fits.at_once, load.evaluated)
    say(_time(tokens, found, fits.at_once))
    return Fit(fits.at_once, float(math.ceil(PATIENCE * tokens.longest)))


def _model(found: Probe) -> str:
    return (
        f"model: {found.parameters / 1e6:,.1f} M parameters in {found.dtype} on {found.device}, {found.trained:,} "
        f"trained; loaded in {found.load_seconds:.0f} s"
    )


def _memory(fits: Room, on_cpu: bool) -> str:
    if not on_cpu:
        share = f" of {_gb(fits.available)}" if fits.available else ""
        return f"memory: {_gb(fits.each)}{share} for each hospital that trains on a device"
    fewer = f" (not {fits.wanted}, which do not fit)" if fits.at_once < fits.wanted else ""
    return (
        f"memory: {_gb(fits.each)} for each of {fits.at_once} hospitals at once{fewer}, {_gb(fits.needed)} in all; "
        f"{_gb(fits.available)} are available"
    )


def _time(found: Work, probe: Probe, at_once: int) -> str:
    parts = [("in versions", found.versions), ("alone", found.alone), ("for personal adapters", found.personal)]
    trained = ", ".join(f"{tokens:,} {what}" for what, tokens in parts if tokens)
    return (
        f"time: at most about {duration(found.seconds)}: training on tokens ({trained}) at {at_once} x "
        f"{probe.train_speed:,.0f} a second, measuring {found.measured:,} at {at_once} x {probe.measure_speed:,.0f}"
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
