"""What every bottom model is: an encoder over a party's own features, whose output is bounded.

A kind of bottom says what the encoder reads (``inputs``) and how it learns without labels (``represent``).

Not for: labels (``client_app.vertical.learning.top``, ``client_app.vertical.learning.distil``).
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch

from client_app.vertical.learning.arrays import (
    Array,
    Floats,
    Ints,
    LearningError,
    State,
    load_module,
    module_state,
    taken,
)
from client_app.vertical.learning.bottoms.local_fit import local_fit
from client_app.vertical.learning.fitting import FitSettings

WITHIN = 0.9  # of the patients have embeddings that clipping leaves as they are


@dataclass(frozen=True)
class BottomSettings:
    """``dim`` values an embedding, each of L2 norm ``clip`` at most; ``hidden`` units of an encoder's middle layer."""

    dim: int = 16
    clip: float = 1.0
    hidden: int = 64
    dropout: float = 0.1
    represent: FitSettings = field(default_factory=lambda: FitSettings(epochs=30, batch=128))


class Bounded(torch.nn.Module):
    """An ``encoder`` whose output [b, dim] is centred, scaled and clipped to L2 norm ``clip``, with gradients."""

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, encoder: torch.nn.Module, settings: BottomSettings) -> None:
        super().__init__()
        self.encoder, self.clip = encoder, settings.clip
        self.register_buffer("shift", torch.zeros(settings.dim))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Inputs as the encoder takes them, to float32 [b, dim]."""
        return self.bound(self.encoder(*inputs))

    def bound(self, raw: torch.Tensor) -> torch.Tensor:
        """The encoder's output float32 [b, dim], centred, scaled and clipped."""
        moved: torch.Tensor = (raw - self.shift) * self.scale
        norms = moved.norm(dim=1, keepdim=True).clamp_min(1e-12)
        bounded: torch.Tensor = moved * (self.clip / norms).clamp(max=1.0)
        return bounded

    @torch.no_grad()
    def settle(self, raw: torch.Tensor) -> None:
        """Centre and scale such that of the encoder's outputs ``raw`` [n, dim] the share :data:`WITHIN` is not cut."""
        self.shift.copy_(raw.mean(0))
        reach = torch.quantile((raw - self.shift).norm(dim=1), WITHIN)
        self.scale.copy_(self.clip / reach.clamp_min(1e-6))


