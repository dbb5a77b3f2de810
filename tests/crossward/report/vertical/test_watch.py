"""The live view of a vertical run: who does what since when, at moments of made-up ledgers; chosen by the scenario."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from crossward.cli.app import main
from crossward.ledger.events import Resumed
from crossward.report.vertical.watch import AWAY, FINISHED, Row, VerticalFollower, rows
from crossward.report.views import scenario_of, views_of, write_report
from crossward.report.watch.command import Follower
from tests.vertical_story import NAMES

HEART, LAB, MILLBROOK = NAMES
Story = Callable[..., Any]


def states(one: Any, after: float = 0.0) -> dict[str, Row]:
    return {row.name: row for row in rows(one.history(), one.now + after)}


def view(one: Any, width: int = 140, after: float = 0.0) -> str:
    follower = VerticalFollower(one.path, lambda: one.now + after)
    follower.refresh()
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, record=True)
    console.print(follower.draw(width), highlight=False)
    return console.export_text()


def test_who_is_at_work_and_who_waits_for_whom(vertical_story: Story) -> None:
    one = vertical_story()
    assert states(one) == {} and "the run has not begun" in view(one)
    one.start()
    assert {row.state for row in states(one).values()} == {"introduces itself"}
    one.meet()
    task = one.ask(one.steps[1], LAB)
    one.do(one.steps[1], LAB, task, 2.0, [(HEART, "set", 700)])
    one.ask(one.steps[1], HEART)
    found = states(one, after=3.0)
    assert found[HEART][1:3] == ("blinds its set of patients", pytest.approx(3.0))
    assert found[LAB][1:3] == ("waits for Harbour Heart and Millbrook", pytest.approx(3.1))
    assert found[LAB].last == "1, blinded sets of patients" and (found[LAB].sent, found[LAB].failures) == (700, 0)
    assert "step 1 of 12: blinded sets of patients, waits for Harbour Heart and Millbrook" in view(one)


def test_failures_absences_and_departures_stand_out(vertical_story: Story) -> None:
    one = vertical_story()
    one.run(until=8)
    step = one.steps[8]
    one.fail(step, MILLBROOK, one.ask(step, MILLBROOK), "refused", "at most epsilon 4\nsecond line")
    assert states(one)[MILLBROOK].state == "refused to do it: at most epsilon 4"
    one.left(MILLBROOK)
    assert states(one, after=9.0)[MILLBROOK][1:3] == (AWAY, pytest.approx(9.0))
    one.step(step, but=[MILLBROOK])
    one.absent(step, MILLBROOK, 60.0)
    text = view(one)
    assert "failures and absences: 3" in text and "Millbrook refused to do it (step 8): at most epsilon 4" in text
    assert "Millbrook did not answer in time" in text
    one.start(Resumed, 9)
    one.ask(one.steps[9], HEART)
    assert states(one)[HEART].state == "trains the joint model, exchange 2"


def test_a_run_that_is_over_and_one_whose_process_died(vertical_story: Story) -> None:
    one = vertical_story()
    one.run(until=3)
    assert "nothing new for" in view(one, after=90.0)
    one.ledger.close()
    text = view(one, 200, after=90.0)
    assert "died: nothing was written since" in text and "resume it with run.resume" in text
    two = vertical_story()
    two.run()
    assert {row.state for row in states(two).values()} == {FINISHED}
    assert "step 12 of 12" in view(two) and "finished: all steps are done" in view(two, after=500.0)


@pytest.mark.parametrize("width", [60, 90, 140])
def test_rows_are_one_line_each_whatever_names_are(vertical_story: Story, width: int) -> None:
    one = vertical_story(("St. Brigid's Hospital of the whole Region", "A\x1b[2J\u202eB", "北の病院 with a laboratory"))
    one.run(until=3)
    text = view(one, width)
    assert "\x1b" not in text and "\u202e" not in text
    lines = text.splitlines()
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("party")) :]
    assert "since" in table[0] and "failures" in table[0] and ("received" in table[0]) == (width > 110)
    assert len([line for line in table[2:] if line.strip()]) == 3


def test_commands_choose_the_view_by_the_scenario(
    vertical_story: Story, story: Story, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one = vertical_story(**{"run.scenario": "transfer"})
    one.run()
    assert main(["watch", str(one.path), "--once"]) == 0
    assert "Millbrook" in (shown := capsys.readouterr().out) and "step 12 of 12" in shown
    assert main(["report", str(one.path)]) == 0
    text = (one.path / "report.html").read_text()
    assert "Transfer run: " in text and "Who could see what" in text
    usual = story()
    usual.start()
    assert isinstance(views_of(usual.path).follow(usual.path, None), Follower)
    assert "Who could see what" not in write_report(usual.path).read_text()
    (tmp_path / "config.json").write_text(json.dumps({"config": {"run.scenario": ["vertical"]}}))
    assert scenario_of(tmp_path) == "horizontal" == scenario_of(tmp_path / "nowhere")


def test_the_served_page_follows_a_vertical_run(vertical_story: Story) -> None:
    from crossward.report.serve import LivePage, make_server
    from tests.crossward.report.test_serve import ask

    one = vertical_story()
    one.run(until=3)
    with make_server(one.path, None, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        before = ask(server.server_address[1])[2]
        one.step(one.steps[3])
        after = ask(server.server_address[1])[2]
        server.shutdown()
        thread.join()
    assert "<b>3 of 13</b>" in before and "<b>4 of 13</b>" in after
    assert after == LivePage(one.path, None)()


def test_reported_figures_are_a_table(vertical_story: Story) -> None:
    one = vertical_story()
    one.run()
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(views_of(one.path).reported(one.path))
    text = console.export_text()
    assert "alone auroc" in text and "0.8413" in text and HEART in text
