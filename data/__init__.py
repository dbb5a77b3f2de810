"""Clinical notes in, token batches out.

``load_hospital`` reads MIMIC-III, MIMIC-IV-Note, CSV, JSONL or made-up hospitals, cleans the notes and splits them by
patient; ``tokenise`` and the batch functions make them what a causal language model takes.
"""

from data.batches import TestBatch, label_batches, test_batches, train_batches
from data.config import DataConfig
from data.errors import DataError
from data.hospitals import Hospital, load_hospital, load_hospitals
from data.tokens import TokenDataset, tokenise

__all__ = [
    "DataConfig",
    "DataError",
    "Hospital",
    "TestBatch",
    "TokenDataset",
    "label_batches",
    "load_hospital",
    "load_hospitals",
    "test_batches",
    "tokenise",
    "train_batches",
]
