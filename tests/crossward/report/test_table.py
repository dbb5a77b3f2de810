"""The table of held-out measures."""

from __future__ import annotations

import io

from rich.console import Console

from crossward.ledger.events import Event
from crossward.ledger.state import fold
from crossward.protocol.measures import Measure, measure
from crossward.report.table import ALL, federated_table, with_totals
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


def test_the_table_shows_perplexity_interval_and_accuracy() -> None:
    table = federated_table({("global", "x"): A, ("global", "y"): B, ("own", "x"): A})
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    text = console.export_text()
    low, high = A.perplexity_interval()
    assert f"{A.perplexity:.2f} [{low:.2f}, {high:.2f}]" in text
    assert "25.0 %" in text and "100.0 %" in text
    assert "global adapter" in text and "own adapter, at home" in text
    assert text.count(" - ") >= 2  # the own adapter at y and over all
    assert "no note left any of them" in text


def test_a_table_of_nothing_is_a_table() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(federated_table({}))
    assert "model" in console.export_text()


def test_a_hospitals_name_is_shown_as_it_is() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(federated_table({("global", "ward [bold]"): A}))
    assert "ward [bold]" in console.export_text()
