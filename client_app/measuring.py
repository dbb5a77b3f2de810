"""Held-out measures of the model as it stands: loss and next-token accuracy, summed by patient.

Not for: intervals and tables (``protocol.measures``, ``server_app.table``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client_app.training import accelerator_for, token_losses
from data import TestBatch
from protocol.measures import Measure, measure

Table = NDArray[np.float64]
Columns = tuple[Table, Table, Table]


def _forward(model: Any, batches: Iterable[TestBatch], precision: str) -> Iterator[tuple[TestBatch, Columns]]:
    """Each batch with (predicted tokens, summed loss, right tokens) of its sequences, float64 [b] each."""
    device = next(model.parameters()).device
    accelerator = accelerator_for(precision, str(device))
    model.eval()
    for batch in batches:
        with torch.inference_mode(), accelerator.autocast():
            losses, predicted, right = token_losses(model, {k: v.to(device) for k, v in batch.inputs.items()})
            columns = tuple(t.sum(1).double().cpu().numpy() for t in (predicted, losses.double(), right))
        yield batch, (columns[0], columns[1], columns[2])


def measure_batches(model: Any, batches: Iterable[TestBatch], precision: str) -> Measure:
    """Loss and next-token accuracy over held-out notes, by patient."""
    rows: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for batch, columns in _forward(model, batches, precision):
        for patient, *sums in zip(batch.patients.tolist(), *columns, strict=True):
            for i, value in enumerate(sums):
                rows[patient][i] += float(value)
    return measure((row[0], row[1], row[2]) for row in rows.values())


def answer_losses(model: Any, batches: Iterable[TestBatch], notes: int, labels: int, precision: str) -> Table:
    """Summed loss of every candidate answer of every note, float64 [notes, labels] (label task)."""
    table = np.full((notes, labels), np.inf)
    for batch, (_, losses, _) in _forward(model, batches, precision):
        table[batch.notes, batch.candidates] = losses
    return table
