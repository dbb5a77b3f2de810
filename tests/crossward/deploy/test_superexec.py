"""A SuperNode's SuperExec is ours: it has ClientApps forked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from crossward.deploy import superexec
from crossward.deploy.superexec import CLIENTAPPS, COMMAND
from crossward.internals.flower import FLOWER

ROOT = Path(__file__).resolve().parents[3]


def test_it_is_flowers_whose_clientapps_are_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    def command(clientapps: Sequence[str]) -> Any:
        started.append(clientapps)
        return lambda: started.append(sys.argv)

    monkeypatch.setattr(superexec, "superexec_command", command)
    monkeypatch.setattr(sys, "argv", ["superexec.py", "--insecure"])
    superexec.main()
    assert started == [[*COMMAND, CLIENTAPPS], ["flower-superexec", "--insecure"]]


def test_a_forked_process_is_flowers_clientapp() -> None:
    done = subprocess.run(
        [*COMMAND, CLIENTAPPS], input=b'["--help"]\n', cwd=ROOT, capture_output=True, timeout=300, check=True
    )
    assert done.stdout.startswith(b"usage: flwr-clientapp") and done.stderr == b""


def test_a_superexec_of_other_internals_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(_: Sequence[str]) -> None:
        raise FLOWER.differs("its executor is another")

    monkeypatch.setattr(superexec, "superexec_command", differs)
    monkeypatch.setattr(sys, "argv", ["superexec.py"])
    with pytest.raises(SystemExit, match=r"the SuperExec cannot be started: flwr \S+: its executor is another\. "):
        superexec.main()
