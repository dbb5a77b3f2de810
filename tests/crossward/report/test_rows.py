"""Rows of held-out measures and their totals."""

from __future__ import annotations

from crossward.ledger.events import Event
from crossward.ledger.state import fold
from crossward.protocol.measures import Measure, measure
from crossward.report.rows import ALL, with_totals
from tests.ledger_lines import made


def measured(site: str, version: int, **models: Measure) -> Event:
    flat = {f"{model}_{name}": value for model, m in models.items() for name, value in m.as_dict().items()}
    return made("measured", site=site, version=version, **flat)


A, B = measure([(10.0, 20.0, 5.0), (30.0, 40.0, 5.0)]), measure([(5.0, 5.0, 5.0)])


def test_the_newest_line_of_every_hospital_counts() -> None:
    events = [measured("x", 1, **{"global": A}), made("version"), measured("x", 2, **{"global": B})]
    assert fold([*events, measured("y", 1, own=A)]).measures == {("global", "x"): B, ("own", "y"): A}


def test_totals_are_for_models_that_everyone_measured() -> None:
    rows = {("global", "x"): A, ("global", "y"): B, ("own", "x"): A}
    assert with_totals(rows) == rows | {("global", ALL): A + B}
