"""The page of a vertical run as a browser draws it: figures are whole and legible, nothing is loaded or logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crossward.ledger.events import Resumed
from crossward.report.vertical.results import FIGURE_NAME
from crossward.report.vertical.timeline import LOOKS, lanes_of
from tests.browser import Browser
from tests.crossward.report.test_page_browser import colours_of, examined
from tests.vertical_story import score

FIGURES = ["steps of every party over time", "bytes from party to party", FIGURE_NAME]
NAMES = ("St. Brigid's Hospital of the whole Region", "北の病院 Laboratory", "Millbrook", "Île-de-Groix")
Story = Callable[..., Any]


def eventful(one: Any) -> None:
    """A run in which a step fails in each way, a party goes and the server restarts."""
    one.run(until=9)
    step, party = one.steps[9], NAMES[2]
    for kind in ("failed", "refused", "malformed"):
        one.fail(step, party, one.ask(step, party), kind, "x" * 300, 4.0)
    one.ask(step, party)
    one.now += 5
    one.left(party)
    one.step(step, but=[party])
    one.absent(step, party, 20.0)
    one.start(Resumed, 10)
    one.step(one.steps[10])
    one.ask(one.steps[11], NAMES[3])
    one.now += 8
    one.ask(one.steps[11], NAMES[1])


def test_figures_are_drawn_whole_and_nothing_is_logged(browser: Browser, vertical_story: Story) -> None:
    one = vertical_story(NAMES, ("notes", "labs", "vitals", "claims"))
    eventful(one)
    where = "patients outside the overlap"
    rows = [score(model, 0.6 + i / 20, 0.02) for i, model in enumerate((*one.holds, "joint", "central"))]
    one.evaluated(
        *rows, score("distilled", 0.95, 0.05, where=where, party=NAMES[0]), score("labs", 0.5, None, where=where)
    )
    one.page()
    path = one.path / "report.html"
    examined(browser, 400, path, FIGURES)
    examined(browser, 1280, path, FIGURES)
    seen = colours_of(browser.screenshot())
    assert {lane.colour for lane in lanes_of(one.history())} | {colour for colour, _, _ in LOOKS.values()} <= seen


def test_one_sender_and_scores_without_intervals_are_drawn_whole_too(
    browser: Browser,
    vertical_story: Story,
) -> None:
    one = vertical_story(("A", "B"), ("notes", "labs"))
    one.run(until=2)
    one.do(one.steps[2], "B", one.ask(one.steps[2], "B"), sends=[("A", "set", 10**9), ("A", "declared", 1)])
    one.evaluated(score("joint", 0.999, None))
    one.page()
    examined(browser, 1280, one.path / "report.html", FIGURES)
