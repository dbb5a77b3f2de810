"""How far long work at a node is: steps, tokens a second, loss, memory, about every ten seconds.

Not for: what the server shows (``server_app.progress``, ``crossward.report.watch.command``).
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from data import TestBatch

EVERY = 10.0
logger = logging.getLogger("crossward.node")


class Report(NamedTuple):
    """``done`` of ``steps`` steps (0 of 0 when their number is not known), at ``speed`` tokens a second.

    ``loss`` is the mean of the last step, nats a token; ``memory`` the most bytes held at once so far, on the GPU where
    the model is on one; ``doing`` is empty for training, or which adapter is measured.
    """

    site: str
    doing: str
    done: int
    steps: int
    tokens: int
    speed: float
    loss: float
    memory: int

    def line(self) -> str:
        """For people."""
        what = f"measuring {self.doing}, batch {self.done}" if self.doing else f"step {self.done}/{self.steps}"
        loss = "" if self.doing else f", loss {self.loss:.3f}"
        return f"{self.site}: {what}{loss}, {self.speed:,.0f} tokens/s, {self.memory / 2**20:,.0f} MiB"


def log_report(report: Report) -> None:
    """To the node's log."""
    logger.info("%s", report.line())


def memory_peak(device: str) -> int:
    """The most bytes that this process has held at once on ``device``."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


class Meter:
    """Count steps; ``on_progress`` gets the first, the last, and one about every ten seconds, ``beat`` every one."""

    def __init__(
        self,
        site: str,
        steps: int,
        device: str,
        on_progress: Callable[[Report], None],
        doing: str = "",
        clock: Callable[[], float] = time.monotonic,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.beat = beat
        self.site, self.steps, self.device, self.doing, self.clock = site, steps, device, doing, clock
        self.on_progress = on_progress
        self.began = self.last = clock()
        self.done = self.tokens = 0

    def step(self, step: int, loss: float, tokens: int) -> None:
        """A step is done; ``step`` counts from 0."""
        self.beat()
        self.done, self.tokens, now = step + 1, self.tokens + tokens, self.clock()
        if self.done in (1, self.steps) or now - self.last >= EVERY:
            self.last = now
            speed = self.tokens / max(now - self.began, 1e-9)
            self.on_progress(
                Report(self.site, self.doing, self.done, self.steps, self.tokens, speed, loss, memory_peak(self.device))
            )

    def over(self, batches: Iterable[TestBatch]) -> Iterator[TestBatch]:
        """``batches``, counted as they are taken."""
        for number, batch in enumerate(batches):
            yield batch
            self.step(number, 0.0, int(batch.inputs["attention_mask"].sum()))
