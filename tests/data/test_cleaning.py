"""Cleaning does what its page says, and codes map to chapters."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.cleaning import clean, text_hashes
from data.labels import CHAPTERS, icd_chapter


def cleaned(text: str) -> str:
    return str(clean(pa.array([text]))[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seen by [**Last Name (un) 12**] on [**2151-7-16**]", "seen by ___ on ___"),
        ("two\nmarks [**Hospital\n1**]", "two\nmarks ___"),
        ("name: ______ age", "name: ___ age"),
        ("a  \t b\r\nc", "a b\nc"),
        ("a\n \n\n\nb", "a\n\nb"),
        ("a\n==========\nb", "a\n===\nb"),
        ("x" * 70 + " and\nthen more", "x" * 70 + " and then more"),
        ("x" * 70 + ".\nthen more", "x" * 70 + ".\nthen more"),
        ("HEADING\nthen more", "HEADING\nthen more"),
        ("x" * 70 + " and\nHEADING", "x" * 70 + " and\nHEADING"),
        (" \n\t ", ""),
    ],
)
def test_cleaning(text: str, expected: str) -> None:
    assert cleaned(text) == expected


def test_every_wrapped_line_is_joined() -> None:
    line = "word " * 14 + "end"
    assert cleaned("\n".join([line] * 5)) == " ".join([line] * 5)


@given(st.text(alphabet="ab [*]_\n\r\t.-", max_size=200))
def test_cleaning_twice_changes_no_more_than_once_for_hashing(text: str) -> None:
    once = clean(pa.array([text]))
    assert "[**" not in once[0].as_py() or "**]" not in once[0].as_py().split("[**", 1)[1].split("]")[0]
    assert text_hashes(once)[0] == text_hashes(pa.array([f" {once[0].as_py().upper()}\n"]))[0]


@pytest.mark.parametrize(
    ("code", "version", "chapter"),
    [
        ("41071", 9, "circulatory"), ("I214", 10, "circulatory"), ("0389", 9, "infection"), ("A41.9", 10, "infection"),
        ("2800", 9, "blood"), ("D649", 10, "blood"), ("C509", 10, "neoplasm"), ("D329", 10, "neoplasm"),
        ("V3000", 9, "other"), ("E8889", 9, "other"), ("Z370", 10, "other"), ("U071", 10, "other"), ("", 9, ""),
        ("000", 9, ""), ("abc", 9, ""), ("7650", 9, "perinatal"), ("S065X0A", 10, "injury"), (" 99681 ", 9, "injury"),
    ],
)  # fmt: skip
def test_chapters(code: str, version: int, chapter: str) -> None:
    assert icd_chapter(code, version) == chapter
    assert chapter in (*CHAPTERS, "")
