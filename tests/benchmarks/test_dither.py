"""The dither's benchmark: real runs, alike but for the dither, and a summary that is the rows' own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.dither import DITHERS, adding, measure, summary
from research.compare.settings import QUICK


def test_runs_differ_in_their_dither_alone_and_hardly_in_quality(own_home: object) -> None:
    small = replace(QUICK, rounds=3, local_steps=1, patients=40, max_tokens=32, given=(("lora.rank", 2),))
    rows = measure(small, 1)
    assert [row["sums"] for row in rows] == list(DITHERS)
    losses = [row["loss"] for row in rows]
    assert len(set(losses)) == 3 and max(losses) - min(losses) < 0.05


def test_the_summary_is_of_paired_differences() -> None:
    rows = [{"seed": s, "sums": n, "loss": v + s} for s in (0, 1) for n, v in (("dither", 1.5), ("exact", 1.0))]
    rows += [{"seed": s, "sums": "other dither", "loss": 1.25 + s + s / 10} for s in (0, 1)]
    found = summary(rows)
    assert found["dither - exact"]["mean"] == 0.5 == found["dither - exact"]["low"] == found["dither - exact"]["high"]
    other = found["other dither - dither"]
    assert other["differences"] == pytest.approx([-0.25, -0.15]) and other["low"] < other["mean"] < other["high"]
    assert summary(rows[:2] + rows[4:5])["dither - exact"]["low"] is None


def test_adding_is_timed_with_and_without() -> None:
    found = adding(values=20_000, updates=2, runs=1)
    assert set(found) == {"exact_seconds", "dither_seconds", "ratio"} and min(found.values()) > 0
