"""The report's card about what joining brought, drawn once an evaluation has measured it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crossward.report.joining.figures import ALONE, BASE, GLOBAL, PERSONAL, Gap, Joining, Level, Place
from crossward.report.joining.sentence import sentence
from tests.story import story

__all__ = ["story"]

TITLE, FIGURE = "What joining brought each hospital", "perplexity at home and elsewhere"


def joining(site: str, shift: float) -> Joining:
    adapters = {BASE: 32.5, GLOBAL: 5.3, ALONE: 2.33 + shift, PERSONAL: 2.28 + shift}
    home = {model: Level(value, value - 0.05, value + 0.05) for model, value in adapters.items()}
    away = {model: Level(30 * value, 29 * value, 31 * value) for model, value in adapters.items()}
    pairs = {f"{PERSONAL}-{ALONE}": Gap(-0.02, -0.03, -0.01), f"{GLOBAL}-{ALONE}": Gap(0.9, 0.8, 1.0)}
    return Joining(site, Place(9, home, pairs), Place(30, away, pairs))


def evaluation(folder: Path, version: int, *found: Joining) -> None:
    """Leave what ``crossward evaluate`` leaves."""
    value = {"version": version, "joining": {one.site: one.to_json() for one in found}}
    (folder / "evaluation.json").write_text(json.dumps(value))


def test_the_card_stands_in_the_place_of_what_was_reported(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.full_run(4, 3)
    assert TITLE not in recorded.page()[0]
    found = [joining("North <b>", 0.0), joining("South", 0.3)]
    evaluation(recorded.path, 4, *found)
    text, root = recorded.page()
    shown = " ".join(root.itertext())
    assert TITLE in shown and f'aria-label="{FIGURE}"' in text and "held-out perplexity by hospital" not in text
    for one in found:
        assert sentence(one) in shown and f"{one.site}, at home" in shown and f"{one.site}, elsewhere" in shown
    assert "-0.020 ± 0.010" in shown and "2.63 [2.58, 2.68]" in shown
    evaluation(recorded.path, 3, *found)
    assert TITLE not in recorded.page()[0], "of an earlier version"


def test_the_personal_adapter_is_among_the_reported_measures(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.full_run(4, 3)
    shown = " ".join(recorded.page()[1].itertext())
    assert "personal adapter" in shown and "11.02 [" in shown  # exp(2.4)
