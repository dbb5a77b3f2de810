"""What every benchmark's command line does: quick sizes under what is given, lines of progress, whole files of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.harness.command import Progress, parse, parser, write_json


def test_quick_sizes_stand_for_what_is_not_given() -> None:
    def read(*argv: str) -> dict[str, object]:
        p = parser("soak", "A soak.", seed=True)
        p.add_argument("--versions", type=int, default=400)
        p.add_argument("--deaths", type=int, default=25)
        return vars(parse(p, argv, versions=40, deaths=3))

    assert read() == {"json": None, "quick": False, "seed": 0, "versions": 400, "deaths": 25}
    assert read("--versions", "7", "--quick") == {"json": None, "quick": True, "seed": 0, "versions": 7, "deaths": 3}


def test_the_help_names_the_module_and_the_common_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser("soak", "A soak.\n\n    as it is written").parse_args(["--help"])
    said = capsys.readouterr().out
    assert "python -m benchmarks.soak" in said and "--json FILE" in said and "\n    as it is written\n" in said


def test_progress_is_said_about_eight_times_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("runs", 83)
    for _ in range(83):
        progress.one()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 9 and "runs: 10 of 83, about" in lines[0] and "83 of 83, about 0 s left" in lines[-1]


def test_figures_are_written_whole_and_what_was_never_reached_is_null(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    write_json(file, {"a": (1, float("inf")), 2: [float("nan"), 0.5]})
    assert json.loads(file.read_text()) == {"a": [1, None], "2": [None, 0.5]}
    with pytest.raises(TypeError):
        write_json(file, {"a": object()})
    assert json.loads(file.read_text())["2"] == [None, 0.5] and list(tmp_path.iterdir()) == [file]
    write_json(None, {"a": object()})
