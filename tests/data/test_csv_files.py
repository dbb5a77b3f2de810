"""A CSV file comes back as Python's own reader sees it, in pieces of any size; one that was cut off is refused."""

import csv
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import DataConfig, DataError, load_hospital
from data.csv_files import header, match_columns, open_quote, stream_csv
from data.jsonl_files import stream_jsonl

FIELD = st.text(st.sampled_from('ab ,"\n;é'), max_size=8).filter(lambda text: "\r" not in text)
ROWS = st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=12)
NAMES = ["one", "two", "three"]
EXAMPLES = settings(
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def written(rows: list[tuple[str, ...]], quoting: int = csv.QUOTE_ALL) -> str:
    file = io.StringIO()
    writer = csv.writer(file, quoting=quoting, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerows([NAMES, *rows])
    return file.getvalue()


def read(path: Path, wanted: list[str] = NAMES, encoding: str = "utf-8") -> list[tuple[str, ...]]:
    pieces = list(stream_csv(path, wanted, encoding))
    assert all(piece.num_rows for piece in pieces)
    rows = pa.concat_tables(pieces).to_pylist() if pieces else []
    return [tuple(row[name] for name in wanted) for row in rows]


@given(rows=ROWS, quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]), ended=st.booleans(), block=st.booleans())
@EXAMPLES
def test_what_was_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, ...]], quoting: int, ended: bool, block: bool
) -> None:
    monkeypatch.setattr("data.csv_files.BLOCK", 256 if block else 1 << 20)
    path = tmp_path / "notes.csv"
    text = written(rows, quoting)
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16"):
        path.write_bytes((text if ended else text[:-1]).encode(encoding))
        assert read(path, encoding=encoding) == rows
        assert read(path, ["THREE", "one"], encoding) == [(row[2], row[0]) for row in rows]


def strictly(text: str) -> bool:
    """Whether Python's reader, made strict, sees a field that does not end."""
    try:
        list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        assert "unexpected end of data" in str(error)
        return True
    return False


@given(rows=ROWS, cut=st.floats(0.0, 1.0))
@EXAMPLES
def test_a_file_that_ends_inside_a_quoted_field_is_refused(
    tmp_path: Path, rows: list[tuple[str, ...]], cut: float
) -> None:
    whole = written(rows)
    first = len(whole.splitlines(keepends=True)[0])
    text = whole[: first + int(cut * (len(whole) - first))]
    path = tmp_path / "notes.csv"
    path.write_text(text, newline="")
    try:
        got = read(path)
    except DataError as error:
        if strictly(text):
            # as written, each row's quotes stand alone: the open one is the last that has no partner
            pieces = text.replace('""', "xx")
            line = pieces.count("\n", 0, pieces.rindex('"')) + 1
            assert f"{path}: the file ends inside a quoted field" in str(error)
            if '""' not in text:
                assert f"was opened on line {line}:" in str(error)
        else:
            assert "Expected 3 columns, got" in str(error)
        return
    assert not strictly(text)
    assert got == [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))][1:]


@pytest.mark.parametrize("compressed", [False, True])
def test_nothing_of_a_file_that_was_cut_off_is_used(tmp_path: Path, compressed: bool, fresh_home: Path) -> None:
    text = "patient,text\n" + "".join(f'{i},"Note {i}:\n""stable"", 5\' tall, no ""pain""."\n' for i in range(263))
    cut = text[: text.index("Note 151") + 20]
    path = tmp_path / ("notes.csv.gz" if compressed else "notes.csv")
    path.write_bytes(gzip.compress(cut.encode()) if compressed else cut.encode())
    config = DataConfig(source="csv", path=str(path), patient_column="patient")
    with pytest.raises(DataError) as error:
        load_hospital(config)
    assert f"{path}: the file ends inside a quoted field that was opened on line {2 + 2 * 151}:" in str(error.value)
    assert "Nothing of it was used" in str(error.value) and "pain" not in str(error.value)
    assert not list((fresh_home / "cache" / "notes").iterdir())
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    hospital = load_hospital(config)
    assert len(hospital.train) + len(hospital.test) == 263


