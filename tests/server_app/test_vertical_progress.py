"""The log of a vertical run: a line an event with the time since the server began, harmless whatever a party says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crossward.config.vertical_settings import VerticalSettings
from crossward.ledger.vertical_events import StepFailed
from crossward.ledger.vertical_state import VerticalState
from crossward.protocol.vertical.program import program
from server_app.vertical_progress import VerticalProgress


def test_events_are_lines_with_their_time(capsys: pytest.CaptureFixture[str]) -> None:
    moments = iter([10.0, 12.5])
    clock: Callable[[], float] = lambda: next(moments)  # noqa: E731
    progress = VerticalProgress(Path("runs/one"), program(VerticalSettings(), 2), clock)
    failed = StepFailed(task=1, step=2, action="raise", node="1", party="Lab", kind="failed", reason="[red]x\x1b[2J")
    progress.on_event(failed, VerticalState())
    progress.close(VerticalState(messages=3, bytes=1_500_000))
    first, second, last = capsys.readouterr().out.splitlines()
    assert first == "Run folder: runs/one"
    assert second == "[   2.5 s]   step 2 (raise), Lab: failed: [red]x?[2J"
    assert last.startswith("3 messages, 1.5 MB of envelopes, sealed from party to party")
