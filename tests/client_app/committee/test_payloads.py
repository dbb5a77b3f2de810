"""Sealed for a task, opened by a committee, checked by every node: the whole way, and what is refused on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.client_app.committee.consortium import Consortium, read, values

WEIGHTS = [40, 42, 44]


@pytest.mark.parametrize("policy", ["all", "sensitive"])
def test_a_version_opens_everywhere_to_the_weighted_sum_and_its_dither(tmp_path: Path, policy: str) -> None:
    own = Consortium(tmp_path, policy=policy)
    own.meet()
    rows = {name: values(number) for number, name in enumerate(("h0", "h1", "h3"))}
    sent = {name: own.seal(name, row) for name, row in rows.items()}
    record = own.record(sent, WEIGHTS)
    wanted = own.expected(rows, sent, WEIGHTS)
    for name in own.keys:
        assert np.array_equal(read(own.payloads(name), record), wanted)
    exact = sum(w * row.astype(np.int64) for w, row in zip(WEIGHTS, rows.values(), strict=True))
    assert not np.array_equal(wanted, exact) and np.abs(wanted - exact).max() < 3 * own.plan.total_weight
