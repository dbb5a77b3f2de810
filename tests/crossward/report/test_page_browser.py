"""The report as a browser draws it: figures are there, whole and legible, nothing is loaded and nothing is logged."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossward.report.timeline import LOOKS
from tests.browser import Browser
from tests.crossward.report.joining.test_section import FIGURE, evaluation, joining

FIGURES = [
    "loss by version",
    "training loss by hospital",
    "held-out perplexity by hospital",
    "tasks of every hospital over time",
    "how every hospital spent its time",
    "integer weights by version",
    "staleness by version and hospital",
    "bytes up and down by hospital",
]
# What is wrong with the page as it is drawn now, in words; the names of its figures.
EXAMINE = """(() => {
  const faults = [], wide = document.documentElement.clientWidth;
  if (document.scrollingElement.scrollWidth > wide) faults.push('the page scrolls sideways');
  for (const card of document.querySelectorAll('section, .tile'))
    if (card.scrollWidth > card.clientWidth || card.getBoundingClientRect().right > wide)
      faults.push('a card is cut: ' + card.textContent.slice(0, 40));
  const names = [];
  for (const svg of document.querySelectorAll('svg')) {
    const name = svg.getAttribute('aria-label'), fault = (what) => faults.push(name + ': ' + what);
    names.push(name);
    const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal, room = svg.parentElement;
    if (box.width < 100 || box.height < 40) fault('has no size');
    if (box.right > wide && room.scrollWidth <= room.clientWidth) fault('leaves the page and cannot be scrolled');
    const inside = (b, slack) => b.x >= -slack && b.y >= -slack && b.x + b.width <= view.width + slack &&
      b.y + b.height <= view.height + slack;
    const marks = [...svg.querySelectorAll('path, circle, polyline')];
    if (!marks.length) fault('has no marks');
    for (const mark of marks) {
      const b = mark.getBBox();
      if (b.width + b.height === 0) fault('an empty mark');
      if (!inside(b, 1)) fault('a mark leaves it');
    }
    const texts = [...svg.querySelectorAll('text')].map((text) => {
      const b = text.getBBox();
      const small = parseFloat(getComputedStyle(text).fontSize) * box.width / view.width;
      if (small < 8) fault('text of ' + small + ' pixels');
      if (!inside(b, 0)) fault('text beyond its edge: ' + text.textContent);
      return {x: b.x, y: b.y, width: b.width, height: b.height, says: text.lastChild.textContent};
    }).sort((a, b) => a.y - b.y);
    texts.forEach((one, i) => {
      for (let j = i + 1; j < texts.length && texts[j].y < one.y + one.height; j++) {
        const other = texts[j];
        const over = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
        const high = one.y + one.height - other.y;
        if (over > 1 && high > 0.35 * one.height) fault('overlapping: ' + one.says + ' | ' + other.says);
      }
    });
  }
  return [names, faults];
})()"""


def complaints(browser: Browser) -> list[str]:
    """What the page logged, threw, failed to load or asked for beyond itself."""
    found = []
    requests = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    for event in browser.events:
        if event["method"] in (
            "Log.entryAdded",
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Network.loadingFailed",
        ):
            found.append(f"{event['method']}: {event['params']}")
    return found + [f"asked for {url}" for url in requests[1:]]


def colours_of(picture: bytes) -> set[str]:
    """The colours of a PNG."""
    np, image = pytest.importorskip("numpy"), pytest.importorskip("PIL.Image")
    pixels = np.asarray(image.open(io.BytesIO(picture)).convert("RGB")).astype(np.uint32)
    seen = np.zeros(1 << 24, dtype=bool)
    seen[(pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]).ravel()] = True
    return {f"#{value:06x}" for value in np.flatnonzero(seen)}


def examined(browser: Browser, width: int, path: Path, figures: list[str] = FIGURES) -> None:
    browser.open(path.as_uri(), width)
    names, faults = browser.evaluate(EXAMINE)
    assert sorted(names) == sorted(figures) and faults == []
    assert complaints(browser) == []


RUNS = {
    "whole": (["Harbour Heart", "Millbrook", "Ridgeway", "St. Brigid"], 4, lambda recorded: recorded.full_run(4, 3)),
    "eventful": (
        ["North", "South", "East", "West", "Île-de-Groix", "北の病院"],
        12,
        lambda recorded: recorded.eventful_run(),
    ),
    "large": (
        [f"University Hospital number {i:02d} of the region" for i in range(30)],
        26,
        lambda recorded: recorded.full_run(26, 12),
    ),
}


@pytest.mark.parametrize("run", RUNS)
def test_figures_are_drawn_whole_and_nothing_is_logged(browser: Browser, story: Callable[..., Any], run: str) -> None:
    names, planned, happens = RUNS[run]
    recorded = story(names, planned)
    happens(recorded)
    recorded.page()
    path = recorded.path / "report.html"
    examined(browser, 400, path)
    examined(browser, 1280, path)
    seen = colours_of(browser.screenshot())
    assert {hospital.colour for hospital in recorded.history().hospitals} <= seen
    assert run != "eventful" or {colour for colour, _, _ in LOOKS.values()} <= seen


@pytest.mark.parametrize("run", RUNS)
def test_what_joining_brought_is_drawn_whole(browser: Browser, story: Callable[..., Any], run: str) -> None:
    names, planned, happens = RUNS[run]
    recorded = story(names, planned)
    happens(recorded)
    evaluation(recorded.path, recorded.history().last, *(joining(name, i / 20) for i, name in enumerate(names)))
    recorded.page()
    figures = [name.replace("held-out perplexity by hospital", FIGURE) for name in FIGURES]
    for width in (400, 1280):
        examined(browser, width, recorded.path / "report.html", figures)


@pytest.mark.parametrize("run", RUNS)
def test_rounded_losses_are_drawn_whole_too(browser: Browser, story: Callable[..., Any], run: str) -> None:
    names, planned, happens = RUNS[run]
    recorded = story(names, planned, grid=1.5)
    happens(recorded)
    recorded.page()
    figures = [name.replace("training loss", "reported training loss") for name in FIGURES]
    for width in (400, 1280):
        examined(browser, width, recorded.path / "report.html", figures)


def test_the_examination_finds_what_is_wrong(browser: Browser, story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.full_run(4, 3)
    text, _ = recorded.page()
    broken = recorded.path / "broken.html"
    text = text.replace("</main>", '<script>console.log("x")</script><img src="other.png"/></main>')
    text = text.replace("<section>", '<section><div style="width:2000px">wide</div>', 1)
    text = text.replace("</svg>", '<path d="M0 0"/><text x="-9" y="20">beyond</text></svg>', 1)
    broken.write_text(text, encoding="utf-8")
    browser.open(broken.as_uri(), 1280)
    _, faults = browser.evaluate(EXAMINE)
    found = "\n".join(faults)
    assert "a card is cut" in found and "loss by version: an empty mark" in found and "beyond its edge: beyond" in found
    assert len(complaints(browser)) >= 2  # the page's policy refuses both, and says so
