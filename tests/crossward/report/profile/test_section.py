"""A profile in the report and on the terminal: the sums as they are, and what some hospitals lack stands out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from crossward.report.page import write_report
from crossward.report.palette import ALERT
from crossward.report.profile.figures import PROFILE, Cell, Profile, profiled
from crossward.report.profile.lines import print_profile
from crossward.report.profile.section import profile_section, unopened_section
from crossward.report.profile.verdict import sentences

CELLS = (
    Cell("all", "notes", 1000, 4),
    Cell("all", "patients", 300, 4),
    Cell("category", "nursing", 600, 4),
    Cell("category", "radiology", 390, 1),
    Cell("category", "social", 10, 1),
    Cell("category", "therapy", 0, 0),
    Cell("length", "below 64", 1000, 4),
)
FOUND = Profile(4, CELLS, least=10, unit=10)


def test_what_some_hospitals_lack_and_many_notes_are_is_said() -> None:
    whole, categories, lengths = sentences(FOUND)
    assert whole == "4 hospitals have about 1,000 notes of 300 patients."
    assert categories == "Not everywhere: notes of category radiology: 39% of all, at 1 of 4 hospitals."
    assert lengths == "Lengths in tokens: every hospital has those that many notes have."


def test_notes_without_a_common_category_are_no_kind_that_hospitals_share() -> None:
    unknown = replace(FOUND, cells=(Cell("category", "not known", 900, 4), Cell("category", "nursing", 100, 1)))
    assert list(sentences(unknown))[1] == (
        "Categories: 90% of the notes have no common category; hospitals map theirs in a notes.toml."
    )


def test_the_card_shows_every_cell_that_has_notes_and_marks_what_is_rare_among_hospitals() -> None:
    card = profile_section(FOUND)
    for text in ("nursing", "600 (60.0%), at 4 of 4", "radiology", "390 (39.0%), at 1 of 4", "below 64", "opened once"):
        assert text in card, text
    assert "therapy" not in card and card.count(ALERT) == 1
    assert "noise" not in card and "deviation 12.5" in profile_section(replace(FOUND, deviation=12.5))
    assert "simulated hospitals" in profile_section(replace(FOUND, sealed=False))
    assert "crossward data profile RUN_FOLDER --key FILE" in unopened_section()


def test_the_terminal_shows_the_same() -> None:
    console = Console(width=120, record=True, file=StringIO())
    print_profile(console, FOUND)
    shown = console.export_text()
    assert "radiology" in shown and "39.0%" in shown and "1 of 4" in shown and "therapy" not in shown


def test_a_profile_beside_the_run_is_in_its_report(story: Callable[..., Any]) -> None:
    recorded = story()
    recorded.full_run(4, 3)
    folder = recorded.path
    assert profiled(folder) is None
    (folder / PROFILE).write_text("{}")
    assert profiled(folder) is None
    (folder / PROFILE).write_text(json.dumps(FOUND.to_json()))
    assert profiled(folder) == FOUND
    assert "Do the hospitals fit together?" in write_report(folder).read_text()


@pytest.mark.parametrize("opened", [True, False])
def test_a_profile_run_has_a_page_of_its_own(story: Callable[..., Any], opened: bool) -> None:
    recorded = story()
    recorded.full_run(4, 3)
    folder = recorded.path
    began = json.loads((folder / "config.json").read_text())
    began["config"] |= {"run.profile": True, "encryption.policy": "all"}
    (folder / "config.json").write_text(json.dumps(began))
    if opened:
        (folder / PROFILE).write_text(json.dumps(FOUND.to_json()))
    text = write_report(folder).read_text()
    assert "Crossward profile" in text and "Held-out" not in text
    assert ("radiology" in text) is opened and ("The sums are sealed" in text) is not opened
