"""Made-up results of jobs, as a comparison keeps them: what is computed from them is known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from research.compare.methods import CHECKS, METHODS
from research.compare.settings import QUICK, Comparison

Facts = dict[str, Any]
LOSSES = {"centralised": 1.0, "local": 0.9, "fl": 1.5, "dp-fl": 2.5, "he-fl": 1.5, "hybrid": 1.52, "encrypted": 1.52}
LOSSES |= {"personal": 0.8}
BYTES = {"centralised": 9e4, "local": 0.0, "fl": 9e5, "dp-fl": 9e5, "he-fl": 3.6e7, "hybrid": 1.7e6, "encrypted": 3.2e6}
BYTES |= {"personal": 3.2e6}


def fake_job(method: str, seed: int, **changes: Any) -> Facts:
    """A job's result: the loss rises by 0.1 a seed, for every method alike."""
    same = "he-fl" if method == "encrypted-sync" else method
    loss, size = LOSSES[same] + 0.1 * seed, BYTES[same]
    crypto = 0.0 if size < 1e6 else 0.2 if method == "he-fl" else 0.05
    auroc = 0.6 - 0.1 * loss / 10 + 0.01 * seed
    return {
        "method": method,
        "seed": seed,
        "adapter": {"he-fl": "fl", "encrypted-sync": "fl", "hybrid": "encrypted"}.get(method, method) + str(seed),
        "sites": {
            name: {"loss": loss + k, "perplexity": 3.0 + k, "tokens": 100.0, "patients": 5.0}
            for k, name in enumerate(("North", "South [a]"))
        },
        "loss": loss,
        "perplexity": 4.0 + seed,
        "perplexity_mean": 5.0 + seed,
        "perplexity_worst": 7.0 + seed,
        "token_accuracy": 0.5,
        "auroc_sites": {"North": auroc, "South [a]": None},
        "auroc_mean": auroc,
        "auroc_worst": auroc,
        "auroc_pooled": auroc + 0.1,
        "brier": 0.3,
        "ece": 0.05,
        "macro_f1_mean": 0.4,
        "values": 77824,
        "rounds": 6,
        "versions": 8,
        "updates": 24,
        "trainings": 24,
        "steps": {"North": 36},
        "bytes_up_per_round": size / 3,
        "bytes_down_per_round": 2 * size / 3,
        "bytes_per_round": size,
        "float32_bytes_per_round": 2490368,
        "train_seconds_per_round": 2.0,
        "seal_seconds_per_round": crypto / 2,
        "open_seconds_per_round": crypto / 4,
        "add_seconds_per_round": crypto / 4,
        "crypto_seconds_per_round": crypto,
        "seconds_per_round_here": 2.0 + crypto,
        "seconds_per_round": 0.6,
        "epsilon": 8.0 if method == "dp-fl" else None,
        "job_seconds": 1.0,
    } | changes


@pytest.fixture
def job() -> Callable[..., Facts]:
    return fake_job


@pytest.fixture
def setting() -> Comparison:
    return replace(QUICK, name="fake")


@pytest.fixture
def jobs(setting: Comparison) -> dict[str, list[Facts]]:
    """Every method and check with every seed."""
    return {name: [fake_job(name, seed) for seed in range(setting.seeds)] for name in [*METHODS, *CHECKS]}
