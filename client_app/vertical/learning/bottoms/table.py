"""The bottom model of a table: standardised values and what is missing, a linear map and a small network beside it.

It learns without labels to tell the values of a row that it is not shown from those that it is (masked-feature
reconstruction, as in VIME, NeurIPS 2020, and arXiv 2106.01342), from principal components on.

Not for: reading tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from client_app.vertical.learning.arrays import Array, Doubles, Ints, LearningError, State, taken
from client_app.vertical.learning.bottoms.bottom import Bottom, BottomSettings, whitened
from client_app.vertical.learning.fitting import fit
from client_app.vertical.learning.seeding import seeded

TABLE = "table"
FARTHEST = 5.0  # standard deviations: what lies beyond is taken to be there
MASKED = 0.2


class TableEncoder(torch.nn.Module):
    """Standardised values [b, f], 0 where missing, and whether each is [b, f], to [b, dim]."""

    def __init__(self, features: int, settings: BottomSettings) -> None:
        super().__init__()
        self.network = torch.nn.Sequential(
            torch.nn.Linear(2 * features, settings.hidden), torch.nn.GELU(), torch.nn.Dropout(settings.dropout)
        )
        self.last = torch.nn.Linear(2 * features + settings.hidden, settings.dim)

    def features(self, values: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
        """Values and indicators, float32 [b, f] each, and what the network makes of them, float32 [b, 2 f + hidden]."""
        both = torch.cat([values, missing], 1)
        return torch.cat([both, self.network(both)], 1)

    def forward(self, values: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
        """Values and indicators, float32 [b, f] each, to float32 [b, dim]."""
        embedded: torch.Tensor = self.last(self.features(values, missing))
        return embedded


class TableBottom(Bottom):
    """A bottom over ``values`` float64 [patients, features], NaN where missing."""

    kind = TABLE

    def __init__(self, values: Doubles, names: Sequence[str], settings: BottomSettings, seed: int) -> None:
        _check(values, names)
        with seeded(seed):
            encoder = TableEncoder(len(names), settings)
        super().__init__(len(values), encoder, settings)
        self.values, self.names = values, tuple(names)
        self.mean, self.deviation = _moments(values)
        self._fill()

    def _fill(self) -> None:
        """Standardise, with the mean where a value is missing."""
        z = np.clip((self.values - self.mean) / self.deviation, -FARTHEST, FARTHEST)
        self._missing = torch.from_numpy(np.isnan(z).astype(np.float32))
        self._values = torch.from_numpy(np.nan_to_num(z).astype(np.float32))

    def inputs(self, rows: Ints) -> tuple[torch.Tensor, ...]:
        """Standardised values and indicators of ``rows``, float32 [n, features] each."""
        return self._values[rows], self._missing[rows]

    def digest(self) -> bytes:
        """Of the values as they were given."""
        return hashlib.sha256(np.ascontiguousarray(self.values).tobytes()).digest()

    def represent(self, seed: int) -> None:
        """Principal components first, then masked-feature reconstruction."""
        encoder = self.encoder
        weight, bias = whitened(torch.cat([self._values, self._missing], 1), self.dim)
        with torch.no_grad():
            encoder.last.weight.zero_()
            encoder.last.weight[:, : weight.shape[1]] = weight
            encoder.last.bias.copy_(bias)
        with seeded(seed):
            decoder = torch.nn.Sequential(
                torch.nn.Linear(self.dim, self.settings.hidden),
                torch.nn.GELU(),
                torch.nn.Linear(self.settings.hidden, len(self.names)),
            )
            self._reconstruct(decoder, np.arange(len(self), dtype=np.int64), seed)
        self.settle()

    def _reconstruct(self, decoder: torch.nn.Module, rows: Ints, seed: int) -> None:
        encoder = self.encoder

        def loss(part: Ints) -> torch.Tensor:
            values, missing = self.inputs(part)
            hidden = torch.rand(values.shape) < MASKED
            shown = encoder(values.masked_fill(hidden, 0.0), missing.masked_fill(hidden, 1.0))
            known = 1.0 - missing
            errors = (decoder(shown) - values).square() * known
            mean: torch.Tensor = errors.sum() / known.sum().clamp_min(1.0)
            return mean

        fit(torch.nn.ModuleList([encoder, decoder]), loss, rows, self.settings.represent, seed)

    def fitted(self) -> State:
        """The moments that values are standardised by, float64 [features], and the features' names."""
        names = np.frombuffer(json.dumps(self.names).encode(), np.uint8).copy()
        return super().fitted() | {"mean": self.mean, "deviation": self.deviation, "names": names}

    def take(self, state: Mapping[str, Array], prefix: str) -> None:
        """Raises LearningError where the features are others, or in another order."""
        names = tuple(json.loads(taken(state, f"{prefix}names").tobytes()))
        if names != self.names:
            other = next((a for a, b in zip(names, self.names, strict=False) if a != b), "")
            raise LearningError(
                f"the saved model was trained on {len(names)} features, this table has {len(self.names)}; "
                + (f"the first that differs is {other!r}. " if other else "")
                + "Give a table with the same features in the same order."
            )
        super().take(state, prefix)
        self.mean, self.deviation = taken(state, f"{prefix}mean"), taken(state, f"{prefix}deviation")
        self._fill()


def _check(values: Doubles, names: Sequence[str]) -> None:
    if values.ndim != 2 or values.shape[1] != len(names) or not len(names):
        raise LearningError(
            f"a table of shape {list(values.shape)} with {len(names)} names: expected a column for each name, and at "
            "least one."
        )
    if np.isinf(values).any():
        at = int(np.flatnonzero(np.isinf(values).any(0))[0])
        raise LearningError(f"feature {names[at]!r} holds infinite values: leave them empty where they are unknown.")


def _moments(values: Doubles) -> tuple[Doubles, Doubles]:
    """Mean and standard deviation of each column's known values within their 1st and 99th percentile.

    0 and 1 of a column without any; a deviation of 1 where it would be 0. One value that was typed wrong does not move
    all others together.
    """
    mean, deviation = np.zeros(values.shape[1]), np.ones(values.shape[1])
    for number, column in enumerate(values.T):
        known = column[~np.isnan(column)]
        if len(known):
            usual = np.clip(known, *np.quantile(known, [0.01, 0.99]))
            mean[number], deviation[number] = usual.mean(), usual.std() or 1.0
    return mean, deviation
