"""What a person sees of a run: a line a version with a loss that moves, troubles, and none of the log's other lines."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from client_app.training.log import FILE_NAME
from crossward.launcher.display import Display, _Terminal
from crossward.launcher.horizontal_view import HorizontalView

LOG = "[   9.0 s] version 1/4: weights North 30 (staleness 0), South 10 (staleness 0)"


@pytest.fixture
def recorded(story: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run whose hospitals report losses rounded so coarsely that they hardly move."""
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    one = story(["North", "South", "East", "West"], 4, 1.5)
    one.start()
    return one


def keep(recorded: Any, site: int, task: int, loss: float) -> None:
    """What a simulated hospital keeps of its training on this machine."""
    path = Path(f"{recorded.path.parent}/home/state/{'ab' * 8}/site-{site}/{FILE_NAME}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({"task": task, "version": 0, "loss": loss, "tokens": 10, "steps": 5}) + "\n")


def make_version(recorded: Any, number: int, losses: list[float] | None = None, noise: float = 0.0) -> None:
    tasks = [recorded.ask(i, number - 1) for i in range(3)]
    for i, task in enumerate(tasks):
        if losses:
            keep(recorded, i, task, losses[i])
        recorded.accept(i, task, number - 1, i % 2)
    recorded.version(number, [(i, task, 10, i % 2) for i, task in enumerate(tasks)], 2.25, loss_noise=noise)


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_version_is_a_line_with_its_exact_loss_and_the_time_left(
    recorded: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    show = Display().of_run(recorded.path, ours=True, resumed=False)
    assert shown(capsys) == ["started at version 0 of 4"]
    make_version(recorded, 1, [3.0, 2.0, 4.0])
    assert show(LOG)
    (line,) = shown(capsys)
    assert line.startswith("version 1/4  training loss 3.000 ") and "2.25" not in line
    assert line.endswith("North, South (1 behind), East") and " left " in line
    make_version(recorded, 2, [2.0, 2.0, 2.5])
    recorded.record("evaluated", version=2, loss=2.125, complete=True, sites=[])
    make_version(recorded, 3, [2.0, 2.0, 2.0])
    assert show(LOG) and not show(LOG)
    second, heldout, third = shown(capsys)
    assert "training loss 2.167 " in second and heldout.strip() == "held-out loss 2.125 at version 2"
    assert "training loss 2.000, held-out 2.125 at 2" in third


def test_losses_that_are_not_here_are_not_made_up(recorded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    show = Display().of_run(recorded.path, ours=True, resumed=False)
    make_version(recorded, 1)
    show(LOG)
    assert "training loss unknown" in shown(capsys)[-1]
    make_version(recorded, 2, noise=0.14)
    show(LOG)
    assert "estimated held-out loss 2.25 ± 0.14 " in shown(capsys)[-1]


def test_lines_of_the_log_are_hidden_but_warnings(recorded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    show = Display().of_run(recorded.path, ours=True, resumed=False)
    shown(capsys)
    assert not show("AsyncHybrid strategy:") and not show(LOG)
    assert show("warning: node 7 is late") and shown(capsys) == ["warning: node 7 is late"]


def test_what_goes_wrong_has_a_line_with_its_reason(recorded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    show = Display().of_run(recorded.path, ours=True, resumed=False)
    make_version(recorded, 1, [3.0, 2.0, 4.0])
    recorded.refuse(1, recorded.ask(1, 1), "malformed", "3 parts, expected 4")
    recorded.record("left", node=recorded.nodes[3])
    show(LOG)
    lines = shown(capsys)
    assert any("South: malformed: 3 parts, expected 4" in line for line in lines) and "left" in lines[-1]


def test_who_is_late_once_all_versions_are_made_is_no_trouble(
    recorded: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    show = Display().of_run(recorded.path, ours=True, resumed=False)
    for number in range(1, 5):
        make_version(recorded, number, [3.0, 2.0, 4.0])
    recorded.refuse(3, recorded.ask(3, 4), "late", "the run is complete")
    show(LOG)
    lines = shown(capsys)
    assert not [line for line in lines if "late" in line]
    assert lines[-1] == "all versions are made; hospitals train their own adapters (run.alone), and measure"


def test_a_resumed_run_does_not_repeat_what_was(recorded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_version(recorded, 1, [3.0, 2.0, 4.0])
    show = Display().of_run(recorded.path, ours=True, resumed=True)
    assert shown(capsys) == []
    recorded.start("resumed", 1)
    make_version(recorded, 2, [2.0, 2.0, 2.0])
    show(LOG)
    first, second = shown(capsys)
    assert first == "resumed at version 1 of 4" and second.startswith("version 2/4  training loss 2.000")


def test_a_ledger_that_is_damaged_or_not_there_yet_ends_no_run(
    recorded: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show = Display().of_run(tmp_path / "none", ours=True, resumed=False)
    assert not show(LOG)
    path = recorded.path / "ledger.jsonl"
    path.write_text(path.read_text().replace('"last":4', '"last":5'))
    assert not Display().of_run(recorded.path, ours=True, resumed=False)(LOG)
    assert shown(capsys) == []


def test_another_app_verbose_and_quiet(recorded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert Display().of_run(recorded.path, ours=False, resumed=False)("round 1") and shown(capsys) == ["round 1"]
    make_version(recorded, 1, [3.0, 2.0, 4.0])
    assert Display(verbose=True).of_run(recorded.path, ours=True, resumed=False)(LOG)
    assert shown(capsys) == [LOG.replace("weights", "training loss 3.000; weights")]
    assert not Display(quiet=True).of_run(recorded.path, ours=True, resumed=False)(LOG) and shown(capsys) == []


def test_on_a_terminal_a_bar_shows_how_far_the_run_is(recorded: Any) -> None:
    out = io.StringIO()
    with Display() as display:
        display.console = _Terminal(file=out, force_terminal=True, width=100, highlight=False)
        show = display.of_run(recorded.path, ours=True, resumed=False)
        assert isinstance(show, HorizontalView)
        make_version(recorded, 1, [3.0, 2.0, 4.0])
        show(LOG)
        assert display._progress is not None and display._progress.tasks[0].completed == 1
        assert display._progress.tasks[0].total == 4 and "left" in display._progress.tasks[0].description
    assert display._progress is None
    plain = Console(file=io.StringIO(), width=100)
    plain.print(out.getvalue())
    assert "training loss 3.000" in out.getvalue() and "version 1/4" in out.getvalue().replace("\x1b[0m", "")
    longest = max(len(line) for line in out.getvalue().splitlines() if "training loss" in line)
    assert longest < 200  # one line of the terminal, with its colours: hospitals are cut off


def test_whoever_stops_reading_ends_no_run(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Gone())
    show = Display().of_run(recorded.path, ours=True, resumed=False)
    make_version(recorded, 1, [3.0, 2.0, 4.0])
    show(LOG)
    display = Display()
    display.console = _Terminal(file=Gone(), force_terminal=True)
    display("a line")
