"""What every training of a node reached, exactly: one JSON line each in the node's own folder, for whoever runs it.

What the server is sent is coarser (``client_app.training.trained``). In a simulation the launcher shows these losses
(``crossward.launcher.exact_losses``); of a hospital they stay on its disk and in its log.

Not for: private trainings of example or patient level, whose loss is not kept anywhere.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from client_app.training.trained import Trained
from crossward.protocol.messages import Task

FILE_NAME = "trainings.jsonl"
logger = logging.getLogger("crossward.node")


@dataclass(frozen=True)
class Training:
    """A local training from ``version`` for the server's task number ``task``.

    ``loss`` in nats a token is the mean over ``tokens`` predicted tokens.
    """

    task: int
    version: int
    loss: float
    tokens: int
    steps: int


def log_training(folder: Path, task: Task, exact: Trained, reported: Trained, noise: float = 0.0) -> None:
    """Log what a training for ``task`` reached, and what is reported to the server; keep it in the node's ``folder``.

    With ``noise`` a held-out loss is reported, which was made of ``exact.held_out``. That the training cannot be kept
    costs no update: the log says so.
    """
    tokens = max(exact.num_tokens, 1)
    found = Training(task.task, task.version, exact.loss_sum / tokens, exact.num_tokens, exact.steps)
    logger.info(
        "trained %d steps from version %d: training loss %.4f over %d tokens; %s",
        found.steps,
        found.version,
        found.loss,
        found.tokens,
        _says(exact, reported.loss_sum / max(reported.num_tokens, 1), noise),
    )
    try:
        with (folder / FILE_NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(found)) + "\n")
    except OSError as error:
        logger.warning("%s could not be written (%s): that loss is in this log alone", folder / FILE_NAME, error)


def _says(exact: Trained, loss: float, noise: float) -> str:
    """What is reported in place of the exact training loss."""
    if not noise:
        return f"reported as {loss:.4f}" if loss else "not reported"
    mean = sum(exact.held_out) / len(exact.held_out)
    return (
        f"before it, the loss of {len(exact.held_out)} held-out patients' windows was {mean:.4f}, "
        f"reported as {loss:.4f} with noise of {noise:.2f}"
    )


def read_trainings(lines: bytes) -> Iterator[Training]:
    """The trainings in whole ``lines`` of a log; what a power cut or a full disk left of a line is passed over."""
    for line in lines.splitlines():
        try:
            yield Training(**json.loads(line))
        except (ValueError, TypeError):
            continue
