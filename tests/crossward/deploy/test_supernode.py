"""A hospital's SuperNode is ours: it answers committee messages while it trains."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import pytest

from crossward.deploy import supernode
from crossward.internals.flower import FLOWER

ROOT = Path(__file__).resolve().parents[3]


def test_it_is_flowers_with_the_committees_types_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    def command(beside: Container[str], superexec: Sequence[str]) -> Any:
        started.extend((beside, list(superexec[1:])))
        return lambda: started.append(sys.argv[0])

    monkeypatch.setattr(supernode, "supernode_command", command)
    monkeypatch.setattr(sys, "argv", ["supernode.py", "--superlink", "hub:443"])
    supernode.main()
    beside = {"query.membership", "query.consent", "query.answer"}
    assert started == [beside, ["-m", "crossward.deploy.superexec"], "flower-supernode"]


def test_its_options_are_flowers() -> None:
    args = [sys.executable, "-m", "crossward.deploy.supernode", "--help"]
    done = subprocess.run(args, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: flower-supernode") and "--auth-supernode-private-key" in done.stdout


def test_a_supernode_of_other_internals_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(*_: object) -> None:
        raise FLOWER.differs("its loop is another")

    monkeypatch.setattr(supernode, "supernode_command", differs)
    with pytest.raises(SystemExit, match=r"the SuperNode cannot be started: flwr \S+: its loop is another\. "):
        supernode.main()
