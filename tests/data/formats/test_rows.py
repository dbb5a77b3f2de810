"""Rows are split as a reader of fields reads them, in blocks of any size; what is left out is counted with its line."""

from __future__ import annotations

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from data.formats.dialect import Dialect
from data.formats.encodings import Encoding
from data.formats.rows import OpenQuoteError, Splitter

EXAMPLES = settings(deadline=None, derandomize=True, max_examples=120)
FIELD = st.text(st.sampled_from('ab ,"\n;\\é'), max_size=6)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def dialect(width: int = 2, quote: str = '"', escape: bool = False) -> Dialect:
    return Dialect(",", quote, escape, ("",) * width, 1, Encoding("utf-8-sig", "stated"))


def split(text: str, block: int, how: Dialect) -> tuple[bytes, list[int], list[tuple[int, str]]]:
    bad: list[tuple[int, str]] = []
    splitter = Splitter(how, lambda line, why, _: bad.append((line, why)))
    data = text.encode()
    rows = list(splitter.split(data[at : at + block] for at in range(0, len(data), block)))
    return b"".join(r.data for r in rows), [int(line) for r in rows for line in r.lines], bad


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=8), ENDS, st.integers(1, 40), st.booleans())
@EXAMPLES
def test_sound_rows_are_all_there_with_their_lines(
    rows: list[tuple[str, str]], end: str, block: int, minimal: bool
) -> None:
    file = io.StringIO(newline="")
    quoting = csv.QUOTE_MINIMAL if minimal and end != "\r" else csv.QUOTE_ALL  # the writer quotes its own ends alone
    csv.writer(file, lineterminator=end, quoting=quoting).writerows(rows)
    text = file.getvalue()
    data, lines, bad = split(text, block, dialect())
    assert data.decode() == text and not bad
    reader = csv.reader(io.StringIO(text, newline=""))
    expected = [reader.line_num + 1]
    for _ in reader:
        expected.append(reader.line_num + 1)
    assert lines == expected[:-1]


@given(st.text(st.sampled_from('ab,"\n\r\\'), max_size=40), st.integers(1, 50), st.booleans(), st.booleans())
@EXAMPLES
def test_no_row_of_any_text_is_lost_and_blocks_do_not_matter(text: str, block: int, escape: bool, quote: bool) -> None:
    how = dialect(quote='"' if quote else "", escape=escape and quote)
    found = []
    for size in (block, 1000):
        try:
            found.append(split(text, size, how))
        except OpenQuoteError as error:
            found.append((b"", [error.line], []))
    assert found[0] == found[1]
    _, lines, bad = found[0]
    assert [line for line, _ in bad] == sorted({line for line, _ in bad}) and lines == sorted(set(lines))
    if not quote and not escape:
        held = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line.strip()]
        assert len(held) == len(lines) + len(bad)


def test_a_quote_that_is_left_open_swallows_no_row_unseen() -> None:
    text = 'P1,"open\nP2,"x"\nP3,y\n'
    data, lines, bad = split(text, 7, dialect())
    assert (data, lines, bad) == (b"P3,y\n", [3], [(1, "text after a closing quote")])
    assert split('P1,5" tall\nP2,"x"\n', 5, dialect())[1:] == ([1, 2], [])
    assert split('P1,"a\\"b"\nP2,"x\\\\"\n', 5, dialect(escape=True))[1:] == ([1, 2], [])
