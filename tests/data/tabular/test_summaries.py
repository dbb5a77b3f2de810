"""First, last, lowest, highest and number of values in pieces are those of a plain count."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.tabular.summaries import Summaries

EVENT = st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(-5, 5), st.floats(-1e6, 1e6))


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, max_size=30), st.integers(1, 9))
def test_they_are_what_a_plain_count_finds(events: list[tuple[int, int, int, float]], size: int) -> None:
    found = Summaries(3, 2)
    for start in range(0, len(events), size):
        patients, items, times, values = (np.array(c) for c in zip(*events[start : start + size], strict=True))
        found.add(patients, items, times, values.astype(float))
    table = found.table().reshape(3, 2, 5)
    for patient in range(3):
        for item in range(2):
            own = [(time, value) for who, what, time, value in events if (who, what) == (patient, item)]
            first, last, low, high, count = table[patient, item]
            assert count == len(own)
            if not own:
                assert np.isnan([first, last, low, high]).all()
                continue
            ordered = sorted(own, key=lambda event: event[0])  # stable: of one time in the order of the table
            assert (first, last) == (ordered[0][1], ordered[-1][1])
            assert (low, high) == (min(v for _, v in own), max(v for _, v in own))
    assert found.patients().tolist() == [any(who == patient for who, *_ in events) for patient in range(3)]
