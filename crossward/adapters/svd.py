"""The leading singular vectors of one weight matrix, the same numbers wherever they are computed, as far as can be.

Three things make two machines differ: signs, the last bits of a float, and singular values that lie close together.
Signs follow a rule; everything is computed in float64 and rounded to a grid of 2^-16, so that last bits vanish; nothing
helps against the third, nor against a value that lies on the edge of the grid, which is why bases carry a digest
and can be handed out (``crossward.adapters.bases``).

Not for: files, caches, models.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from crossward.adapters.errors import AdapterError

EXACT = 512
EXTRA = 10
PASSES = 4
GRID = 2.0**-16


def _sketch(name: str, rows: int, columns: int) -> torch.Tensor:
    """Random signs, float64 [rows, columns]: a function of its arguments alone, bit for bit on every machine."""
    key = hashlib.sha256(f"crossward-bases-1|{name}".encode()).digest()[:16]
    count = -(-rows * columns // 64)
    raw = np.random.Philox(key=int.from_bytes(key, "little")).random_raw(count).astype("<u8")
    bits = np.unpackbits(raw.view(np.uint8), count=rows * columns)
    return torch.from_numpy(bits.astype(np.float64) * 2 - 1).view(rows, columns)


def _orthonormal(columns: torch.Tensor) -> torch.Tensor:
    basis: torch.Tensor = torch.linalg.qr(columns)[0]
    return basis


def _randomised(matrix: torch.Tensor, rank: int, name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Subspace iteration with re-orthonormalisation (Halko et al., arXiv 0909.4061, algorithms 4.4 and 5.1)."""
    found = _orthonormal(matrix @ _sketch(name, matrix.shape[1], rank + EXTRA))
    for _ in range(PASSES):
        found = _orthonormal(matrix @ _orthonormal(matrix.T @ found))
    left, values, right = torch.linalg.svd(found.T @ matrix, full_matrices=False)
    return found @ left, values, right


def top_svd(weight: torch.Tensor, rank: int, name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The ``rank`` largest singular triplets of ``weight`` [out, in], which ``name`` names.

    Exact where the smaller side has at most 512 rows, else by randomised subspace iteration with random signs
    drawn from ``name`` (4 passes, 10 extra columns).

    Returns
    -------
    left, values, right
        float64 on the CPU, [out, rank], [rank] in falling order, [rank, in]. Rows of ``right`` have their largest
        entry positive; both bases are rounded to multiples of 2^-16, so that they are orthonormal to about 1e-3.

    Raises
    ------
    AdapterError
        the rank exceeds the smaller side, or the weight holds values that are not finite.
    """
    matrix = weight.detach().to("cpu", torch.float64)
    if rank > min(matrix.shape):
        raise AdapterError(
            f"lora.rank = {rank}: {name} is {list(matrix.shape)} and has no more than {min(matrix.shape)} singular "
            "values. Set a smaller rank, or leave that layer out of lora.target-modules."
        )
    if not torch.isfinite(matrix).all():
        raise AdapterError(f"{name} holds values that are not finite: fetch or copy the base model again.")
    if min(matrix.shape) <= max(EXACT, rank + EXTRA):
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    else:
        left, values, right = _randomised(matrix, rank, name)
    left, values, right = left[:, :rank], values[:rank], right[:rank]
    signs = torch.sign(right.gather(1, right.abs().argmax(1, keepdim=True)))
    return _to_grid(left * signs.T), values, _to_grid(right * signs)


def _to_grid(basis: torch.Tensor) -> torch.Tensor:
    return torch.round(basis / GRID) * GRID
