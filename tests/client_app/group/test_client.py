"""A node that waits for its worker group says so; what the group itself reports starts the wait anew."""

from __future__ import annotations

import logging
import socket
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from client_app.group import client, frames
from client_app.group.client import GroupLearner
from client_app.training.meter import Report
from client_app.training.spec import LearnerSpec
from crossward.config.run_config import RunConfig

ABOUT = {"layout": "x", "sizes": [1], "shapes": [["x", [1]]], "site": "North", "units": 0}


def test_a_wait_for_the_worker_group_is_said(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "crossward.node")
    ours, theirs = socket.socketpair()
    report = Report("North", "", 3, 10, 100, 100.0, 1.0, 0)
    script: list[dict[str, Any]] = [
        *[{"alive": True}] * 5,
        {"progress": report._asdict()},
        *[{"alive": True}] * 2,
        ABOUT,
    ]
    ticks = iter(range(0, 1000, 4))  # each look at the clock finds it four seconds on
    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    monkeypatch.setattr(client, "connect", lambda folder, options: ours)

    def serve() -> None:
        assert frames.receive(theirs)[0]["do"] == "open"
        for header in script:
            frames.send(theirs, header)

    thread = threading.Thread(target=serve)
    thread.start()
    spec = SimpleNamespace(config=RunConfig.read({}), group_key=lambda version: "key", to_json=lambda: {})
    learner = GroupLearner(cast(LearnerSpec, spec), tmp_path)
    thread.join()
    learner.sock.close()
    theirs.close()
    assert learner.site == "North"
    assert [line for line in caplog.messages if "waiting" in line] == [
        "waiting for the worker group to load the model and the notes (8 s)",
        "waiting for the worker group to load the model and the notes (20 s)",
        "waiting for the worker group to load the model and the notes (8 s)",
    ]