class Bottom(abc.ABC):
    """A bottom model and the patients it is for; rows are positions among them, int64."""

    kind: str

    def __init__(self, patients: int, encoder: torch.nn.Module, settings: BottomSettings) -> None:
        self.patients, self.settings, self.dim = patients, settings, settings.dim
        self.module: torch.nn.Module = Bounded(encoder, settings).eval()
        self.offsets = torch.zeros(patients, settings.dim)
        """What is added to the encoder's output for patients who had targets: each moves by a fit to others."""

    def __len__(self) -> int:
        return self.patients

    @property
    def encoder(self) -> Any:
        """The module behind what scales and clips: ``features`` [b, f] of its inputs, and a linear layer ``last``."""
        return self.module.encoder

    @abc.abstractmethod
    def inputs(self, rows: Ints) -> tuple[torch.Tensor, ...]:
        """What the encoder reads of ``rows``."""

    @abc.abstractmethod
    def digest(self) -> bytes:
        """SHA-256 of what there is of the patients."""

    @abc.abstractmethod
    def represent(self, seed: int) -> None:
        """Learn a representation of all patients without any label."""

    def forward(self, rows: Ints) -> torch.Tensor:
        """Embeddings of ``rows`` with gradients, float32 [n, dim]."""
        embedded: torch.Tensor = self.module(*self.inputs(rows))
        return embedded

    @torch.no_grad()
    def settle(self) -> None:
        """Centre, scale and clip what the encoder now makes of all patients."""
        self.module.eval()
        bounded: Any = self.module
        everyone = np.arange(self.patients, dtype=np.int64)
        bounded.settle(torch.cat([self.encoder(*self.inputs(part)) for part in parts(everyone)]))

    @torch.no_grad()
    def embed(self, rows: Ints) -> Floats:
        """Embeddings of ``rows``, float32 [n, dim], each of L2 norm ``settings.clip`` at most."""
        self.module.eval()
        if not len(rows):
            return np.zeros((0, self.dim), np.float32)
        bounded: Any = self.module
        found = [bounded.bound(self.encoder(*self.inputs(part)) + self.offsets[part]) for part in parts(rows)]
        return torch.cat(found).numpy()

    @torch.no_grad()
    def approach(self, rows: Ints, targets: Floats, seed: int) -> float:
        """Move embeddings towards the ``targets`` float32 [n, dim] that the label holder returned for ``rows``.

        As far as they can be told from features of other patients (``client_app.vertical.learning.bottoms.local_fit``):
        the share of the wanted moves' squares, 0 to 1, which is returned.

        Raises
        ------
        LearningError
            targets of another shape, or that are not finite.
        """
        wanted = checked(targets, len(rows), self.dim, "targets").numpy() - self.embed(rows)
        features = torch.cat([self.encoder.features(*self.inputs(part)) for part in parts(rows)])
        bounded: Any = self.module
        done = local_fit(features.double().numpy(), (wanted / float(bounded.scale)).astype(np.float64), seed)
        last = self.encoder.last
        last.weight += torch.from_numpy(done.weight.T).float()
        last.bias += torch.from_numpy(done.bias).float()
        by_all = features.double().numpy() @ done.weight + done.bias
        self.offsets = self.offsets.clone()
        self.offsets[rows] += torch.from_numpy(done.left_out - by_all).float()
        return done.explained

    def twin(self) -> Self:
        """Another bottom over the same patients, with weights of its own that start as these are."""
        made = copy.copy(self)
        made.module = copy.deepcopy(self.module)
        return made

    def fitted(self) -> State:
        """What else than weights was learnt, as named arrays; offsets are of patients with this digest alone."""
        return {"offsets": self.offsets.numpy().copy(), "digest": np.frombuffer(self.digest(), np.uint8).copy()}

    def take(self, state: Mapping[str, Array], prefix: str) -> None:
        """Take over what :meth:`fitted` gave, its names after ``prefix``."""
        same = taken(state, f"{prefix}digest").tobytes() == self.digest()
        offsets = taken(state, f"{prefix}offsets") if same else np.zeros((self.patients, self.dim), np.float32)
        self.offsets = torch.from_numpy(np.array(offsets, np.float32))

    def state(self) -> State:
        """All that is learnt, as named arrays."""
        fitted = {f"fitted.{name}": array for name, array in self.fitted().items()}
        return module_state(self.module, "encoder.") | fitted

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` of a bottom with the same settings gave, perhaps over other patients.

        Raises
        ------
        LearningError
            it is of a bottom of another kind, size or other features.
        """
        self.take(state, "fitted.")
        load_module(self.module, state, "encoder.")


def parts(rows: Ints, size: int = 512) -> list[Ints]:
    """``rows`` in order, in parts of at most ``size``."""
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def checked(values: Floats, rows: int, dim: int, what: str) -> torch.Tensor:
    """Values of another party as float32 [rows, dim]; LearningError for another shape, and for NaN or infinity."""
    array = np.asarray(values)
    if array.shape != (rows, dim):
        raise LearningError(f"{what} have shape {list(array.shape)}, expected {[rows, dim]}: a row for each patient.")
    if array.dtype != np.float32 or not np.isfinite(array).all():
        raise LearningError(f"{what} are to be float32 and finite; they are {array.dtype} or hold NaN or infinity.")
    return torch.from_numpy(np.array(array))


def whitened(inputs: torch.Tensor, dim: int, least: float = 1e-3) -> tuple[torch.Tensor, torch.Tensor]:
    """Principal components, each scaled to variance 1: weight float32 [dim, d] and bias [dim] of a linear layer.

    Components with a variance below ``least`` of the first's are scaled as if they had that; where ``inputs`` [n, d]
    has fewer than ``dim`` components the rest is zero.
    """
    mean = inputs.mean(0)
    _, values, directions = torch.linalg.svd((inputs - mean).double(), full_matrices=False)
    deviations = (values / max(1, len(inputs) - 1) ** 0.5)[:dim]
    largest = deviations[0].clamp_min(1e-12) if len(deviations) else torch.ones(())
    scaled = directions[:dim] / deviations.clamp_min(largest * least**0.5)[:, None]
    weight = torch.zeros(dim, inputs.shape[1])
    weight[: len(scaled)] = scaled.float()
    return weight, -(weight @ mean)
