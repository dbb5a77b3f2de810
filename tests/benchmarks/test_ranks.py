"""The study of lower ranks: what is compared, and how it is summed up."""

from __future__ import annotations

import pytest

from benchmarks.ranks.__main__ import summary
from benchmarks.ranks.study import cases


def test_two_of_six_hospitals_have_the_lower_rank() -> None:
    known = cases(6, 8, 2)
    assert known["mixed"].ranks == known["divided"].ranks == known["blind"].ranks == (8, 8, 8, 8, 2, 2)
    assert known["high"].ranks == (8,) * 6 and known["low"].ranks == (2,) * 6 and len(known["without"].ranks) == 4
    assert [name for name, case in known.items() if case.divided] == ["divided"]
    assert [name for name, case in known.items() if not case.whole] == ["blind"]


def test_a_summary_compares_runs_of_one_seed() -> None:
    rows = [
        {"case": name, "seed": seed, "loss": [loss] * 4 + [loss + 1] * 2, "seconds": 10.0, "contributors": 3.0}
        for name, seed, loss in (("high", 0, 1.0), ("high", 1, 3.0), ("mixed", 0, 1.5), ("mixed", 1, 3.25))
    ]
    high, mixed = summary(rows, cases(6, 8, 2))
    assert (high["against"], high["seeds"]) == (0.0, 2)
    assert mixed["against"] == pytest.approx(0.375) and (mixed["least"], mixed["most"]) == (0.25, 0.5)
    assert mixed["full"] == pytest.approx(2.375) and mixed["lower"] == mixed["worst"] == pytest.approx(3.375)
