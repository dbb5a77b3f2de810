"""The report: whole in itself, well-formed, true to the ledger, and safe whatever a node calls itself."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from crossward.cli.app import main
from crossward.ledger.file import FILE_NAME, LedgerError
from crossward.report.history import LOST, UNDER_WAY
from crossward.report.page import write_report
from crossward.report.palette import colours
from server_app.run_folder import RunFolderError

SVG = "{http://www.w3.org/2000/svg}"


def figures(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {svg.attrib["aria-label"]: svg for svg in root.iter(f"{SVG}svg")}


def words(root: ElementTree.Element) -> str:
    return " ".join(root.itertext())


def test_a_whole_run(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.full_run(4, 3)
    text, root = recorded.page()
    assert set(figures(root)) == {
        "loss by version",
        "training loss by hospital",
        "held-out perplexity by hospital",
        "tasks of every hospital over time",
        "how every hospital spent its time",
        "integer weights by version",
        "staleness by version and hospital",
        "bytes up and down by hospital",
    }
    shown = words(root)
    for fact in ("4 of 4", "Finished: all 4 versions are made", "6 kB", "fell from 3.675", "at version 4", "Σ 33"):
        assert fact in shown, fact
    assert "Nothing failed and nothing was refused." in shown
    assert not re.search(r"<script|https?://(?!www\.w3\.org/2000/svg)|<img|<link|@import|url\(", text)
    assert not any(node in text for node in recorded.nodes)


def test_one_colour_a_hospital_in_every_figure(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.full_run(4, 3)
    history = recorded.history()
    _, root = recorded.page()
    for svg in figures(root).values():
        used = {mark.get("fill") for mark in svg.iter()} | {mark.get("stroke") for mark in svg.iter()}
        assert {hospital.colour for hospital in history.hospitals} <= used


def test_thirty_hospitals_and_many_versions_stay_small_and_legible(story: Callable[..., Any]) -> None:
    recorded = story([f"University Hospital number {i:02d} of the region" for i in range(30)], planned=60)
    recorded.full_run(60, 12)
    text, root = recorded.page()
    assert len(text.encode()) < 400_000
    assert len(set(colours(30))) == 30
    ends = [mark for mark in figures(root)["loss by version"].iter(f"{SVG}text") if mark.get("font-size") == "12"]
    heights = sorted(float(mark.attrib["y"]) for mark in ends if float(mark.attrib["x"]) > 855)
    assert len(heights) == 32 and min(b - a for a, b in pairwise(heights)) > 14
    for svg in figures(root).values():
        width, height = (float(v) for v in svg.attrib["viewBox"].split()[2:])
        for mark in svg.iter(f"{SVG}text"):
            assert 0 <= float(mark.attrib["x"]) <= width and 0 < float(mark.attrib["y"]) < height


def test_names_and_reasons_from_nodes_are_text(story: Callable[..., Any]) -> None:
    bad = '"><script>alert(1)</script><svg onload=x>&\x00\u202e\ud800'
    recorded = story([bad, "<b>South</b>", "East", "West"])
    recorded.full_run(4, 3)
    recorded.refuse(1, recorded.ask(1, 4), "failed", f"</td><img src=x onerror=alert(2)> {bad}")
    text, root = recorded.page()
    assert not {"script", "img", "b_"} & {mark.tag.removeprefix(SVG) for mark in root.iter()}
    assert not any(name.startswith("on") for mark in root.iter() for name in mark.attrib)
    assert "<script" not in text and "<img" not in text and "<b>South" not in text and "\u202e" not in text
    shown = words(root)
    assert '"><script>alert(1)</script><svg onload=x>&' in shown and "<img src=x onerror=alert(2)>" in shown
    assert "<embedded>" in shown


def test_no_versions_and_an_empty_ledger(story: Callable[..., Any]) -> None:
    recorded = story()
    _, root = recorded.page()
    assert figures(root) == {} and "0 of 0" in words(root)
    recorded.start()
    for i in range(2):
        recorded.refuse(i, recorded.ask(i, 0), "failed", "no GPU")
    _, root = recorded.page()
    shown = words(root)
    assert "0 of 4" in shown and "No version was made." in shown and "Unfinished" in shown and "2 failed" in shown
    assert "unnamed hospital 000000" in shown and set(figures(root)) == {
        "tasks of every hospital over time",
        "how every hospital spent its time",
        "bytes up and down by hospital",
    }


def test_a_resumed_run_leaves_the_pause_out_and_says_what_was_lost(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.start()
    tasks = [recorded.ask(i, 0) for i in range(4)]
    for i in range(3):
        recorded.accept(i, tasks[i], 0)
    recorded.version(1, [(i, tasks[i], 10, 0) for i in range(3)])
    recorded.now += 5 * 86400
    recorded.nodes = [str(5 * 10**17 + i) for i in range(4)]  # a new run of Flower has other node ids
    recorded.start("resumed", 1)
    lane_of_north = recorded.ask(0, 1)
    recorded.accept(0, lane_of_north, 1)
    history = recorded.history()
    assert [hospital.name for hospital in history.hospitals] == ["East", "North", "South", "unnamed hospital 030303"]
    assert len(history.sessions) == 2 and history.running < 60 < history.ended - history.began
    assert [span.outcome for span in history.spans] == ["accepted", "accepted", "accepted", LOST, "accepted"]
    assert {span.hospital for span in history.spans if span.outcome == LOST} == {3}
    shown = words(recorded.page()[1])
    assert "resumed 1 time over 5 d" in shown and "lost when the server stopped" in shown


def test_a_known_hospital_that_only_measures_after_a_resume_keeps_its_lane(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.full_run(4, 3)
    recorded.nodes = [str(77 + i) for i in range(4)]
    recorded.start("resumed", 4)
    task = recorded.ask(0, 4, "evaluate")
    recorded.measure(0, task, 4, {"global": 1.0}, node="77", hospital="node-77")
    history = recorded.history()
    assert [hospital.name for hospital in history.hospitals][:4] == ["East", "North", "South", "West"]
    assert history.by_hospital[1][4] == 1.0


def test_two_hospitals_that_give_one_name_stay_two(story: Callable[..., Any]) -> None:
    recorded = story(["General", "General", "all", "West"])
    recorded.full_run(4, 3)
    names = [hospital.name for hospital in recorded.history().hospitals]
    assert len(set(names)) == 4 and "General (000000)" in names[1]


def test_an_unfinished_run_shows_tasks_under_way(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.start()
    tasks = [recorded.ask(i, 0) for i in range(4)]
    recorded.accept(0, tasks[0], 0)
    history = recorded.history()
    assert [span.outcome for span in history.spans][1:] == [UNDER_WAY] * 3
    assert all(span.end == history.running for span in history.spans)
    assert "1 accepted update went into no version." not in words(recorded.page()[1])


def test_rolled_back_versions_and_refusals_after_acceptance(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.full_run(4, 3)
    recorded.record("version", version=5, tasks=[], reverts=4)
    task = recorded.ask(0, 5)
    recorded.accept(0, task, 5)
    recorded.refuse(0, task, "wrong-layout", "version 1 fixed another layout")
    recorded.record("duplicate", task=-1, node=recorded.nodes[0], reason="a reply to no task under way")
    recorded.record("disagreement", node=recorded.nodes[0], hospital="00" * 8, version=4)
    history = recorded.history()
    assert history.versions[-1].reverts == 4 and history.spans[-1].outcome == "wrong-layout"
    shown = words(recorded.page()[1])
    assert "1 version rolled back" in shown and "1 refused" in shown
    assert "another state of version 4 than the others" in shown and "a reply to no task under way" in shown


def test_figures_that_nodes_report_are_bounded_by_what_the_server_saw(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.start()
    task = recorded.ask(0, 0)
    recorded.accept(0, task, 0, compute_seconds=1e300)
    task = recorded.ask(0, 0, "evaluate")
    recorded.measure(0, task, 0, {"base": 1e300, "global": 0.0}, seconds=-3.0)
    history = recorded.history()
    assert history.spans[0].compute == history.spans[0].end - history.spans[0].start
    assert history.spans[1].compute == 0.0
    recorded.page()


def test_what_is_alike_is_told_once(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.start()
    for _ in range(40):
        recorded.refuse(0, recorded.ask(0, 0), "failed", "no GPU")
    rows = [row for row in recorded.page()[1].iter("tr") if "no GPU" in words(row)]
    assert len(rows) == 1 and "40" in words(rows[0])


def test_command_line(story: Callable[..., Any], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recorded = story()
    recorded.full_run(4, 3)
    assert main(["report", str(recorded.path)]) == 0
    assert capsys.readouterr().out.strip() == str(recorded.path / "report.html")
    assert main(["report", str(tmp_path)]) == 1
    assert "is not a run folder" in capsys.readouterr().err
    with pytest.raises(RunFolderError):
        write_report(tmp_path)
    lines = (recorded.path / FILE_NAME).read_text().replace('"weights":[10,', '"weights":[11,', 1)
    (recorded.path / FILE_NAME).write_text(lines)
    with pytest.raises(LedgerError):
        write_report(recorded.path)


def test_no_plotting_library_is_imported() -> None:
    code = "import sys, crossward.report.page; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_report_that_fails_does_not_fail_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():  # what Flower's dependencies deprecate is no error of ours
        warnings.simplefilter("ignore")
        from server_app.report import report
    shown: list[str] = []
    logger = logging.getLogger("flwr")
    logger.addHandler(caplog.handler)
    try:
        report(tmp_path, write_report, shown.append)
    finally:
        logger.removeHandler(caplog.handler)
    assert not shown and "No report was written (RunFolderError" in caplog.text


def test_clamped_claims_of_one_fact_share_a_row(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.start()
    for number in range(1, 6):
        recorded.accept(
            0, recorded.ask(0, 0), 0, clamped=[f"compute_seconds {number}9.0 -> 12.3", "steps <b>9</b> -> 1"]
        )
    rows = [words(row) for row in recorded.page()[1].iter("tr") if "clamped" in words(row)]
    assert len(rows) == 2 and all(" 5 " in f" {' '.join(row.split())} " or "5" in row for row in rows)
    assert "compute_seconds 59.0 -> 12.3, the last time" in rows[0] and "steps <b>9</b> -> 1" in rows[1]
    assert "5 accepted" not in rows[0] and "10 clamped" in words(recorded.page()[1])


def test_train_losses_are_drawn_by_hospital_without_any_evaluation(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.start()
    for number, loss in enumerate((30.0, 20.0, 15.0)):
        recorded.accept(0, recorded.ask(0, number), number, loss_sum=loss)
    figure = figures(recorded.page()[1])["training loss by hospital"]
    assert "North  1.500" in words(figure) and "North, version 0: 3" in words(figure)


def rounded(story: Callable[..., Any]) -> Any:
    """Two versions of two hospitals that round: North reported 3.375 and 2.25, South 2.25 twice."""
    recorded = story(["North", "South"], grid=1.5)
    recorded.start()
    for number, losses in enumerate(((33.75, 22.5), (22.5, 22.5))):
        tasks = [recorded.ask(i, number) for i in (0, 1)]
        for i, (task, loss) in enumerate(zip(tasks, losses, strict=True)):
            recorded.accept(i, task, number, loss_sum=loss)
        recorded.version(number + 1, [(0, tasks[0], 30, 0), (1, tasks[1], 10, 0)], 2.25)
    return recorded


def dashed(svg: ElementTree.Element) -> list[ElementTree.Element]:
    return [mark for mark in svg.iter(f"{SVG}polyline") if mark.get("stroke-dasharray")]


def test_rounded_losses_are_marks_under_their_own_name_and_no_curve(story: Callable[..., Any]) -> None:
    recorded = rounded(story)
    for i in (0, 1):
        recorded.measure(i, recorded.ask(i, 2, "evaluate"), 2, {"base": 3.0, "global": 2.0})
    recorded.record("evaluated", version=2, loss=2.0, complete=True, sites=[])
    text, root = recorded.page()
    assert "Reported training loss of each hospital&#x27;s updates, rounded to powers of 1.5" in text
    drawn = figures(root)
    assert "training loss by hospital" not in drawn and not dashed(drawn["loss by version"])
    assert "training loss" not in words(drawn["loss by version"]) and "all hospitals" in words(drawn["loss by version"])
    figure = drawn["reported training loss by hospital"]
    assert not list(figure.iter(f"{SVG}polyline"))
    marks = list(figure.iter(f"{SVG}circle"))
    assert len(marks) == 4 and len({mark.attrib["cy"] for mark in marks}) == 2
    assert len({mark.attrib["cx"] for mark in marks}) == 4  # none hides another
    assert "North, version 0: 3.38, rounded to powers of 1.5" in words(figure)
    assert [mark.text for mark in figure.iter(f"{SVG}text")][:2] == ["2.25", "3.38"]


def test_without_a_measurement_no_rounded_loss_stands_in_for_one(story: Callable[..., Any]) -> None:
    text, root = rounded(story).page()
    assert "loss by version" not in figures(root) and "No hospital has measured its held-out notes yet." in text


def test_estimates_with_noise_are_curves_under_their_own_name_and_rounded_losses_beside_them_stay_marks(
    story: Callable[..., Any],
) -> None:
    recorded = story(["North", "South"], grid=1.5)
    recorded.start()
    for number, loss in enumerate((31.0, 25.0)):
        tasks = [recorded.ask(i, number) for i in (0, 1)]
        recorded.accept(0, tasks[0], number, loss_sum=loss, loss_noise=0.2)
        recorded.accept(1, tasks[1], number, loss_sum=22.5)
        recorded.version(number + 1, [(0, tasks[0], 30, 0)], loss / 10, loss_noise=0.2)
    text, root = recorded.page()
    drawn = figures(root)
    assert "North  2.500" in words(drawn["estimated held-out loss by hospital"])
    assert "South" not in words(drawn["estimated held-out loss by hospital"])
    assert "South" in words(drawn["reported training loss by hospital"])
    assert "estimate, with noise  2.500" in words(drawn["loss by version"]) and "smoothed over versions" in text
    exact = recorded.page({1: 3.1, 2: 2.6, 3: 2.4, 4: 2.2}.get)
    assert "estimated held-out loss by hospital" not in figures(exact[1])


def test_exact_losses_of_a_simulation_are_curves(story: Callable[..., Any]) -> None:
    exact = {1: 3.1, 2: 2.6, 3: 2.4, 4: 2.2}
    text, root = rounded(story).page(exact.get)
    drawn = figures(root)
    assert "reported training loss by hospital" not in drawn and "exact, as the simulated hospitals keep it" in text
    assert "or this loss rounded to powers of 1.5; an aggregator sees" in text
    figure = words(drawn["training loss by hospital"])
    assert "North, version 0: 3.1" in figure and "South  2.200" in figure
    weighted = (2.4 * 30 + 2.2 * 10) / 40
    assert f"training loss (weighted)  {weighted:.3f}" in words(drawn["loss by version"])
    assert len(dashed(drawn["loss by version"])) == 1


def test_a_version_of_which_one_loss_is_unknown_has_none(story: Callable[..., Any]) -> None:
    _, root = rounded(story).page({1: 3.1, 2: 2.6, 3: 2.4}.get)
    drawn = figures(root)
    assert "training loss (weighted)  2.975" in words(drawn["loss by version"])
    assert "South, version 1" not in words(drawn["training loss by hospital"])


def test_names_that_are_cut_stay_distinct_and_are_whole_in_a_tooltip(story: Callable[..., Any]) -> None:
    recorded = story([f"University Hospital number {i:02d} of the region" for i in range(30)], planned=4)
    recorded.full_run(2, 12)
    for label in ("tasks of every hospital over time", "bytes up and down by hospital"):
        texts = [mark for mark in figures(recorded.page()[1])[label].iter(f"{SVG}text") if mark.attrib["x"] == "26"]
        assert len(texts) == 30 == len({mark[0].tail for mark in texts})
        assert texts[3][0].text == "University Hospital number 03 of the region"


def test_spent_budgets_are_drawn_by_hospital_and_withheld_losses_are_said_to_be(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.start()
    for version in range(3):
        for i in range(2):
            spent = {"local_epsilon": 1.5 * (version + 1) + i, "local_epsilon_step": 1.0, "privacy_unit": "patient"}
            recorded.accept(i, recorded.ask(i, version), version, loss_sum=0.0, num_tokens=640, **spent)
    recorded.refuse(0, recorded.ask(0, 3), "budget", "another training would bring it beyond privacy.epsilon")
    text, root = recorded.page()
    figure = words(figures(root)["epsilon by hospital"])
    assert "North  4.500" in figure and "South  5.500" in figure and "patient-level epsilon" in figure
    assert "Patient-level epsilon, per hospital" in text and "there is no budget" in text
    assert "Withheld: it would reveal what privacy.unit = &#x27;patient&#x27; protects" in text
    assert "training loss by hospital" not in figures(root) and "beyond privacy.epsilon" in text


def test_a_run_without_privacy_has_no_epsilon(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.full_run(2, 3)
    assert "epsilon" not in recorded.page()[0]


def test_a_committee_has_its_section_its_share_of_the_time_and_its_bytes(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.record("committee", members=["north", "south", "east", "west"])
    for number in (1, 2, 3):
        tasks = [one.ask(i, number - 1) for i in (0, 1, 2)]
        for i, task in enumerate(tasks):
            one.accept(i, task, number - 1)
        one.opened(number, [(i, task, 40 + i, 0) for i, task in enumerate(tasks)], (0, 1) if number < 3 else (1, 2))
    one.record("corrected", version=3, openers=["north", "west"])
    one.record("liar", version=3, member="south", subsets=[0, 2])
    one.record("opening-dropped", version=4, tasks=[], reason="it was rolled back")
    _, root = one.page()
    shown = words(root)
    assert "A committee of 4 hospitals opens every version" in shown
    assert "3 members consent to a version's list of updates, then 2 send their shares" in shown
    assert "Opening one took 1 s, 5.0 % of a version (median)." in shown and "ab" * 32 in shown
    table = next(t for t in root.iter("table") if "consents" in words(t))
    rows = [[" ".join(words(cell).split()) for cell in row.iter("td")] for row in table.iter("tr")][1:]
    assert [row[0].split()[0] for row in rows] == ["east", "north", "south", "west"]
    assert rows[1] == ["north North", "3", "3 of 3", "0.1 s", "0.25 s", "600 B", ""]
    assert rows[2] == ["south South", "3", "2 of 3", "0.1 s", "0.3 s", "900 B", "answered wrongly for version 3"]
    assert rows[3] == ["west", "0", "1 of 3", "-", "0 s", "0 B", ""]
    opened = next(t for t in root.iter("table") if "opened by" in words(t))
    assert [[words(cell) for cell in row.iter("td")] for row in opened.iter("tr")][1:] == [
        ["1 to 2", "north, south", "1 s"],
        ["3", "north, west", "1 s"],
    ]
    assert "9 tasks and 15 questions sent to them" in shown and "0 refused" in shown
    assert "accepted adapter updates, 1.8 kB of the committee's" in shown
    assert "of a version's time; opening 1 s, 5.0 %" in shown
    assert "up: accepted updates and a committee's shares" in shown
    for notice in (
        "south (South) answered wrongly for version 3 (subsets 0, 2 of the committee)",
        "version 3 could not be verified and was made again of the answers of north (North), west",
        "version 4 is not opened, and its updates are lost: it was rolled back",
    ):
        assert notice in shown
    assert len(one.history().spans) == 9  # questions are drawn as no task: they are answered beside


def test_a_member_that_left_the_committee_is_shown_as_such(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.record("committee", members=["north", "south", "east"])
    one.accept(0, one.ask(0, 0), 0)
    one.opened(1, [(0, 1, 40, 0)])
    one.record("committee", members=["south", "east", "west"], revision=2)
    _, root = one.page()
    assert "no longer a member" in words(root) and "revision 2" in words(root)


def test_a_run_without_a_committee_does_not_speak_of_one(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.full_run(2, 3)
    assert "committee" not in recorded.page()[0]
