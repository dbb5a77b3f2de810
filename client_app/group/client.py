"""The learner of a node whose model lives in a worker group: asks, waits, and needs no torch.

Not for: starting a group (``client_app.group.place``).
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from client_app.group import frames
from client_app.group.place import GroupError, Options, code_version, connect, owner
from client_app.personal.result import Personal
from client_app.training.meter import Report, log_report
from client_app.training.spec import LearnerSpec
from client_app.training.trained import Trained, Vector
from crossward.adapters.ranks import Shapes
from crossward.machine.waiting import Reminder, announced
from crossward.protocol.measures import Measure

SILENCE = 60.0  # a supervisor speaks every ten seconds; without a word for this long it is no more
_DOING = {"open": "load the model and the notes", "initial": "make version 0", "sensitive": "rank the blocks"}
logger = logging.getLogger("crossward.node")


def _say(line: str) -> None:
    logger.info("%s", line)


class WorkerError(RuntimeError):
    """A rank could not do what was asked; the message is its own, and so is what of it may leave the hospital."""

    def __init__(self, message: str, leaves: str = "") -> None:
        super().__init__(message)
        self.reported = f"{type(self).__name__}: {leaves}"


class GroupLearner:
    """A :class:`client_app.node.Learner` whose work is done by the worker group in ``folder``."""

    def __init__(self, spec: LearnerSpec, folder: Path) -> None:
        settings = spec.config.node
        options = Options(
            key=spec.group_key(code_version()),
            processes=settings.processes,
            threads=settings.threads,
            device=spec.config.model.device,
            idle_timeout=settings.idle_timeout,
            stall_timeout=settings.stall_timeout,
        )
        with announced(_say, "waiting for the worker group to start, or to finish its current work"):
            self.spec, self.sock = spec, connect(folder, options)
        self.sock.settimeout(SILENCE)
        about, _ = self._ask("open")
        self.layout: str = about["layout"]
        self.sizes: tuple[int, ...] = tuple(about["sizes"])
        self.site: str = about["site"]
        self.units: int = about["units"]
        self.shapes: Shapes = about["shapes"]

    def _ask(self, what: str, arrays: Sequence[Any] = (), **facts: Any) -> frames.Frame:
        """The group's answer; logs its progress meanwhile.

        Raises
        ------
        WorkerError, GroupError
            the work failed; the group itself did.
        """
        request = {"do": what, "spec": self.spec.to_json(), "owner": owner(), **facts}
        reminder = Reminder(time.monotonic())
        try:
            frames.send(self.sock, request, arrays)
            while True:
                header, blobs = frames.receive(self.sock)
                now = time.monotonic()
                if "progress" in header:
                    log_report(Report(**header["progress"]))
                    reminder.reset(now)
                elif "alive" not in header:
                    break
                elif reminder.due(now):
                    _say(f"waiting for the worker group to {_DOING.get(what, what)} ({reminder.waited(now):.0f} s)")
        except (OSError, EOFError, frames.FrameError) as error:
            self.sock.close()
            raise GroupError(
                f"the worker group was lost before it could {what} ({type(error).__name__}); the next message starts "
                "another one"
            ) from error
        if "failed" in header:
            self.sock.close()
            if header["failed"] == GroupError.__name__:
                raise GroupError(header["reason"])
            raise WorkerError(f"{header['failed']}: {header['reason']}", header["told"])
        return header, blobs

    @functools.cached_property
    def _initial(self) -> Vector:
        return _vector(self._ask("initial")[1][0])

    def initial(self) -> Vector:
        """Version 0 of the adapter, float32 [total], asked of the group once and kept."""
        return self._initial

    def sensitive_blocks(self, fraction: float) -> tuple[bool, ...]:
        """Which blocks policy ``sensitive`` seals."""
        return tuple(self._ask("sensitive", fraction=fraction)[0]["blocks"])

    def train(self, start: Vector, version: int, seed: int) -> Trained:
        """Local training by the group."""
        facts, blobs = self._ask("train", [np.ascontiguousarray(start)], version=version, seed=seed)
        return _trained(facts, blobs)

    def train_private(self, start: Vector, version: int, noise_multiplier: float) -> Trained:
        """Private local training by the group."""
        given = {"version": version, "noise_multiplier": noise_multiplier}
        facts, blobs = self._ask("train-private", [np.ascontiguousarray(start)], **given)
        return _trained(facts, blobs)

    def alone(self, start: Vector, steps: int, seed: int) -> Vector:
        """Training without the others, by the group."""
        return _vector(self._ask("alone", [np.ascontiguousarray(start)], steps=steps, seed=seed)[1][0])

    def personal(self, start: Vector, alone: Vector | None, steps: int, seed: int) -> Personal:
        """A personal adapter, by the group."""
        arrays = [np.ascontiguousarray(vector) for vector in (start, alone) if vector is not None]
        facts, blobs = self._ask("personal", arrays, alone=alone is not None, steps=steps, seed=seed)
        return Personal.of(_vector(blobs[0]), facts)

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """Held-out measures of each named adapter, by the group."""
        arrays = [np.ascontiguousarray(vector) for vector in models.values()]
        facts, _ = self._ask("evaluate", arrays, models=list(models))
        return {name: Measure(**sums) for name, sums in facts["measures"].items()}

    def close(self, last: bool) -> None:
        """Leave the group to the next message; after the run's last one send it away."""
        if last:
            try:
                frames.send(self.sock, {"do": "leave"})
                while "done" not in frames.receive(self.sock)[0]:
                    pass
            except (OSError, EOFError, frames.FrameError):
                logger.info("the worker group exited before its run ended")
        self.sock.close()


def _trained(facts: dict[str, Any], blobs: list[bytearray]) -> Trained:
    given = {f.name: facts[f.name] for f in dataclasses.fields(Trained) if f.name != "vector"}
    return Trained(_vector(blobs[0]), **given | {"held_out": tuple(given["held_out"])})


def _vector(blob: bytearray) -> Vector:
    return np.frombuffer(blob, dtype=np.float32)
