"""Streams columns of a CSV file in pieces of a few megabytes, all as text, with the line of every row.

``data.formats`` finds out how the file is written and which bytes are sound rows; Arrow reads their fields. A file has
to be whole: one that ends inside a quoted field was cut off, or lost a quote, and its last field would hold all that
came after. Not for what the columns mean: see the readers.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from data.errors import DataError
from data.files import UNREADABLE, unreadable, wrong_encoding
from data.formats.content import open_bytes
from data.formats.dialect import NAMED, Dialect
from data.formats.encodings import encoding_of
from data.formats.fields import fields_of
from data.formats.form import Form
from data.formats.rows import MOST, LongRowError, OpenQuoteError, Splitter
from data.formats.sniffing import sniff
from data.quarantine import Intake
from data.quoting import columns

log = logging.getLogger("crossward.data")

BLOCK = 4 << 20  # bytes that are read at once
LINE = "#line"  # the column of a piece that says on which line of the file a row begins


def header(path: Path, form: Form | str = "") -> list[str]:
    """The column names of a CSV file as written.

    Raises
    ------
    DataError
        the file cannot be read, is empty, or its first line cannot be one of column names.
    """
    return list(_dialect(path, (), _form(form)).names)


def _form(form: Form | str) -> Form:
    return Form(encoding=form) if isinstance(form, str) else form


def _dialect(path: Path, wanted: Sequence[str], form: Form) -> Dialect:
    try:
        return sniff(path, wanted, form)
    except csv.Error:
        raise DataError(
            f"{path}: its first line cannot be one of column names: a field of it has more than "
            f"{csv.field_size_limit()} characters, or is no text. {_advice(path, form)}"
        ) from None
    except UnicodeDecodeError:
        raise wrong_encoding(path, form.encoding or "utf-8") from None
    except UNREADABLE as error:
        raise unreadable(path, error) from None


def _advice(path: Path, form: Form) -> str:
    if line := open_quote(path, form):
        return f"The file ends inside a quoted field that was opened on line {line}: repair it or export it again."
    return "Add a line of column names, or export the file again with one."


def _nearest(missing: Sequence[str], names: Sequence[str]) -> str:
    """A name that is nearly one that was asked for, and so no note."""
    found = (difflib.get_close_matches(name, names, 1, 0.8) for name in missing)
    near = [repr(close[0].strip()) for close in found if close]
    return f"; did you mean {', '.join(near)}?" if near else ""


def match_columns(where: str, names: Sequence[str], wanted: Sequence[str]) -> dict[str, int]:
    """Wanted column -> its position in ``names``; case and outer spaces do not matter, the first of two is taken."""
    places = {name.strip().lower(): at for at, name in reversed(list(enumerate(names)))}
    missing = [name for name in wanted if name.lower() not in places]
    if missing:
        raise DataError(
            f"{where}: has no column {', '.join(map(repr, missing))}; in place of names of columns there are "
            f"{columns(names, wanted)}{_nearest(missing, names)}. A line of column names was expected: does the file "
            "have one? Rename them, or set data.*-column to what they are."
        )
    return {name: places[name.lower()] for name in wanted}


def open_quote(path: Path, form: Form | str = "") -> int:
    """The line, from 1, of the quote that is still open where the file ends; 0 if none is."""
    form = _form(form)
    dialect = Dialect(",", '"', False, ("",), 1, encoding_of(path, form.encoding))
    splitter = Splitter(dialect, lambda *_: None)
    try:
        for _ in splitter.split(_blocks(path, dialect)):
            pass
    except (OpenQuoteError, LongRowError) as error:
        return error.line
    except (UnicodeDecodeError, *UNREADABLE):
        pass  # of a file that was cut off, what there is
    return 0


def _blocks(path: Path, dialect: Dialect) -> Iterator[bytes]:
    """The file's bytes in UTF-8, without a byte order mark."""
    name = dialect.encoding.name
    decoder = None if name == "utf-8-sig" else codecs.getincrementaldecoder(name)()
    with open_bytes(path) as raw:
        first = True
        while block := raw.read(BLOCK):
            if decoder is None:
                yield block.removeprefix(codecs.BOM_UTF8) if first else block
            elif text := decoder.decode(block):
                yield (text.removeprefix("\ufeff") if first else text).encode()
            first = False
        if decoder is not None and (text := decoder.decode(b"", final=True)):
            yield text.encode()


def stream_csv(
    path: Path, wanted: Sequence[str], form: Form | str = "", intake: Intake | None = None
) -> Iterator[pa.Table]:
    """Pieces of ``path`` with the ``wanted`` columns in that order, all strings, missing values empty, and ``LINE``.

    Rows that cannot be read go to ``intake``; without one they refuse the file.

    Raises
    ------
    DataError
        the file, a column or an encoding is not there; rows have the wrong number of columns; the file ends inside a
        quoted field. No text of a row is repeated.
    """
    intake, form = intake or Intake(path), _form(form)
    dialect = _dialect(path, wanted, form)
    places = match_columns(str(path), dialect.names, wanted)
    _warn_of_doubles(path, dialect, wanted)
    intake.note(
        encoding=dialect.encoding.name,
        encoding_known=dialect.encoding.known,
        delimiter=NAMED.get(dialect.delimiter, dialect.delimiter),
        quote=dialect.quote,
        escape=dialect.escape,
        columns=dialect.width,
    )
    splitter = Splitter(dialect, intake.reject)
    try:
        for rows in splitter.split(_blocks(path, dialect)):
            intake.good += len(rows.lines)
            fields = fields_of(rows, dialect, places, form, intake)
            yield pa.table({**fields, LINE: pa.array(rows.lines.astype(np.int64))})
    except OpenQuoteError as error:
        raise _cut_off(path, error.line) from None
    except LongRowError as error:
        raise DataError(
            f"{path}: the row that begins on line {error.line} is longer than {MOST >> 20} MB. Is a quote missing? "
            "Repair that row."
        ) from None
    except UnicodeDecodeError:
        raise wrong_encoding(path, form.encoding or "utf-8") from None
    except UNREADABLE as error:
        raise unreadable(path, error, f" after {intake.good} rows") from None
    if splitter.nuls:
        intake.note(nul_bytes=splitter.nuls)
    intake.done()


def _warn_of_doubles(path: Path, dialect: Dialect, wanted: Sequence[str]) -> None:
    known = [name.strip().lower() for name in dialect.names]
    for name in wanted:
        if (count := known.count(name.lower())) > 1:
            log.warning("%s: has %d columns %r; the first is read", path, count, name)


def _cut_off(path: Path, line: int) -> DataError:
    return DataError(
        f"{path}: the file ends inside a quoted field that was opened on line {line}: it was cut off, or that quote is "
        "never closed. Nothing of it was used. Export it again, or repair that row."
    )
