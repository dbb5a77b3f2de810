"""Held-out measures of the model as it stands: loss and next-token accuracy, summed by patient.

Not for: intervals and tables (``crossward.protocol.measures``, ``crossward.report.joining.table``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client_app.training.loop import accelerator_for
from client_app.training.losses import to_device, token_losses
from client_app.training.team import SOLO, Team
from crossward.protocol.measures import Measure, measure
from data import TestBatch

Table = NDArray[np.float64]
Columns = tuple[Table, Table, Table]


def _forward(
    model: Any, batches: Iterable[TestBatch], precision: str, team: Team = SOLO
) -> Iterator[tuple[TestBatch, Columns]]:
    """Each batch with (predicted tokens, summed loss, right tokens) of its sequences, float64 [b] each.

    In a team every process yields its share; where the batches do not go round, some pass one in vain, since the
    shards of a model are needed by all.
    """
    device = next(model.parameters()).device
    accelerator = accelerator_for(precision, str(device))
    model.eval()
    for turn in _turns(batches, team.size):
        batch = turn[team.rank % len(turn)]
        with torch.no_grad(), accelerator.autocast():
            losses, predicted, right = token_losses(model, to_device(batch.inputs, device))
            columns = tuple(t.sum(1).double().cpu().numpy() for t in (predicted, losses.double(), right))
        if team.rank < len(turn):
            yield batch, (columns[0], columns[1], columns[2])


def _turns(batches: Iterable[TestBatch], size: int) -> Iterator[list[TestBatch]]:
    rest = iter(batches)
    while turn := list(itertools.islice(rest, size)):
        yield turn


def patient_rows(model: Any, batches: Iterable[TestBatch], patients: int, precision: str, team: Team = SOLO) -> Table:
    """(tokens, loss_sum, correct) of each of ``patients`` held-out patients, float64 [patients, 3].

    Alike in a whole team. A patient without a predicted token has zeros.
    """
    rows = np.zeros((patients, 3))
    for batch, columns in _forward(model, batches, precision, team):
        np.add.at(rows, batch.patients, np.stack(columns, axis=1))
    if team.size > 1:
        device = next(model.parameters()).device
        rows = team.sum(torch.from_numpy(rows).to(device)).cpu().numpy()
    return rows


def measured(rows: Table) -> Measure:
    """The measure of the patients in ``rows`` [patients, 3]."""
    return measure((float(n), float(loss), float(right)) for n, loss, right in rows)


def measure_batches(
    model: Any, batches: Iterable[TestBatch], patients: int, precision: str, team: Team = SOLO
) -> Measure:
    """Loss and next-token accuracy over held-out notes of ``patients`` patients, by patient; alike in a whole team."""
    return measured(patient_rows(model, batches, patients, precision, team))


def answer_losses(model: Any, batches: Iterable[TestBatch], notes: int, labels: int, precision: str) -> Table:
    """Summed loss of every candidate answer of every note, float64 [notes, labels] (label task)."""
    table = np.full((notes, labels), np.inf)
    for batch, (_, losses, _) in _forward(model, batches, precision):
        table[batch.notes, batch.candidates] = losses
    return table
