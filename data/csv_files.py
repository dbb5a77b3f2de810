"""Streams columns of a CSV file, plain or gzipped, in pieces of a few megabytes, all as text.

A file has to be whole: one that ends inside a quoted field was cut off, or lost a quote, and its last field would hold
all that came after. To notice it, a row of our own is read after the file's last: it comes back as the last row, unless
a field was open. Not for what the columns mean: see the readers.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from data.errors import DataError
from data.files import UNREADABLE, codec, open_bytes, unreadable, wrong_encoding
from data.quoting import columns

BLOCK = 4 << 20  # bytes of a piece; a row has to fit into one
_END = "crossward-end-of-file"
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def header(path: Path, encoding: str = "utf-8") -> list[str]:
    """The column names of a CSV file as written.

    Raises
    ------
    DataError
        the file cannot be read, is empty, or its first line cannot be one of column names.
    """
    try:
        with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding=codec(encoding), newline="") as text:
            names = next((row for row in csv.reader(text) if row), [])
    except csv.Error:
        raise DataError(
            f"{path}: its first line cannot be one of column names: a field of it has more than "
            f"{csv.field_size_limit()} characters, or is no text. {_advice(path, encoding)}"
        ) from None
    except UnicodeDecodeError:
        raise wrong_encoding(path, encoding) from None
    except UNREADABLE as error:
        raise unreadable(path, error) from None
    if not names:
        raise DataError(f"{path}: the file is empty (0 rows). A line of column names was expected.")
    return names


def _advice(path: Path, encoding: str) -> str:
    if line := open_quote(path, encoding):
        return f"The file ends inside a quoted field that was opened on line {line}: repair it or export it again."
    return "Add a line of column names, or export the file again with one."


def match_columns(where: str, names: Sequence[str], wanted: Sequence[str]) -> dict[str, int]:
    """Wanted column -> its position in ``names``; case and outer spaces do not matter, the first of two is taken."""
    places = {name.strip().lower(): at for at, name in reversed(list(enumerate(names)))}
    missing = [name for name in wanted if name.lower() not in places]
    if missing:
        hint = "A line of column names was expected: does the file have one?"
        if len(names) == 1 and (found := [advice for sign, advice in _OTHER_DELIMITERS.items() if sign in names[0]]):
            hint = f"Fields have to be separated by commas; here they seem to be by {found[0]}."
        raise DataError(
            f"{where}: has no column {', '.join(map(repr, missing))}; in place of names of columns there are "
            f"{columns(names, wanted)}. {hint} Rename them, or set data.*-column to what they are."
        )
    return {name: places[name.lower()] for name in wanted}


def open_quote(path: Path, encoding: str = "utf-8") -> int:
    """The line, from 1, of the quote that is still open where the file ends; 0 if none is.

    Reads as Arrow does: a quote opens a field only at its beginning, and after the closing one all is text up to the
    next comma.
    """
    opened = 0
    with (
        contextlib.suppress(*UNREADABLE),  # of a file that was cut off, what there is
        open_bytes(path) as raw,
        io.TextIOWrapper(raw, encoding=codec(encoding), errors="replace", newline="") as text,
    ):
        for number, line in enumerate(text, 1):
            opened = _open_after(line, number, opened)
    return opened


def _open_after(line: str, number: int, opened: int) -> int:
    """The line of the quote that is open after ``line``, given the one that was open before it."""
    at = 0
    while True:
        if opened:
            at = line.find('"', at)
            if at < 0:
                return opened
            if line.startswith('""', at):
                at += 2
                continue
            opened = 0
        elif line.startswith('"', at):
            opened, at = number, at + 1
            continue
        at = line.find(",", at) + 1
        if not at:
            return 0


class _Ended:
    """The file's bytes in UTF-8, and the row that says that no field was open."""

    closed = False

    def __init__(self, path: Path, encoding: str, width: int) -> None:
        self.raw = open_bytes(path)
        name = codec(encoding)
        self.decoder = None if name == "utf-8-sig" else codecs.getincrementaldecoder(name)()
        self.left, self.over = b"", False
        self.end = f"\n{','.join([_END] * width)}\n".encode()

    def read(self, size: int) -> bytes:
        """``size`` bytes, fewer at the end alone: in small pieces a row would straddle more than Arrow takes."""
        while len(self.left) < size and not self.over:
            found = self.raw.read(size)
            self.over = not found
            self.left += found if self.decoder is None else self.decoder.decode(found, final=self.over).encode()
            self.left += self.end if self.over else b""
        given, self.left = self.left[:size], self.left[size:]
        return given

    def close(self) -> None:
        """Close the file."""
        self.raw.close()
        self.closed = True


