"""The table of adapters at home and elsewhere."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from crossward.protocol.measures import difference, measure
from crossward.report.joining.figures import ALONE, BASE, GLOBAL, PERSONAL, Joining, Place, evaluated, reported
from crossward.report.joining.table import joining_table, print_joining, reported_table

ROWS = {
    BASE: [(100.0, 350.0, 20.0), (300.0, 1050.0, 40.0), (200.0, 720.0, 30.0)],
    GLOBAL: [(100.0, 160.0, 50.0), (300.0, 500.0, 150.0), (200.0, 330.0, 90.0)],
    ALONE: [(100.0, 90.0, 70.0), (300.0, 260.0, 200.0), (200.0, 175.0, 130.0)],
    PERSONAL: [(100.0, 87.0, 70.0), (300.0, 253.0, 200.0), (200.0, 169.0, 130.0)],
}
PAIRS = {f"{one}-{other}": difference(ROWS[one], ROWS[other]) for one, other in ((PERSONAL, ALONE), (GLOBAL, ALONE))}
MEASURES = {model: measure(rows) for model, rows in ROWS.items()}
HERE = Place.of(MEASURES, PAIRS)
TWO = [Joining("Harbour Heart Institute", HERE, HERE), Joining("St. Brigid Women and Infants", HERE, HERE)]


def shown(width: int = 100, **more: Place) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    print_joining(console, TWO, caption="version 3 of run", **more)
    return console.export_text()


@pytest.mark.parametrize("width", [100, 160])
def test_the_table_fits_and_has_every_figure(width: int) -> None:
    text = shown(width, total=HERE)
    assert max(map(len, text.splitlines())) <= width and "…" not in text
    for model, measured in MEASURES.items():
        assert text.count(f" {measured.perplexity:.2f} ") >= 5, model  # twice at home and elsewhere, once in all
    half = PAIRS["personal-alone"].half_width()
    assert half and f"{PAIRS['personal-alone'].loss:+.3f} ± {half:.3f}" in text
    assert text.count("all hospitals") == 1 and "version 3 of run" in text
    assert " ".join(text.split()).count("at home the personal adapter is better than the one trained alone") == 2


def test_a_missing_adapter_is_a_dash_and_one_that_nobody_has_no_column() -> None:
    some = {model: m for model, m in MEASURES.items() if model != PERSONAL}
    table = joining_table([TWO[0], Joining("x", Place.of(some, {}))])
    assert [str(column.header) for column in table.columns][2:6] == ["untuned\nbase", "global", "alone", "personal"]
    table = joining_table([Joining("x", Place.of(some, {}))])
    assert [str(column.header) for column in table.columns][2:] == ["untuned\nbase", "global", "alone"]


def test_what_hospitals_report_has_intervals_of_its_own_and_no_differences() -> None:
    measures = {(name, "ward [bold]"): MEASURES[model] for name, model in (("own", ALONE), ("personal", PERSONAL))}
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(reported_table(measures | {("global", "y"): measure([(5.0, 5.0, 5.0)])}))
    text = console.export_text()
    low, high = MEASURES[ALONE].perplexity_interval()
    assert f"{MEASURES[ALONE].perplexity:.2f} [{low:.2f}, {high:.2f}]" in text and "2.72 (1 patient)" in text
    assert "ward [bold]" in text and "no note left any of them" in text and "±" not in text
    assert reported({}) == [] and reported_table({}).row_count == 0


def test_figures_are_read_back_from_an_evaluation(tmp_path: Path) -> None:
    value = {"version": 3, "joining": {one.site: one.to_json() | {"sentence": ""} for one in TWO}}
    (tmp_path / "evaluation.json").write_text(json.dumps(value))
    assert evaluated(tmp_path, 3) == TWO
    assert evaluated(tmp_path, 4) == [] and evaluated(tmp_path / "none", 3) == []
    home_only = [replace(TWO[0], elsewhere=None)]
    value["joining"] = {one.site: one.to_json() for one in home_only}
    (tmp_path / "evaluation.json").write_text(json.dumps(value))
    assert evaluated(tmp_path, 3) == home_only
    (tmp_path / "evaluation.json").write_text('{"version": 3, "rows": []}')
    assert evaluated(tmp_path, 3) == []
