"""Tables and requirements as people read them."""

from __future__ import annotations

import math

import pytest

from benchmarks.harness.figures import Row, at_least, at_most, counted, median_range, medians
from benchmarks.harness.tables import cell, requirements_table, show, side_by_side, table_of


def test_a_cell_says_what_is_not_known_and_what_never_came() -> None:
    assert cell(None) == cell(math.nan) == "-" and cell(math.inf) == "not reached"
    assert cell(1234567, ".2fM") == "1.23" and cell(0.5, ".1f", " s") == "0.5 s" and cell("a", "") == "a"


def test_a_row_without_a_figure_has_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Row] = [{"name": "ours", "bytes": 2_000_000}, {"name": "theirs"}]
    show(table_of("Bytes", rows, {"": ("name", ""), "MB": ("bytes", ".1fM"), "N": (lambda r: len(r["name"]), "")}))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Bytes"] in lines and ["ours", "2.0", "4"] in lines and ["theirs", "-", "6"] in lines


def test_runs_stand_side_by_side_and_lines_are_not_wrapped_or_taken_for_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(side_by_side("Runs", {"first": {"peak_mb": 3.0}, "later": {"peak_mb": 4.25}}, ".4g"), "[bold]" + "x" * 500)
    said = capsys.readouterr().out
    assert ["peak", "mb", "3", "4.25"] in [line.split() for line in said.splitlines()]
    assert "[bold]" + "x" * 500 in said


def test_requirements_are_met_at_their_limit_and_never_by_what_is_no_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [at_least("speed", 2.0, 2), at_most("size", 2.0, 2), at_least("x", math.nan, 0), at_most("y", math.nan, 0)]
    assert [row["met"] for row in rows] == [True, True, False, False] and rows[0]["limit"] == ">= 2"
    show(requirements_table(rows))
    said = capsys.readouterr().out
    assert said.count("NOT MET") == 2 and ["speed", "2", ">=", "2", "met"] in [
        line.split() for line in said.split("\n")
    ]


def test_medians_and_their_range() -> None:
    assert median_range([0.9, 1.4, 1.0]) == {"median": 1.0, "least": 0.9, "most": 1.4}
    assert medians([{"a": 1, "b": 9}, {"a": 3, "b": 5}]) == {"a": 2, "b": 7} and medians([{"a": 1, "b": 2}], "b") == {
        "b": 2
    }
    assert counted({"lost": 12}) == ["      12  lost"]
