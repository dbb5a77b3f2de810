"""Summary over several federations: perplexities by case and size, and what joining is worth, with intervals.

Not for: making them (``benchmarks.few_notes.study``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.few_notes.study import ADAPTERS, ALONE, CASES, GLOBAL, STOPPED
from crossward.protocol.measures import Difference

Row = dict[str, Any]


def summary(rows: Sequence[Row]) -> list[Row]:
    """A row for each case and size: ``perplexity`` of each adapter and the personal one ``against`` the others.

    Perplexities are geometric means over hospitals, then over seeds, with the ``least`` and ``most`` of a seed.
    Differences are in nats a token, with the 95 % interval by patient: the same patients' losses are compared, and
    hospitals and seeds are strata.
    """
    keys = sorted({(row["case"], row["size"]) for row in rows}, key=lambda key: (list(CASES).index(key[0]), key[1]))
    return [_of([row for row in rows if (row["case"], row["size"]) == key]) for key in keys]


def _of(rows: Sequence[Row]) -> Row:
    return {
        "case": rows[0]["case"],
        "size": rows[0]["size"],
        "hospitals": len(rows),
        "perplexity": {name: _perplexity(rows, name) for name in ADAPTERS},
        "against": {name: _against(rows, name) for name in (ALONE, STOPPED, GLOBAL)},
        "training_notes": float(np.mean([row["training_notes"] for row in rows])),
        "steps": float(np.mean([row["steps"] for row in rows])),
    }


def _perplexity(rows: Sequence[Row], name: str) -> Row:
    seeds = sorted({row["seed"] for row in rows})
    means = [float(np.mean([row["loss"][name] for row in rows if row["seed"] == seed])) for seed in seeds]
    return {"mean": math.exp(float(np.mean(means))), "least": math.exp(min(means)), "most": math.exp(max(means))}


def _against(rows: Sequence[Row], name: str) -> Row:
    total = sum((Difference(**row["paired"][name]) for row in rows), Difference())
    low, high = total.interval()
    worse = sum(Difference(**row["paired"][name]).interval()[0] > 0 for row in rows)
    return {"difference": total.loss, "low": low, "high": high, "hospitals_worse": worse}
