"""What a person sees of a simulated run of parties: a line a step with what was reported, and troubles."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossward.config.scenarios import SCENARIOS, VERTICAL
from crossward.launcher.display import RUN_VIEWS, Display, _Terminal
from crossward.launcher.vertical_view import VerticalView
from tests.vertical_story import NAMES

Story = Callable[..., Any]


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_every_scenario_has_a_view() -> None:
    assert RUN_VIEWS.keys() == SCENARIOS.keys()


def test_a_step_is_a_line_once_all_have_done_it(
    vertical_story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show = Display().of_run(tmp_path / "run-0", ours=True, resumed=False, scenario=VERTICAL)
    assert not show("before there is a run folder")
    one = vertical_story()
    assert one.path == tmp_path / "run-0"
    one.start()
    one.meet()
    step = one.steps[1]
    one.do(step, NAMES[0], one.ask(step, NAMES[0]))
    assert show("the log's own line") and not show("another")
    started, parties = shown(capsys)
    assert started == "started at step 0 of 13" and parties.startswith("parties: Harbour Heart (notes), Laboratory")
    for name in NAMES[1:]:
        one.do(step, name, one.ask(step, name), facts={"declared patients": 1400})
    show("")
    (line,) = shown(capsys)
    assert line.startswith("step  1/12  blinded sets of patients  ") and " s  " in line
    assert line.endswith("Laboratory: declared patients 1400; Millbrook: declared patients 1400")
    for step in one.steps[2:]:
        one.step(step)
    one.finish()
    show("")
    lines = shown(capsys)
    assert [line.split()[1] for line in lines] == [f"{number}/12" for number in range(2, 13)]
    assert lines[2].endswith("Harbour Heart") and "Harbour Heart: auroc 0.8413" in lines[-2]


def test_troubles_have_a_line_and_the_logs_warnings_too(
    vertical_story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    one = vertical_story()
    one.run(until=8)
    show = Display().of_run(one.path, ours=True, resumed=True, scenario=VERTICAL)
    assert shown(capsys) == []  # it was shown before
    step = one.steps[8]
    one.fail(step, NAMES[1], one.ask(step, NAMES[1]), "failed", "disk \x1b[2Jfull")
    one.left(NAMES[1])
    one.step(step, but=NAMES[1:2])
    one.absent(step, NAMES[1], 60.0)
    assert show("warning: beware") and show("")
    *troubles, last = shown(capsys)
    assert troubles == [
        "warning: beware",
        "step 8 (approach), Laboratory: failed: disk  [2Jfull",
        "Laboratory: disconnected",
        "step 8 goes on without Laboratory, away for 60 s",
    ]
    assert last.startswith("step  8/12  representations improved, exchange 1  ")


def test_a_terminal_has_a_bar_over_steps(vertical_story: Story) -> None:
    one = vertical_story()
    out = io.StringIO()
    one.run(until=7)
    one.ask(one.steps[7], NAMES[0])
    with Display() as display:
        display.console = _Terminal(file=out, force_terminal=True, width=120, highlight=False)
        show = display.of_run(one.path, ours=True, resumed=False, scenario=VERTICAL)
        assert isinstance(show, VerticalView) and display._progress is not None
        (task,) = display._progress.tasks
        assert (task.completed, task.total) == (7, 13)
        assert task.description == "Harbour Heart: trains the joint model, exchange 1"
    assert "common patients known" in out.getvalue() and "step" in out.getvalue()
