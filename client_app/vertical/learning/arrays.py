"""A module's weights as named arrays, and back: what a party saves, without pickle.

Not for: LoRA factors, which are one vector (``crossward.adapters.vector``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[Any]
Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
State = dict[str, Array]


class LearningError(ValueError):
    """Data, embeddings or a saved state that cannot be learnt from; the message says what was expected."""


def module_state(module: torch.nn.Module, prefix: str) -> State:
    """Copies of all weights and buffers of ``module``, each named ``prefix`` and its own name."""
    return {f"{prefix}{name}": value.detach().cpu().numpy().copy() for name, value in module.state_dict().items()}


@torch.no_grad()
def load_module(module: torch.nn.Module, state: Mapping[str, Array], prefix: str) -> None:
    """Put the arrays that :func:`module_state` made of such a module into this one; all of them or none.

    Raises
    ------
    LearningError
        an array is missing, has another shape or holds values that are not finite.
    """
    wanted = module.state_dict()
    for name, value in wanted.items():
        array = taken(state, f"{prefix}{name}")
        if array.shape != tuple(value.shape):
            raise LearningError(
                f"the saved {prefix}{name} has shape {list(array.shape)}, this model's {list(value.shape)}: "
                "load it with the settings and the features that it was trained with."
            )
        if not np.isfinite(array).all():
            raise LearningError(f"the saved {prefix}{name} holds values that are not finite: the file is damaged.")
    for name, value in wanted.items():
        value.copy_(torch.from_numpy(np.array(state[f"{prefix}{name}"])))


def taken(state: Mapping[str, Array], name: str) -> Array:
    """The array ``name`` of a saved state; LearningError where it has none."""
    if name not in state:
        raise LearningError(f"the saved model lacks {name!r}: it is of another kind, or the file is damaged.")
    return state[name]
