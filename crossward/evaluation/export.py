"""A run's global adapter as a PEFT folder. Not for: measuring it (``crossward.evaluation.report``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client_app.training.learner import AdaptedModel, adapted_model
from crossward.adapters import save_adapter, write_vector
from crossward.evaluation.opening import consortium_key, vault_of
from crossward.evaluation.replay import consortium_of, global_vector, open_run


def write_adapter(adapted: AdaptedModel, vector: NDArray[np.float32], folder: Path) -> None:
    """Put ``vector``, float32 [total], into the adapted model and write its adapter into ``folder``."""
    write_vector(adapted.model, adapted.layout, vector)
    save_adapter(adapted.model, folder, adapted.layout)


def export(
    run_folder: Path,
    out: Path,
    key: Path | None,
    passphrase: Path | None,
    version: int | None,
    roster: Path | None = None,
) -> Path:
    """Write the adapter of ``version`` (default: the last) of a run into ``out``; reads no note.

    ``roster`` as in :func:`crossward.evaluation.replay.consortium_of`.

    Raises
    ------
    EvaluationError
        the run or the version does not exist, or key and roster do not open it.
    KeyFileError
        the key file cannot be used.
    """
    run = open_run(run_folder)
    opens = consortium_key(run, key, passphrase)
    checks = consortium_of(run, roster)
    adapted = adapted_model(run.config.model, run.config.lora, run.config.run.seed)
    layout = adapted.layout
    sizes = tuple(block.size for block in layout.blocks)
    vault = vault_of(run, opens, adapted)
    vector = global_vector(run, adapted.initial, layout.fingerprint, sizes, version, vault, checks)
    write_adapter(adapted, vector, out)
    return out