def test_the_open_quote_is_found_where_arrow_sees_it(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    for text, line in (
        ("a,b\n1,2\n", 0),
        ('a,b\n1,"2"\n', 0),
        ('a,b\n1,5" tall\n', 0),  # no quote at the field's beginning
        ('a,b\n1,"2""\n', 2),
        ('a,b\n"1\n\n,2', 2),
        ('a,b\n"1\n2","3\n4', 3),
        ('a,b\n1,"2"x"y\n', 0),  # after the closing quote all is text
        ('a,b\n1,"2"x,"y\n', 2),
        ('"a,b\n1,2\n', 1),
    ):
        path.write_text(text)
        assert open_quote(path) == line, text
    path.write_bytes('a,b\r\n1,"é\r\n'.encode("utf-16"))
    assert open_quote(path, "utf-16") == 2


def test_a_quote_that_opens_in_a_column_that_nobody_wants_is_found_too(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text('text,more\nfine,x\nfine,"x\nfine,x\n')
    with pytest.raises(DataError, match="opened on line 3:"):
        list(stream_csv(path, ["text"]))
    path.write_text('text,more\nfine,x\n"fine,x\nfine,x\n')
    with pytest.raises(DataError, match="opened on line 3:"):
        list(stream_csv(path, ["text"]))
    path.write_text('"text,more\nfine,x\nfine,x\n')
    with pytest.raises(DataError, match="opened on line 1: repair"):
        list(stream_csv(path, ["text"]))
    path.write_text('"text,more\n' + "fine,x\n" * 30_000)
    with pytest.raises(DataError, match=r"first line cannot be.*opened on line 1: repair"):
        list(stream_csv(path, ["text"]))


@pytest.mark.parametrize("source", ["csv", "jsonl"])
def test_a_gzip_file_that_was_cut_off_anywhere_is_refused(tmp_path: Path, source: str) -> None:
    text = written([(f"note {i} " * 9, "b", "c") for i in range(6)])
    if source == "jsonl":
        text = "".join(f'{{"one": "note {i}", "two": "b", "three": 3}}\n' for i in range(40))
    path = tmp_path / f"notes.{source}.gz"
    whole = gzip.compress(text.encode(), mtime=0)
    stream = stream_csv if source == "csv" else stream_jsonl
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if source == "jsonl" and not length:
            continue  # an empty file holds no row; that none is there is found later
        with pytest.raises(DataError, match=f"{path}: (cannot be read|the file is empty)"):
            list(stream(path, NAMES))
    path.write_bytes(whole[:-8] + b"\0" * 8)  # another checksum
    with pytest.raises(DataError, match="no sound gzip file"):
        list(stream(path, NAMES))
    path.write_bytes(whole)
    assert sum(piece.num_rows for piece in stream(path, NAMES)) in (6, 40)


def test_a_jsonl_file_that_was_cut_off_inside_a_row_is_refused(tmp_path: Path) -> None:
    text = "".join(f'{{"one": "note {i}", "two": 12, "three": null}}\n' for i in range(3))
    path = tmp_path / "notes.jsonl"
    for length in range(len(text) + 1):
        path.write_text(text[:length])
        last = text[:length].rpartition("\n")[2]
        if last and not last.endswith("}"):
            with pytest.raises(DataError, match=r"not JSON.*was the file cut off\?"):
                list(stream_jsonl(path, NAMES))
        else:
            list(stream_jsonl(path, NAMES))
    path.write_text('{"one": "\\ud83d", "two": 1, "three": 2}\n')  # half an emoji, as tools that count characters leave
    assert next(stream_jsonl(path, NAMES))["one"].to_pylist() == ["?"]
    path.write_text("[" * 200_000 + "\n")
    with pytest.raises(DataError, match=r"line 1: not JSON \(nested too deeply\)"):
        list(stream_jsonl(path, NAMES))
    path.write_text('{"one": ' + "9" * 5000 + "}\n")
    assert next(stream_jsonl(path, ["one"]))["one"].to_pylist() == ["9" * 5000]


def test_the_first_of_two_columns_of_a_name_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("\n\nText, text ,id\na,b,1\n")
    assert header(path) == ["Text", " text ", "id"]
    assert match_columns("x", header(path), ["text", "ID"]) == {"text": 0, "ID": 2}
    assert read(path, ["text"]) == [("a",)]
