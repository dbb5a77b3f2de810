"""One mark for what tools removed, and nothing for what people wrote."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.harmonise.deidentification import MARK, WORDS, marked
from data.synthetic.tables import records

MARKS = [
    "[**2101-2-3**]",
    "[**Known lastname 123**]",
    "[NAME]",
    "[PATIENT NAME]",
    "[Patient Name]",
    "[Patient's Name]",
    "[DOCTOR 3]",
    "[LOCATION_12]",
    "[REDACTED]",
    "[DATE: 3]",
    "[[NAME]]",
    "<PERSON>",
    "<DATE_TIME>",
    "<PHONE_NUMBER>",
    "<LOCATION-1>",
    "<US_SSN>",
    "<IT_FISCAL_CODE>",
    "[PHONE NUMBER]",
    "[LAST NAME]",
    "[MEDICAL RECORD NUMBER: ID 7]",
    "<MEDICALRECORD>",
    "<<NAME>>",
    "{{PATIENT}}",
    "{{DATE_1}}",
    '<PHI TYPE="DATE">3/4</PHI>',
    '<PHI TYPE="ID"/>',
    "**NAME[AAA BBB]",
    "**DATE[Jan 12 2008]",
    "**INSTITUTION",
    "XXXX",
    "XXXXXXX",
    "XX/XX/XXXX",
    "xx/xx/xxxx",
    "XXX-XX-XXXX",
]
TEXTS = [
    "[WHY]",
    "[SEEN]",
    "[[TRAUMA IMAGING]]",
    "[sic]",
    "the [hospital] was",
    "[x]",
    "[1]",
    "[0-5 mg]",
    "BP <90, HR >100",
    "SpO2 <92% and K >5.5",
    "<person>",
    "{{x}}",
    "size XXX gown",
    "X-X karyotype",
    "XX and XY",
    "chapter XXXI",
    "** bold **",
    "**Allergies**",
    "*** CRITICAL RESULT ***",
    "[CV/RESP]",
    "[DAY 3]",
    "[US]",
    "[UNIT 5]",
    "[FIRST]",
    "<NUMBER>",
    "[HOSPITAL COURSE]",
    "vitals < DATE of birth > unknown",
    "array[NAME_OF_ARRAY]",
    "10x/xxy",
]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_of_any_tool_is_one_mark(mark: str) -> None:
    assert marked(f"seen by {mark}, who") == f"seen by {MARK}, who"
    assert marked(f"{mark} {mark}") == f"{MARK} {MARK}"


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_not_eaten(text: str) -> None:
    assert marked(f"and {text} then") == f"and {text} then"


def test_a_heading_in_brackets_is_no_mark_and_a_signature_is() -> None:
    assert (
        marked("[PATIENT]\nwas well\n[TIME]\n[ROOM 3]\n[NAME]\r\n")
        == f"[PATIENT]\nwas well\n[TIME]\n[ROOM 3]\n{MARK}\r\n"
    )


def test_made_up_notes_have_marks_of_mimic_alone() -> None:
    notes = [note.text for record in records(20, 8, seed=1) for note in record.notes]
    assert [marked(note) for note in notes] == [re.sub(r"\[\*\*[^\]]*\*\*\]", MARK, note) for note in notes]


WORD = st.text("abcdefghijklmnopqrstuvwxyzABCDE0123456789", min_size=1, max_size=8)
ORDINARY = st.lists(st.one_of(WORD, st.sampled_from(["<", ">", "[", "]", "{", "}", "*", "/", "-", "\n", "XX", "X"])))


@given(ORDINARY)
def test_words_that_name_nothing_removed_are_never_eaten(parts: list[str]) -> None:
    """Whatever brackets stand around them."""
    kept = [part for part in parts if part.lower() not in WORDS]
    text = " ".join(kept)
    assert marked(text) == text or re.search(r"[Xx]{4}|\*\*", text)


@given(st.lists(st.one_of(WORD, st.sampled_from(MARKS)), max_size=8))
def test_marking_twice_is_marking_once_and_what_stands_around_stays(parts: list[str]) -> None:
    once = marked(" ".join(parts))
    assert marked(once) == once
    words = [part for part in parts if part not in MARKS and not re.search("[Xx]{4}", part)]
    assert [word for word in once.split(" ") if word in words] == words
