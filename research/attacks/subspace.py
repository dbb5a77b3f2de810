"""The span attack: which words' embeddings lie in the row space of the first layer's gradients.

DAGER (arXiv 2405.15586): the gradient of a linear map is a sum of (output gradient) x (input), so its rows lie in the
span of the inputs. For LoRA (arXiv 2106.09685) that is the gradient of A, of rank at most r; the attention's q, k and v
share their input, so together they show up to 3 r dimensions. In the first layer the input is a token's normalised
embedding, whatever stands around it: each of the vocabulary's can be checked.

`pursuit` goes on where tokens outnumber dimensions: the rows are then a sparse combination of embeddings, and
rank-aware orthogonal matching pursuit (RA-ORMP: Davies and Eldar, Rank Awareness in Joint Sparse Recovery, 2012) takes
the best word, projects it out of embeddings and rows, and goes on. SOMP (arXiv 2603.16761) brought pursuit to language
models' gradients; this is the pursuit over tokens alone, not its use of attention heads or its decoding of sentences.

Not for: updates of many AdamW steps, whose rows no longer lie in the span (``research.attacks.shadow``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from research.attacks.laboratory import Ints, Laboratory, Vector

Matrix = NDArray[np.float64]
INSIDE = 1e-2  # of its length that a vector may lie outside the span and count as within it
_ROUNDING = 4e-6  # singular values below this share of the largest are float32's rounding
_CLOSE = 0.0025  # squared share of a word left over below which it is no word of its own any more
_SHARING = ("q_proj", "k_proj", "v_proj")


@torch.no_grad()
def first_inputs(lab: Laboratory) -> Matrix:
    """What the first layer's attention is given for each token of the vocabulary: float64 [vocabulary, hidden]."""
    model = lab.adapted.base.model
    vectors = model.get_input_embeddings().weight.detach()
    normed: torch.Tensor = model.model.layers[0].input_layernorm(vectors)
    return normed.double().numpy()


def visible_rows(lab: Laboratory, values: Vector, clear: NDArray[np.bool_]) -> Matrix:
    """Rows of the first layer's q, k and v factors A that are clear: float64 [rows, hidden]; none is [0, hidden]."""
    rows = []
    for block in lab.layout.blocks:
        wanted = any(f"layers.0.self_attn.{name}.lora_A" in block.name for name in _SHARING)
        if wanted and clear[block.offset]:
            rows.append(values[block.offset : block.offset + block.size].reshape(block.shape).astype(np.float64))
    hidden = int(lab.adapted.base.model.get_input_embeddings().weight.shape[1])
    return np.concatenate(rows) if rows else np.zeros((0, hidden))


def row_space(rows: Matrix, unit: float) -> Matrix:
    """Orthonormal rows that span what is above the rounding of ``rows``: float64 [rank, hidden].

    ``unit`` is the step that values were rounded by: stochastic rounding by it adds noise whose largest singular value
    is below unit / 2 * (sqrt(rows) + sqrt(hidden)).
    """
    if not rows.any():
        return rows[:0]
    _, sizes, right = np.linalg.svd(rows, full_matrices=False)
    noise = 0.5 * unit * (np.sqrt(rows.shape[0]) + np.sqrt(rows.shape[1]))
    space: Matrix = right[sizes > max(_ROUNDING * sizes[0], noise)]
    return space


def distances(space: Matrix, inputs: Matrix) -> Matrix:
    """Share of each input's length outside the span, float64 [n]; 1 for an empty span."""
    lengths = np.linalg.norm(inputs, axis=1)
    within = np.linalg.norm(inputs @ space.T, axis=1) if len(space) else np.zeros(len(inputs))
    outside = np.sqrt(np.clip(lengths**2 - within**2, 0.0, None))
    return np.where(lengths > 0, outside / np.maximum(lengths, 1e-30), 1.0)


@dataclass(frozen=True)
class Recovered:
    """``tokens`` int64 [n], those that the attack is sure of; ``precision`` and ``recall`` against the truth."""

    tokens: Ints
    precision: float
    recall: float


def compare(tokens: Ints, present: Ints) -> Recovered:
    """Precision (1 where nothing was named) and recall of ``tokens`` against those present."""
    right = len(np.intersect1d(tokens, present))
    return Recovered(tokens, right / len(tokens) if len(tokens) else 1.0, right / max(len(present), 1))


def check(space: Matrix, inputs: Matrix, public: Ints) -> Ints:
    """Tokens whose input lies in the span, int64 [n], but the public ones. None where the span is everything."""
    if len(space) >= inputs.shape[1]:
        return np.zeros(0, np.int64)
    return np.setdiff1d(np.flatnonzero(distances(space, inputs) < INSIDE), public).astype(np.int64)


def _orthonormal(rows: Matrix) -> Matrix:
    """An orthonormal basis of rows that are nearly one: by the eigenvectors of their small Gram matrix."""
    sizes, vectors = np.linalg.eigh(rows @ rows.T)
    kept = sizes > 1e-8
    basis: Matrix = (vectors[:, kept] / np.sqrt(sizes[kept])).T @ rows
    return basis


def pursuit(space: Matrix, inputs: Matrix, public: Ints, most: int) -> Ints:
    """Up to ``most`` tokens but the public ones, as they are found: int64 [n]. It ends when they explain all."""
    lengths = np.linalg.norm(inputs, axis=1)
    words = inputs / np.maximum(lengths, 1e-30)[:, None]
    rows, directions = space.copy(), np.zeros((0, inputs.shape[1]))
    reach = np.where(lengths > 0, 1.0, 0.0)  # squared length of a word outside the words that were taken
    found: list[int] = []
    while len(np.setdiff1d(found, public)) < most and len(rows):
        match = np.square(words @ rows.T).sum(1)  # rows are orthogonal to what was taken: no need to project words
        scores = np.where(reach > _CLOSE, match / np.maximum(reach, _CLOSE), -1.0)
        best = int(scores.argmax())
        if scores[best] < 0:
            break
        found.append(best)
        direction = words[best] - directions.T @ (directions @ words[best])
        direction /= np.linalg.norm(direction)
        directions = np.vstack([directions, direction])
        reach = reach - np.square(words @ direction)
        reach[best] = 0.0
        rows = _orthonormal(rows - np.outer(rows @ direction, direction))
    return np.array([token for token in found if token not in public], dtype=np.int64)
