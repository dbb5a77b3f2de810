"""Exact: versions, copies and float adapters equal independent arithmetic over the journal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crossward.config.schedule import Schedule
from crossward.encryption.packing import unpack
from crossward.encryption.plan import FieldPlan


def fields(payload: Any) -> list[int]:
    return [int(v) for p in payload for v in unpack(p.data, p.head.bits, p.head.length)]


@pytest.mark.parametrize("weighting", ["paper", "paper-literal", "examples", "corrected"])
@pytest.mark.parametrize("damping", ["relative", "absolute"])
def test_a_version_is_the_weighted_sum_of_its_updates_in_integers(
    federation: Any, weighting: str, damping: str
) -> None:
    f = federation(compute=(1, 2, 3, 10), versions=8, weighting=weighting, damping=damping, plan=FieldPlan(8, 6, 2))
    f.start()
    for line in f.made():
        updates = [fields(f.sent[task][1].payload) for task in line["tasks"]]
        expected = [
            sum(w * v for w, v in zip(line["weights"], column, strict=True)) for column in zip(*updates, strict=True)
        ]
        dither = f.dither.version(f.plan.total_weight, line["version"], line["sites"], line["weights"])
        expected = [value + int(d) for value, d in zip(expected, dither(0, len(expected)), strict=True)]
        assert fields(f.journal.open(f"versions/{line['version']:06d}")[1]) == expected
    f.check_accounts()


@pytest.mark.parametrize("plan", [FieldPlan(8, 7, 2), FieldPlan(2, 5, 0), FieldPlan(12, 10, 3), FieldPlan(24, 16, 16)])
def test_every_node_trains_from_exactly_the_adapter_that_the_journal_gives(federation: Any, plan: FieldPlan) -> None:
    schedule = Schedule(versions=12, local_steps=5, peak=0.05, server_rate=0.7)
    f = federation(compute=(1, 2, 3, 10), plan=plan, schedule=schedule, snapshot_every=4)
    f.start()
    assert len({epoch for epoch in f.integers()}) > 2
    versions = {version for _, version in f.starts}
    reference = {version: f.reference(version) for version in versions}
    for (_, version), start in f.starts.items():
        assert start.dtype == np.float32
        assert start.tobytes() == reference[version].tobytes()
    f.check_agreement()


def test_the_run_learns(federation: Any) -> None:
    """Not exactness, but what it is for."""
    f = federation(compute=(1, 1, 1, 1), versions=30, weighting="examples", buffer_size=4)
    f.start()
    losses = [line["train_loss"] for line in f.made()]
    assert losses[-1] < 0.9 * losses[0]
