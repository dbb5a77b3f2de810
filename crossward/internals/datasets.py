"""The fingerprint of a Hugging Face data set, which follows from its rows and how they were made."""

from __future__ import annotations

from typing import Any

from crossward.internals.check import Dependency

DATASETS = Dependency("datasets", "5.2", __name__)


def fingerprint(dataset: Any) -> str:
    """The fingerprint of a ``datasets.Dataset``; raises InternalsError where it has none."""
    found = getattr(dataset, "_fingerprint", None)
    if not isinstance(found, str) or not found:
        raise DATASETS.differs("datasets.Dataset has no _fingerprint")
    return found
