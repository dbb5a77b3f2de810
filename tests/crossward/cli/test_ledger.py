"""What a ledger says of a task, a version or a hospital, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crossward.cli.app import main


@pytest.fixture
def run(story: Callable[..., Any]) -> Any:
    recorded = story(["North", "South", "East"], 4)
    recorded.start()
    first = recorded.ask(0, 0)
    recorded.refuse(0, first, "malformed", "the update has 3 parts\x1b[2J, expected 4")
    second = recorded.ask(1, 0)
    recorded.accept(1, second, 0)
    third = recorded.ask(2, 0)
    recorded.accept(2, third, 0)
    recorded.version(1, [(1, second, 10, 0), (2, third, 20, 0)])
    recorded.ledger.close()
    return recorded


def lines(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> list[str]:
    capsys.readouterr()
    assert main(["ledger", "show", *args]) == code
    return capsys.readouterr().out.splitlines()


def test_a_task_is_told_from_its_dispatch_to_its_refusal(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys, str(run.path), "--task", "1")
    assert "'train' at version 0 was sent" in found[0] and "malformed" in found[1]
    text = "\n".join(found)
    assert "the update has 3 parts" in text and "what to do: " in text and "\x1b" not in text


def test_an_accepted_task_ends_in_its_version(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys, str(run.path), "--task", "2")
    assert ["was sent" in found[0], "accepted from South" in found[1], "in version 1" in found[2]] == [True] * 3


def test_a_version_and_a_hospital_can_be_asked_for(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (made,) = lines(capsys, str(run.path), "--version", "1")
    assert "version 1" in made and "weights=[10, 20]" in made
    south = lines(capsys, str(run.path), "--node", "South")
    assert south == lines(capsys, str(run.path), "--node", "South") and any("accepted" in line for line in south)
    by_id = lines(capsys, str(run.path), "--node", run.nodes[0])
    assert all("South" not in line for line in by_id) and any("joined" in line for line in by_id)
    assert len(lines(capsys, str(run.path / "ledger.jsonl"))) == len(
        (run.path / "ledger.jsonl").read_text().splitlines()
    )


def test_what_there_is_not_is_said(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "show", str(run.path), "--task", "99"]) == 1
    assert "the ledger has no task 99" in capsys.readouterr().err
    assert lines(capsys, str(run.path), "--version", "9", code=1) == ["the ledger has no line of version 9"]
    path = run.path / "ledger.jsonl"
    path.write_text(path.read_text().replace("3 parts", "4 parts"))
    assert main(["ledger", "show", str(run.path)]) == 1
    assert "it was edited" in capsys.readouterr().err
