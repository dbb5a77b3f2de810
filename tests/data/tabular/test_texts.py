"""Texts as numbers and times: what is read, and what is not guessed at."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from data.tabular.texts import NO_TIME, numbers, seconds


def test_numbers() -> None:
    texts = ["1", " 2.50 ", "-3e2", ".5", "<0.01", ">= 90", "", "abc", "1,5", "nan", "inf", "1e999", "7 mg", "0x10"]
    found = numbers(pa.array(texts))
    assert found[:6].tolist() == [1, 2.5, -300, 0.5, 0.01, 90] and np.isnan(found[6:]).all()
    assert numbers(pa.chunked_array([["1,5", "<0,1"], ["2"]]), ",").tolist() == [1.5, 0.1, 2]
    assert np.isnan(numbers(pa.array(["1.234,5", "1.5"]), ",")).all(), "a dot beside decimal commas could be anything"
    assert len(numbers(pa.array([], pa.string()))) == 0


def _at(*parts: int) -> int:
    return int(dt.datetime(*parts, tzinfo=dt.UTC).timestamp())  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2150-03-01 07:08:09", _at(2150, 3, 1, 7, 8, 9)),
        ("2150-03-01T07:08", _at(2150, 3, 1, 7, 8)),
        ("2150-03-01T07:08Z", _at(2150, 3, 1, 7, 8)),
        (" 2150-03-01 07:08:09.123+02:00", _at(2150, 3, 1, 7, 8, 9)),
        ("2150-03-01", _at(2150, 3, 1, 23, 59, 59)),
        ("1969-12-31 23:59:59", -1),
        ("01.03.2150 07:08", NO_TIME),
        ("2150-02-30 07:08:09", NO_TIME),
        ("", NO_TIME),
    ],
)
def test_times_in_iso(text: str, expected: int) -> None:
    assert seconds(pa.array([text, "2150-01-01"]), end_of_day=True)[0] == expected


def test_a_day_alone_begins_or_ends_and_stated_formats_are_read() -> None:
    assert seconds(pa.array(["2150-03-01"])).tolist() == [_at(2150, 3, 1)]
    column = pa.chunked_array([["01.03.2150 07:08", "2150-03-01 07:08:00"], ["x"]])
    assert seconds(column, ("%d.%m.%Y %H:%M",)).tolist() == [_at(2150, 3, 1, 7, 8)] * 2 + [NO_TIME]
    assert seconds(pa.array(["01.03.2150"]), ("%d.%m.%Y",), end_of_day=True).tolist() == [_at(2150, 3, 1, 23, 59, 59)]
