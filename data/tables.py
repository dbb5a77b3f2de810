"""Streams columns of a CSV or JSONL file, plain or gzipped, in pieces of a few megabytes, all as text.

``Lookup`` joins a small table to the stream. Not for what the columns mean: see the readers.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from data.errors import DataError

BLOCK = 4 << 20  # bytes of a piece; a row has to fit into one
_ROWS = 4096  # rows of a JSONL piece


def find_table(folder: Path, name: str, required: bool = True) -> Path | None:
    """The file NAME.csv or NAME.csv.gz in ``folder`` or a folder of it, in any case."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Set data.path to the folder that holds {name.upper()}.csv(.gz).")
    wanted = {f"{name}.csv".lower(), f"{name}.csv.gz".lower()}
    found = sorted(
        (p for p in itertools.chain(folder.iterdir(), folder.glob("*/*")) if p.name.lower() in wanted and p.is_file()),
        key=lambda p: (len(p.parts), p.name),
    )
    if found:
        return found[0]
    if required:
        there = ", ".join(sorted(p.name for p in folder.iterdir())[:12]) or "nothing"
        raise DataError(
            f"{folder}: holds no {name.upper()}.csv or {name.upper()}.csv.gz (it holds {there}). "
            "Set data.path to the folder of the release."
        )
    return None


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def header(path: Path, encoding: str = "utf-8") -> list[str]:
    """The column names of a CSV file as written."""
    try:
        with _open(path) as raw, io.TextIOWrapper(raw, encoding=_codec(encoding), newline="") as text:
            names = next(csv.reader(text), [])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. Set data.path to the file of the notes.") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Is it a CSV file, whole, and readable?") from None
    except UnicodeDecodeError:
        raise _wrong_encoding(path, encoding) from None
    if not names:
        raise DataError(f"{path}: the file is empty (0 rows). A line of column names was expected.")
    return names


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise DataError(
            f"data.encoding = {encoding!r} is no known encoding: try 'utf-8', 'cp1252', 'latin-1'"
        ) from None
    return "utf-8-sig" if name == "utf-8" else name


def _wrong_encoding(path: Path, encoding: str) -> DataError:
    decoder = codecs.getincrementaldecoder(_codec(encoding))()
    offset = line = 0
    with _open(path) as raw:
        start = raw.read(4)
        raw.seek(0)
        while piece := raw.read(1 << 20):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(piece)
            except UnicodeDecodeError as error:
                at = offset - pending + error.start
                line += piece[: max(0, error.start - pending)].count(b"\n") + 1
                guess = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"
                return DataError(
                    f"{path}: byte {at} (line {line}) is not {encoding}. "
                    f"Set data.encoding={guess} if that is what the file is, or convert it."
                )
            offset += len(piece)
            line += piece.count(b"\n")
    return DataError(f"{path}: is not {encoding}. Set data.encoding to what the file is, or convert it.")


def match_columns(path: Path, names: Sequence[str], wanted: Iterable[str]) -> dict[str, str]:
    """Wanted column -> column as the file spells it; case does not matter."""
    spelled = {name.strip().lower(): name for name in reversed(names)}
    missing = [name for name in wanted if name.lower() not in spelled]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(map(repr, missing))}; its columns are {', '.join(names)}.")
    return {name: spelled[name.lower()] for name in wanted}


