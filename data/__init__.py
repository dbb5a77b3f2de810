"""Clinical notes in, token batches out.

``load_hospital`` reads MIMIC-III, MIMIC-IV-Note, CSV, JSONL or made-up hospitals, cleans the notes and splits them by
patient; ``tokenise`` and the batch functions make them what a causal language model takes.

Names are loaded on first use (PEP 562): reading a configuration must not cost an import of ``datasets``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from crossward.config.data_settings import DataConfig
from data.errors import DataError

if TYPE_CHECKING:
    from data.batches import TestBatch, label_batches, test_batches, train_batches
    from data.hospitals import Hospital, load_hospital, load_hospitals
    from data.sampling import PoissonSampler, count_units
    from data.tokens import TokenDataset, tokenise

__all__ = [
    "DataConfig",
    "DataError",
    "Hospital",
    "PoissonSampler",
    "TestBatch",
    "TokenDataset",
    "count_units",
    "label_batches",
    "load_hospital",
    "load_hospitals",
    "test_batches",
    "tokenise",
    "train_batches",
]

_MODULE_OF = {
    "Hospital": "hospitals",
    "PoissonSampler": "sampling",
    "count_units": "sampling",
    "TestBatch": "batches",
    "TokenDataset": "tokens",
    "label_batches": "batches",
    "load_hospital": "hospitals",
    "load_hospitals": "hospitals",
    "test_batches": "batches",
    "tokenise": "tokens",
    "train_batches": "batches",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"data.{_MODULE_OF[name]}"), name)
