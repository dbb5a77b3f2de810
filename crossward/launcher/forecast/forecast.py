"""From what one hospital's process was seen to do to what a run takes: how many at once, memory, tokens, time.

Arithmetic alone. Not for: looking (``crossward.launcher.forecast.probe``) or showing
(``crossward.launcher.forecast.command``).
"""

from __future__ import annotations

from dataclasses import dataclass

from crossward.config.personal_settings import NONE
from crossward.config.run_config import RunConfig
from crossward.launcher.forecast.probe import Probe

AROUND = int(1.5e9)
"""Bytes that SuperLink, Ray, ServerApp and launcher hold beside the hospitals."""
PATIENCE = 4.0  # how many times as long as forecast a task may take: other work may share the machine
MARGIN = 1.1  # a process's peak in a whole run by that of its probe


@dataclass(frozen=True)
class Room:
    """How many hospitals fit at once: ``at_once`` of ``wanted``, each in ``each`` bytes, of ``available`` bytes."""

    at_once: int
    wanted: int
    each: int
    available: int

    @property
    def needed(self) -> int:
        """Bytes that the run takes."""
        return self.at_once * self.each + AROUND


def room(probe: Probe, wanted: int, available: int) -> Room:
    """How many of ``wanted`` hospitals train at once on a CPU in ``available`` bytes; 0 where not even one can."""
    each = int(MARGIN * probe.peak)
    return Room(max(0, min(wanted, (available - AROUND) // each)), wanted, each, available)


@dataclass(frozen=True)
class Work:
    """Tokens that are trained on in versions, alone and for personal adapters, and measured on; seconds they take.

    ``longest`` is how many seconds a hospital works on the longest of its tasks.
    """

    versions: int
    alone: int
    personal: int
    measured: int
    seconds: float
    longest: float


def work(probe: Probe, config: RunConfig, nodes: int, held_out: int, at_once: int, evaluated: bool) -> Work:
    """What a run of ``nodes`` hospitals with ``held_out`` held-out notes in all does, ``at_once`` of them at a time.

    Personal adapters may take up to two trainings each; all local ones take as many steps as training alone unless
    personal.steps says otherwise. With ``evaluated``, every adapter is measured at every hospital in the end.
    """
    schedule, each = config.schedule, probe.step_tokens
    steps = schedule.versions * schedule.local_steps
    size = min(config.strategy.buffer_size or nodes, nodes)
    test = int(held_out * probe.tokens / max(probe.notes, 1))
    alone = nodes * steps * each if config.run.alone else 0
    has_personal = config.personal.method != NONE
    personal = nodes * (config.personal.steps or steps) * each * 2 if has_personal else 0
    every = config.strategy.evaluate_every
    passes = (schedule.versions // every if every else 0) + 2 + bool(alone) + has_personal
    own = nodes * (bool(alone) + has_personal)
    measured = test * (passes + ((2 + own) if evaluated else 0))
    trained = steps * size * each + alone + personal
    seconds = probe.load_seconds + (trained / probe.train_speed + measured / probe.measure_speed) / at_once
    local = (alone + personal) / nodes  # one task, which ends with measuring all adapters
    longest = max(schedule.local_steps * each, local) / probe.train_speed + 4 * test / probe.measure_speed
    return Work(steps * size * each, alone, personal, measured, seconds, longest)
