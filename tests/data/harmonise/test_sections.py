"""Headings of any house's style in one spelling, their bodies as they were."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.harmonise.sections import HEADINGS, spelt

STYLES = ["HPI:", "HISTORY OF PRESENT ILLNESS:", "HISTORY OF PRESENT ILLNESS", "**HPI**", "**HPI:**", "**HPI**:",
          "<b>HPI</b>", "<B>History of present illness</B>:", "<h2>HPI</h2>", "1. HPI:", "2) HPI", "IV. HPI", "## HPI",
          "[HPI]", "=== HPI ===", "__HPI__", "  HPI :", "hpi:", "History of Present Illness:"]  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_one_heading_in_every_style(style: str) -> None:
    assert spelt(f"Note\n{style}\n54M, well.\n") == "Note\nHistory of Present Illness:\n54M, well.\n"


@pytest.mark.parametrize("style", [style for style in STYLES if not style.startswith(("2)", "IV", "##")) and
                                   style != "HISTORY OF PRESENT ILLNESS"])  # fmt: skip
def test_a_body_on_the_same_line_stays(style: str) -> None:
    assert spelt(f"{style} 54M, well.") == "History of Present Illness: 54M, well."


@pytest.mark.parametrize(
    "text",
    [
        "Plan to go home",
        "PE ruled out by CT",
        "Course complicated by sepsis",
        "the exam\nplan\nwas made",
        "Allergies NKDA",
        "1. Plan to extubate",
        "labs/imaging pending",
        "his HPI: unclear",
        "[WHY]\ntrauma",
        "HPIX:\nx",
        "exam-room: 5",
    ],
)
def test_text_is_no_heading(text: str) -> None:
    assert spelt(text) == text


def test_no_two_headings_share_a_spelling() -> None:
    names = sorted(
        alias.strip() for head, more in HEADINGS.items() for alias in (head.lower(), *more.split(",")) if alias
    )
    assert all(one != other for one, other in pairwise(names))


BODY = st.text("abc .,:\n0123[]*<b>/-", max_size=40)


@given(BODY, st.sampled_from(STYLES), BODY)
def test_twice_is_once(before: str, style: str, after: str) -> None:
    once = spelt(f"{before}\n{style}\n{after}")
    assert spelt(once) == once and "History of Present Illness:" in once
