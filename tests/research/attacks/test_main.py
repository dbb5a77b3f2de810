"""The command: what it runs, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossward.cli.app import main
from research.attacks.figures import facts
from research.attacks.laboratory import Laboratory
from research.attacks.scores import VIEWS
from research.attacks.suite import REGISTRY, AttackError, attack, chosen


def test_frontier_from_the_command_line(lab: Laboratory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = lab.size
    where = tmp_path / "found.json"
    assert attack("frontier", seed=3, json_file=where, figures=tmp_path, size=size) == 0
    found = json.loads(where.read_text())
    assert found["settings"]["seed"] == 3 and found["settings"]["size"]["victims"] == size.victims
    rows = found["scores"]
    assert {row["view"] for row in rows} == {"aggregator"} < set(VIEWS)
    partly = [row for row in rows if "ranking=" in row["note"]]
    assert len(partly) == 3 * 3 * len(size.fractions)
    for row in rows:
        assert (
            row["low"] - 1e-9 <= row["gain"] <= row["high"] + 1e-9
            and abs(row["value"] - row["guess"] - row["gain"]) < 1e-9
        )
    ends = {facts(row["note"])["fraction"]: row for row in partly if row["setting"] == "worst case"}
    # six victims scatter by a tenth around nothing, elsewhere to the other side: the clear ones stand out from that
    assert ends["0"]["low"] > 0.1 and ends["1"]["low"] <= 0.0 and ends["1"]["gain"] < ends["0"]["low"]
    assert (tmp_path / "frontier.png").stat().st_size > 10000
    assert "View: aggregator" in capsys.readouterr().out


def test_unknown_attacks_are_refused_and_known_ones_are_found() -> None:
    with pytest.raises(AttackError, match="no attack 'x'"):
        chosen("x")
    assert [name for name, run in chosen("") if callable(run)] == list(REGISTRY)
    assert main(["attack", "--only", "y"]) == 2


def test_what_cannot_be_written_is_said_before_the_long_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("research.attacks.laboratory.Laboratory", lambda *args: pytest.fail("it was begun"))
    (tmp_path / "file").touch()
    for option in ("--json", "--figures"):
        assert main(["attack", "--only", "frontier", option, str(tmp_path / "file" / "below")]) == 2
        assert str(tmp_path / "file") in capsys.readouterr().err
