"""A ``PartyData`` on disk: ``save`` and ``load``, one Arrow file in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from data.party import PartyData

_FILE, _NAMES = "party.arrow", b"names"
_PATIENT, _NOTES, _OUTCOME = "patient", "notes", "outcome"


def save(folder: Path, data: PartyData) -> None:
    """Put ``data`` into ``folder``."""
    columns = {_PATIENT: pa.array(data.patients, pa.large_string())}
    if data.notes is not None:
        columns[_NOTES] = pa.array(data.notes, pa.large_string())
    if data.outcome is not None:
        columns[_OUTCOME] = pa.array(data.outcome)
    if data.values is not None:
        columns |= {f"value {at}": pa.array(np.ascontiguousarray(data.values[:, at])) for at in range(len(data.names))}
    names = json.dumps(None if data.values is None else data.names)
    table = pa.table(columns).replace_schema_metadata({_NAMES: names.encode()})
    with pa.OSFile(str(folder / _FILE), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def load(folder: Path) -> PartyData:
    """What :func:`save` put there."""
    with pa.memory_map(str(folder / _FILE)) as source:
        table = pa.ipc.open_file(source).read_all()
        names = json.loads((table.schema.metadata or {})[_NAMES])
        values = None
        if names is not None:
            values = np.empty((table.num_rows, len(names)), np.float64)
            for at in range(len(names)):
                values[:, at] = table[f"value {at}"].to_numpy()
        notes = tuple(table[_NOTES].to_pylist()) if _NOTES in table.column_names else None
        outcome = table[_OUTCOME].to_numpy().astype(np.uint8) if _OUTCOME in table.column_names else None
        return PartyData(tuple(table[_PATIENT].to_pylist()), values, tuple(names or ()), notes, outcome)