def stream_csv(path: Path, wanted: Sequence[str], encoding: str = "utf-8") -> Iterator[pa.Table]:
    """Pieces of ``path`` with the ``wanted`` columns in that order, all strings, missing values empty.

    Raises
    ------
    DataError
        the file, a column or an encoding is not there; a row has the wrong number of columns. No text of a row is
        repeated.
    """
    columns = match_columns(path, header(path, encoding), wanted)
    codec = "utf8" if _codec(encoding) == "utf-8-sig" else encoding
    rows = 0
    try:
        reader = pacsv.open_csv(
            path,
            read_options=pacsv.ReadOptions(block_size=BLOCK, encoding=codec, use_threads=False),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(dict.fromkeys(columns.values())),
                column_types=dict.fromkeys(columns.values(), pa.string()),
                strings_can_be_null=False,
            ),
        )
        for batch in reader:
            rows += batch.num_rows
            yield pa.table({name: batch.column(spelled) for name, spelled in columns.items()})
    except UnicodeDecodeError:
        raise _wrong_encoding(path, encoding) from None
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        text = str(error)
        if "UTF8" in text.upper().replace("-", "") or "codec can't decode" in text:
            raise _wrong_encoding(path, encoding) from None
        if "straddl" in text:
            raise DataError(
                f"{path}: after {rows} rows a row is longer than {BLOCK >> 20} MB, which usually is a quote that is "
                "never closed. Repair that row."
            ) from None
        where = re.search(r"(?:Row #\d+: )?Expected \d+ columns, got \d+", text)
        what = where.group(0) if where else text.split(":")[0][:80]
        raise DataError(
            f"{path}: is not a whole CSV file: after {rows} good rows: {what}. Repair or export it again."
        ) from None


def stream_jsonl(path: Path, wanted: Sequence[str], encoding: str = "utf-8") -> Iterator[pa.Table]:
    """As :func:`stream_csv` for a file with one JSON object a line."""
    rows: list[list[str]] = []
    number = 0
    try:
        with _open(path) as raw, io.TextIOWrapper(raw, encoding=_codec(encoding)) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    rows.append(_json_row(path, number, line, wanted))
                if len(rows) == _ROWS:
                    yield _as_table(rows, wanted)
                    rows = []
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. Set data.path to the file of the notes.") from None
    except UnicodeDecodeError:
        raise _wrong_encoding(path, encoding) from None
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read after line {number} ({error}).") from None
    if rows:
        yield _as_table(rows, wanted)


def _as_table(rows: list[list[str]], wanted: Sequence[str]) -> pa.Table:
    return pa.table({n: pa.array(c, pa.string()) for n, c in zip(wanted, zip(*rows, strict=True), strict=True)})


def _json_row(path: Path, number: int, line: str, wanted: Sequence[str]) -> list[str]:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: line {number}, character {error.pos}: not JSON ({error.msg}).") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}: line {number} holds a {type(row).__name__}; a JSON object was expected.")
    columns = match_columns(Path(f"{path} (line {number})"), list(row), wanted)
    return ["" if row[c] is None else str(row[c]) for c in columns.values()]


class Lookup:
    """Text values by integer id, in arrays: 12 bytes an id and each distinct value once; the first one wins."""

    def __init__(self, ids: npt.NDArray[np.int64], values: pa.ChunkedArray) -> None:
        values = values.filter(pa.array(ids >= 0))
        ids = ids[ids >= 0]
        order = np.argsort(ids, kind="stable")
        self._ids, first = np.unique(ids[order], return_index=True)
        coded = values.combine_chunks().dictionary_encode()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        self._codes = coded.indices.to_numpy(zero_copy_only=False)[order][first]
        self._values = pa.concat_arrays([coded.dictionary.cast(pa.string()), pa.array([""], pa.string())])

    def __len__(self) -> int:
        return len(self._ids)

    def get(self, ids: npt.NDArray[np.int64]) -> pa.Array:
        """The value of each id; "" where there is none."""
        if not len(self._ids):
            return pa.array([""] * len(ids), pa.string())
        at = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        codes = np.where(self._ids[at] == ids, self._codes[at], len(self._values) - 1)
        return self._values.take(pa.array(codes, pa.int64()))


def as_ids(column: pa.ChunkedArray, path: Path, name: str) -> npt.NDArray[np.int64]:
    """Integer ids of a text column; -1 where it is empty."""
    try:
        filled = pc.if_else(pc.equal(column, ""), "-1", column)
        # MIMIC-III extracts made with pandas spell HADM_ID as 123456.0
        ids: npt.NDArray[np.int64] = pc.cast(pc.replace_substring_regex(filled, r"\.0$", ""), pa.int64()).to_numpy()
        return ids
    except pa.ArrowInvalid:
        bad = next((i for i, v in enumerate(column.to_pylist()) if v and not re.fullmatch(r"-?\d{1,18}(\.0)?", v)), 0)
        raise DataError(
            f"{path}: column {name!r} holds something that is no whole number near row {bad + 1}."
        ) from None