def stream_csv(path: Path, wanted: Sequence[str], encoding: str = "utf-8") -> Iterator[pa.Table]:
    """Pieces of ``path`` with the ``wanted`` columns in that order, all strings, missing values empty.

    Raises
    ------
    DataError
        the file, a column or an encoding is not there; a row has the wrong number of columns; the file ends inside a
        quoted field. No text of a row is repeated.
    """
    names = header(path, encoding)
    places = match_columns(str(path), names, wanted)
    rows = 0
    try:
        for piece in _pieces(path, encoding, places, len(names)):
            rows += piece.num_rows
            yield piece
    except UnicodeDecodeError:
        raise wrong_encoding(path, encoding) from None
    except (pa.ArrowInvalid, *UNREADABLE) as error:
        text = str(error)
        if "UTF8" in text.upper().replace("-", ""):
            raise wrong_encoding(path, encoding) from None
        if not isinstance(error, pa.ArrowInvalid):
            raise unreadable(path, error, f" after {rows} rows") from None
        if line := open_quote(path, encoding):
            raise _cut_off(path, line) from None
        if "straddl" in text:
            raise DataError(
                f"{path}: after {rows} rows a row is longer than {BLOCK >> 20} MB. Is a quote missing? Repair that row."
            ) from None
        where = re.search(r"(?:Row #\d+: )?Expected \d+ columns, got \d+", text)
        what = where.group(0) if where else "a row cannot be separated from the next"
        raise DataError(
            f"{path}: is not a whole CSV file: after {rows} good rows: {what}. Repair or export it again."
        ) from None


def _cut_off(path: Path, line: int) -> DataError:
    return DataError(
        f"{path}: the file ends inside a quoted field that was opened on line {line}: it was cut off, or that quote is "
        "never closed. Nothing of it was used. Export it again, or repair that row."
    )


def _pieces(path: Path, encoding: str, places: dict[str, int], width: int) -> Iterator[pa.Table]:
    """The rows between the line of column names and ours."""
    source = _Ended(path, encoding, width)
    # columns go by their position: a name may occur twice, or be a note
    picked = list(dict.fromkeys(f"f{at}" for at in places.values()))
    try:
        reader = pacsv.open_csv(
            pa.PythonFile(source, mode="r"),
            read_options=pacsv.ReadOptions(block_size=BLOCK, use_threads=False, autogenerate_column_names=True),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                include_columns=picked,
                column_types=dict.fromkeys(picked, pa.string()),
                strings_can_be_null=False,
            ),
        )
        names, held = True, None
        for batch in reader:
            if held is not None and held.num_rows:
                yield held
            held = pa.table({name: batch.column(f"f{at}") for name, at in places.items()})
            if names and held.num_rows:
                held, names = held.slice(1), False
        last = held.slice(held.num_rows - 1) if held is not None and held.num_rows else None
        if last is None or not all(pc.all(pc.equal(column, _END)).as_py() for column in last.columns):
            raise _cut_off(path, open_quote(path, encoding))
        if held is not None and held.num_rows > 1:
            yield held.slice(0, held.num_rows - 1)
    finally:
        source.close()
