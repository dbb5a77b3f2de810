"""Progress is printed whatever a node says: its words may be empty, long or hostile to a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server_app.progress import Progress


def failed(reason: str) -> dict[str, Any]:
    return {"event": "failed", "task": 1, "node": "7", "hospital": "node-7", "version": 0, "reason": reason}


@pytest.mark.parametrize("reason", ["", "\n", "\n\nlate words"])
def test_a_failure_without_a_reason_does_not_end_the_run(reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    Progress(Path("/runs/x"), 4, clock=lambda: 0.0)(failed(reason))
    assert "failed: node-7:" in capsys.readouterr().out


def test_a_nodes_words_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Path("/runs/x"), 4, clock=lambda: 0.0)
    progress(failed("\x1b[2J\x1b]0;owned\x07 gone [bold]"))
    said = capsys.readouterr().out
    assert "\x1b" not in said and "\x07" not in said and "gone [bold]" in said


def test_a_version_names_its_hospitals_weights_and_staleness(capsys: pytest.CaptureFixture[str]) -> None:
    line = {"event": "version", "version": 2, "train_loss": 1.5, "sites": ["A", "B"], "weights": [96, 32], "key": ""}
    Progress(Path("/runs/x"), 4, clock=lambda: 0.0)(line | {"staleness": [0, 3]})
    assert "version 2/4: train loss 1.500; weights A 96 (staleness 0), B 32 (staleness 3)" in capsys.readouterr().out


def test_clamped_claims_have_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = {"event": "accepted", "hospital": "ab", "site": "North", "version": 3, "staleness": 0, "steps": 5}
    line |= {"loss_sum": 20.0, "num_tokens": 10, "bytes": 500, "seconds": 2.0}
    progress = Progress(Path("/runs/x"), 4, clock=lambda: 0.0)
    progress(line)
    assert "clamped" not in capsys.readouterr().out
    progress(line | {"clamped": ["compute_seconds 99.0 -> 12.3", "steps \x1b -> 1"]})
    assert "clamped: North: compute_seconds 99.0 -> 12.3; steps ? -> 1" in capsys.readouterr().out


def test_a_private_update_tells_its_price_and_no_loss(capsys: pytest.CaptureFixture[str]) -> None:
    line = {"event": "accepted", "hospital": "ab", "site": "North", "version": 3, "staleness": 0, "steps": 5}
    line |= {"loss_sum": 0.0, "num_tokens": 10, "bytes": 500, "seconds": 2.0, "privacy_unit": "patient"}
    progress = Progress(Path("/runs/x"), 4, clock=lambda: 0.0)
    progress(line | {"local_epsilon": 1.234, "local_epsilon_step": 0.5})
    progress({"event": "version", "version": 2, "sites": ["A"], "weights": [96], "key": "", "staleness": [0]})
    progress({"event": "budget", "hospital": "ab", "reason": "no more"})
    said = capsys.readouterr().out
    assert "5 steps, patient-level epsilon 1.23, 0 kB" in said and "train losses withheld" in said
    assert "budget: North: no more" in said
