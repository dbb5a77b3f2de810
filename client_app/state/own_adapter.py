"""The adapters that a node keeps to itself: the one trained on its own notes alone, and the personal one.

Not for: the global adapter's copy (``client_app.state.folder``).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from client_app.training.trained import Vector
from crossward.machine.files import replacing

logger = logging.getLogger("crossward.node")


@dataclass(frozen=True)
class OwnAdapter:
    """The adapter in the file ``path`` (NumPy, float32 [total]); ``what`` it is, for the log."""

    path: Path
    durable: bool = True
    what: str = "the adapter trained alone"

    def write(self, vector: Vector) -> None:
        """Keep ``vector`` in place of an earlier one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path, durable=self.durable) as file:
            np.save(file, vector)

    def remove(self) -> None:
        """Keep none."""
        self.path.unlink(missing_ok=True)

    def read(self, total: int) -> Vector | None:
        """The adapter of ``total`` values; None without one, or with one that cannot be read."""
        if not self.path.exists():
            return None
        try:
            with self.path.open("rb") as file:
                found = np.lib.format.read_array(file, allow_pickle=False)
            if found.shape != (total,) or found.dtype != np.float32:
                raise ValueError(f"{found.dtype} {found.shape} instead of float32 ({total},)")
        except Exception as error:  # a damaged header makes numpy raise what it likes
            logger.warning(
                "%s, %s, cannot be read (%s: %s): it is not measured",
                self.path,
                self.what,
                type(error).__name__,
                error,
            )
            return None
        return cast(Vector, found)
