"""The table for a terminal: a line a hospital, its adapters at home, then elsewhere.

Not for: every adapter at every hospital, which ``evaluation.json`` has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from crossward.protocol.measures import Measure
from crossward.report.joining.figures import (
    ADAPTERS,
    ALONE,
    BETTER,
    GLOBAL,
    PERSONAL,
    WORSE,
    Gap,
    Joining,
    Level,
    Place,
    present,
    reported,
)
from crossward.report.joining.sentence import gap_text, sentence
from crossward.report.svg import clean, short

ALL = "all hospitals"
HOME, ELSEWHERE = "at home", "elsewhere"
MEANING = "At home: the hospital's own held-out notes; elsewhere: the others'."
PAIRED = " Differences: nats a token, ± 95 % paired by patient."
SHOWN = ((PERSONAL, ALONE), (PERSONAL, GLOBAL))
_STYLES = {BETTER: "green", WORSE: "red"}
_NAME = 28


def _level(level: Level | None, interval: bool) -> str:
    if level is None:
        return "-"
    if not interval:
        return short(level.perplexity)
    if level.low is None or level.high is None:
        return f"{short(level.perplexity)} (1 patient)"
    return f"{short(level.perplexity)} [{short(level.low)}, {short(level.high)}]"


def _gap(gap: Gap | None) -> Text:
    return Text("-") if gap is None else Text(gap_text(gap), _STYLES.get(gap.verdict, ""))


def joining_table(all_joinings: Sequence[Joining], total: Place | None = None, caption: str = "") -> Table:
    """Perplexities by hospital and adapter, with the paired differences where there are any, else with intervals.

    ``total`` is a last line at home, for all hospitals together.
    """
    models = present(all_joinings)
    everywhere = [one.home for one in all_joinings] + [one.elsewhere for one in all_joinings if one.elsewhere]
    pairs = [pair for pair in SHOWN if any("-".join(pair) in place.differences for place in everywhere)]
    title = "Held-out perplexity, lower is better" + ("" if pairs else " [95 % by patient]")
    caption = "\n".join(filter(None, [MEANING + (PAIRED if pairs else ""), caption]))
    table = Table(title=title, caption=caption, caption_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("hospital", min_width=14)
    table.add_column("patients", justify="right", no_wrap=True)
    for model in models:
        table.add_column(ADAPTERS[model].replace(" ", "\n", 1), justify="right", no_wrap=True)
    for one, other in pairs:
        table.add_column(f"{one}\n- {other}", justify="right", no_wrap=True)

    def part(heading: str, place_of: Callable[[Joining], Place | None]) -> None:
        rows = [(one.site, place) for one in all_joinings if (place := place_of(one)) is not None]
        if not rows:
            return
        table.add_row(Text(heading, "italic"))
        last = [(ALL, total)] if total is not None and place_of is _home and len(rows) > 1 else []
        for site, place in [*rows, *last]:
            levels = [_level(place.adapters.get(model), not pairs) for model in models]
            gaps = [_gap(place.differences.get("-".join(pair))) for pair in pairs]
            table.add_row(escape(f" {clean(site, _NAME)}"), str(place.patients), *levels, *gaps)
        table.add_section()

    part(HOME, _home)
    part(ELSEWHERE, _elsewhere)
    return table


def _home(joining: Joining) -> Place:
    return joining.home


def _elsewhere(joining: Joining) -> Place | None:
    return joining.elsewhere


def print_joining(
    console: Console, all_joinings: Sequence[Joining], total: Place | None = None, caption: str = ""
) -> None:
    """The table, and below it a sentence for each hospital."""
    console.print(joining_table(all_joinings, total, caption))
    for one in all_joinings:
        text = Text.assemble((f"{clean(one.site, 60)}: ", "bold"), sentence(one))
        console.print(Padding(text, (0, 0, 0, 2)), highlight=False)


def reported_table(measures: Mapping[tuple[str, str], Measure]) -> Table:
    """What the hospitals reported of their adapters on notes that never left them."""
    return joining_table(reported(measures), caption="as reported by the hospitals; no note left any of them")
