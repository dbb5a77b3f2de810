"""A file of bases: A0 and B0 of every layer, an ordinary safetensors file of float32 that is written in one go.

Metadata: ``format``, ``base`` (the base model's digest), ``rank``, ``digest`` (over names, shapes and values). Layers
are written and read one at a time, so that memory holds one layer however large the model is.

Not for: computing bases (``crossward.adapters.svd``), or where they are kept (``crossward.adapters.bases``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch

from crossward.adapters.errors import AdapterError, LocalFilesError
from crossward.machine.files import replacing

FORMAT = "crossward-bases-1"
Shapes = Mapping[str, tuple[int, int]]  # layer -> (out, in)


def _bytes(value: torch.Tensor) -> bytes:
    raw: bytes = value.detach().cpu().contiguous().numpy().astype("<f4", copy=False).tobytes()
    return raw


def layer_digest(a: torch.Tensor, b: torch.Tensor) -> str:
    """sha256 hex over the shapes and values of one layer's bases, float32."""
    sha = hashlib.sha256(json.dumps([list(a.shape), list(b.shape)]).encode())
    sha.update(_bytes(a))
    sha.update(_bytes(b))
    return sha.hexdigest()


def bases_digest(layers: Mapping[str, str]) -> str:
    """sha256 hex over the `layer_digest` of every layer by name, in whatever order they come."""
    return hashlib.sha256(json.dumps([FORMAT, sorted(layers.items())]).encode()).hexdigest()


@dataclass(frozen=True)
class Bases:
    """A sound file: layer -> `layer_digest`, and the digest of all."""

    path: Path
    layers: Mapping[str, str]
    digest: str

    def pair(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """A0 [r, in] and B0 [out, r] of a layer, float32 on the CPU."""
        with safetensors.safe_open(self.path, framework="pt", device="cpu") as file:
            return file.get_tensor(f"{name}.lora_A.weight"), file.get_tensor(f"{name}.lora_B.weight")


def write_bases(
    path: Path, pairs: Iterable[tuple[str, torch.Tensor, torch.Tensor]], shapes: Shapes, rank: int, base: str
) -> str:
    """Write (name, A0, B0) of the layers of ``shapes``, in that order, as they come; return their digest.

    A reader sees the old file or the new one, never a part. Raises OSError.
    """
    header: dict[str, Any] = {}
    at = 0
    for name, (rows, columns) in shapes.items():
        for key, shape in ((f"{name}.lora_A.weight", [rank, columns]), (f"{name}.lora_B.weight", [rows, rank])):
            end = at + 4 * shape[0] * shape[1]
            header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [at, end]}
            at = end

    def head(digest: str) -> bytes:
        facts = {"format": FORMAT, "base": base, "rank": str(rank), "digest": digest}
        text = json.dumps({"__metadata__": facts} | header).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text

    path.parent.mkdir(parents=True, exist_ok=True)
    layers: dict[str, str] = {}
    with replacing(path) as file:
        file.write(head("0" * 64))  # as long as the true one, which is known when all is written
        for name, a, b in pairs:
            layers[name] = layer_digest(a, b)
            file.write(_bytes(a))
            file.write(_bytes(b))
        digest = bases_digest(layers)
        file.seek(0)
        file.write(head(digest))
    return digest


_ADVICE = (
    "Get the run's file again, or make it with `crossward bases --model ... --rank ... --out FILE` "
    "and set lora.bases to it."
)


def open_bases(path: Path, shapes: Shapes, rank: int, base: str) -> Bases:
    """The bases in ``path``, once every value has been checked against the digest that the file carries.

    More layers than ``shapes`` asks for are no fault: a file for all linear layers serves a run that trains some.

    Raises
    ------
    AdapterError
        the file cannot be read, is cut off or altered, or is of another base model, rank or shape.
    """
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            facts = file.metadata() or {}
            keys = set(file.keys())
            _check_facts(path, facts, base, rank)
            missing = [name for name in shapes if not {f"{name}.lora_A.weight", f"{name}.lora_B.weight"} <= keys]
            if missing:
                raise LocalFilesError(
                    f"{path} lacks the bases of {len(missing)} of {len(shapes)} layers, first {missing[0]}: it was "
                    f"made for other lora.target-modules. {_ADVICE}"
                )
            layers = {}
            for name in sorted({key.removesuffix(".lora_A.weight").removesuffix(".lora_B.weight") for key in keys}):
                a, b = (file.get_tensor(f"{name}.{part}.weight") for part in ("lora_A", "lora_B"))
                _check_layer(path, name, a, b, shapes.get(name, (b.shape[0], a.shape[-1])), rank)
                layers[name] = layer_digest(a, b)
    except (OSError, ValueError, IndexError, safetensors.SafetensorError) as error:
        if isinstance(error, AdapterError):
            raise
        raise LocalFilesError(
            f"the bases in {path} cannot be read, or are cut off: {type(error).__name__}: {error}. {_ADVICE}"
        ) from error
    if bases_digest(layers) != facts.get("digest"):
        raise LocalFilesError(
            f"{path} was altered: its values have digest {bases_digest(layers)[:12]}, it says "
            f"{facts.get('digest', 'none')[:12]}. {_ADVICE}"
        )
    return Bases(path, layers, bases_digest(layers))


def _check_facts(path: Path, facts: dict[str, str], base: str, rank: int) -> None:
    if facts.get("format") != FORMAT:
        got = facts.get("format", "no format")
        raise LocalFilesError(f"{path} is no file of bases: it has {got!r}, expected {FORMAT!r}. {_ADVICE}")
    for what, got, wanted in (
        ("base model", facts.get("base", ""), base),
        ("rank", facts.get("rank", ""), str(rank)),
    ):
        if got != wanted:
            raise LocalFilesError(
                f"{path}: the bases are of {what} {got[:12]}, expected {wanted[:12]} "
                f"(model.name and lora.rank of this run). {_ADVICE}"
            )


def _check_layer(path: Path, name: str, a: torch.Tensor, b: torch.Tensor, shape: tuple[int, int], rank: int) -> None:
    rows, columns = shape
    got = f"{a.dtype} {list(a.shape)} and {b.dtype} {list(b.shape)}"
    if got != f"torch.float32 {[rank, columns]} and torch.float32 {[rows, rank]}":
        raise LocalFilesError(
            f"{path}: the bases of {name} are {got}, expected float32 {[rank, columns]} and {[rows, rank]}. {_ADVICE}"
        )
    if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
        raise LocalFilesError(f"{path}: the bases of {name} hold values that are not finite. {_ADVICE}")
