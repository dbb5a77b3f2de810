"""Training the first components of LoRA factors alone: parameters, gradients and optimiser state of a slice.

Within `trained_slice` every trained factor is two parts: the first components as a parameter, the others as a buffer.
Both take part in the forward pass, so that gradients are those of the whole adapter; only the first has a gradient.
Parts are joined after the products, so no gradient of the whole factor is made either.

Not for: which values of a vector these are (``crossward.adapters.ranks``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch.nn.functional import linear, pad

from crossward.adapters.core import Cored, lora_layers


class _Slice(torch.nn.Module):
    """``own``, the trained part of a factor, and ``rest``, the whole with zeros or nothing in its place."""

    rest: torch.Tensor
    bias = None

    def __init__(self, own: torch.Tensor, rest: torch.Tensor) -> None:
        super().__init__()
        rows, columns = own.shape
        like = {"bias": False, "device": own.device, "dtype": own.dtype}
        self.own: Any = cast(Any, torch.nn.utils).skip_init(
            torch.nn.Linear, columns, rows, **like
        )  # draws no random numbers
        with torch.no_grad():
            self.own.weight.copy_(own)
        self.register_buffer("rest", rest.detach())

    @property
    def weight(self) -> torch.Tensor:
        """The trained part: PEFT asks for its precision."""
        own: torch.Tensor = self.own.weight
        return own


class SlicedA(_Slice):
    """A [r, in] as its first rows and the others."""

    def __init__(self, whole: torch.Tensor, rank: int) -> None:
        super().__init__(whole[:rank], whole[rank:])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., r]."""
        return torch.cat([self.own(x), linear(x, self.rest)], -1)


class SlicedB(_Slice):
    """B [out, r] as its first columns and the others."""

    def __init__(self, whole: torch.Tensor, rank: int) -> None:
        super().__init__(whole[:, :rank], whole[:, rank:])
        self.rank = rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., r] to [..., out]."""
        first: torch.Tensor = self.own(x[..., : self.rank])
        return first + linear(x[..., self.rank :], self.rest)


class SlicedCore(_Slice):
    """A core [r, r] as its upper left part and the rest of it."""

    def __init__(self, whole: torch.Tensor, rank: int) -> None:
        rest = whole.detach().clone()
        rest[:rank, :rank] = 0.0
        super().__init__(whole[:rank, :rank], rest)
        self.rank = rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., r] to [..., r]."""
        first = self.own(x[..., : self.rank])
        return linear(x, self.rest) + pad(first, (0, self.rest.shape[0] - self.rank))


@contextlib.contextmanager
def trained_slice(peft_model: Any, rank: int) -> Iterator[None]:
    """Within it only the first ``rank`` components of the trained factors are parameters (0: as they are).

    Afterwards the model is as before, with what these components became.
    """
    swapped: list[tuple[Any, str, Any, _Slice]] = []
    try:
        for _, layer in lora_layers(peft_model) if rank else ():
            for holder, name, kind in _factors(layer):
                whole = _module(holder, name)
                swapped.append((holder, name, whole, kind(whole.weight, rank)))
                _put(holder, name, swapped[-1][3])
        yield
    finally:
        with torch.no_grad():
            for holder, name, whole, made in swapped:
                own = made.own.weight
                whole.weight[: own.shape[0], : own.shape[1]] = own
                _put(holder, name, whole)


def _factors(layer: Any) -> list[tuple[Any, str, type[Any]]]:
    """(where it is, its name, what takes its place) of every trained factor of a layer."""
    a, b = layer.lora_A["default"], layer.lora_B["default"]
    if isinstance(b, Cored):
        return [(b, "core", SlicedCore)]
    found = [(layer.lora_A, "default", SlicedA)] if a.weight.requires_grad else []
    return [*found, (layer.lora_B, "default", SlicedB)]


def _module(holder: Any, name: str) -> Any:
    return holder[name] if isinstance(holder, torch.nn.ModuleDict) else getattr(holder, name)


def _put(holder: Any, name: str, module: torch.nn.Module) -> None:
    if isinstance(holder, torch.nn.ModuleDict):
        holder[name] = module
    else:
        setattr(holder, name, module)
