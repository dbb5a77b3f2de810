"""Files that once failed, or were misread in silence, as small as they can be: each with what it has to come to."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

Rows = list[tuple[str, str]]  # patient and note
TWO = [("P1", "Feels well, sleeps."), ("P2", 'She says "worse at night".')]


@dataclass(frozen=True)
class Case:
    """One file: its content, the settings, and the rows it holds, or what the message that refuses it says.

    ``counts`` are those beside "read" and "kept"; ``facts`` what the file is found to be.
    """

    name: str
    content: bytes
    rows: Rows | None = None
    refused: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def csv(rows: Rows = TWO, delimiter: str = ",", quote: str = '"', first: str = "", end: str = "\n") -> str:
    """Rows as a CSV file with every text quoted."""
    lines = [f"patient{delimiter}text"]
    lines += [f"{who}{delimiter}{quote}{text.replace(quote, quote * 2)}{quote}" for who, text in rows]
    return first + end.join(lines) + end


def xlsx(rows: Rows = TWO) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    book.active.title = "Legend"
    book.active.append(["codes of wards"])
    sheet = book.create_sheet("Notes")
    for row in [("patient", "text"), *rows]:
        sheet.append(row)
    book.save(file)
    return file.getvalue()


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def zipped(*members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in members:
            archive.writestr(name, csv())
    return file.getvalue()


def json_lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def many(line: Callable[[int], str], bad: str, at: int, rows: int = 20) -> bytes:
    """A file of sound rows with a bad one on line ``at``."""
    lines = ["patient,text", *(line(i) for i in range(rows))]
    lines.insert(at - 1, bad)
    return "\n".join(lines).encode() + b"\n"


def plain(number: int) -> str:
    return f"P{number},Note {number}."


SOUND = [(f"P{i}", f"Note {i}.") for i in range(20)]
TABLE = pa.table({"patient": [who for who, _ in TWO], "text": [text for _, text in TWO]})
SONS = "L'état du malade est bon, il mange déjà; fièvre à 39 °C, céphalées très gênantes."

CASES: dict[str, Case] = {
    # a file cut off inside a quoted field
    "cut off in a field": Case("n.csv", csv().encode()[:-12], refused=r"ends inside a quoted field .* on line 3"),
    "cut off in JSON": Case("n.jsonl", json_lines({"patient": 1, "text": "x"})[:-4], refused="was the file cut off?"),
    "cut off in an array": Case(
        "n.json", b'[{"patient": 1, "text": "x"}, {"patient"', refused="cut off", settings={"source": "json"}
    ),
    # one id in two spellings
    "ids as whole numbers and floats": Case("n.csv", b"patient,text\n7,a\n7.0,b\n007,c\n", [("7", x) for x in "abc"]),
    # null words
    "null words in CSV": Case(
        "n.csv",
        b"patient,text\nNULL,a\n\\N,b\nP3,NaN\nP4,NULL\nP5,N/A\nnan,c\nP6,d\n",
        [("P6", "d")],
        counts={"empty": 3, "without a patient": 3},
        facts={"missing": {"patient": 3, "text": 3}},
    ),
    "null words in JSON": Case(
        "n.jsonl",
        b'{"patient": "P1", "text": NaN}\n{"patient": null, "text": "a"}\n'
        b'{"patient": "P2", "text": "b"}\n{"text": "c"}\n',
        [("P2", "b")],
        counts={"empty": 1, "without a patient": 2},
    ),
    "what is no null word": Case(
        "n.csv", b"patient,text,ward\nNan,Null findings.,NA\nn1,Nan,None\n", [("Nan", "Null findings."), ("n1", "Nan")]
    ),
    # text that is not text
    "an object as text": Case(
        "n.jsonl", json_lines({"patient": 1, "text": {"section": "HPI", "body": "x"}}),
        refused=r"line 1: a value that is no text \('text' holds an object of 2 fields",
    ),
    "a field of an object": Case(
        "n.jsonl", json_lines({"patient": 1, "text": {"section": "HPI", "body": "x"}}), [("1", "x")],
        settings={"text_column": "text.body"},
    ),
    "a list as text": Case("n.jsonl", json_lines({"patient": 1, "text": ["x", "y"]}), refused=r"'text\[\]' joins"),
    "a list joined": Case(
        "n.jsonl", json_lines({"patient": 1, "text": ["x", "y"]}), [("1", "x\ny")], settings={"text_column": "text[]"}
    ),
    "messages joined": Case(
        "n.jsonl",
        json_lines({"patient": 1, "chat": [{"role": "user", "content": "x"}, {"role": "doctor", "content": "y"}]}),
        [("1", "x\ny")],
        settings={"text_column": "chat[].content"},
    ),
    # backslash escapes
    "backslash escapes": Case(
        "n.csv", b'patient,text\nP1,"She reports \\"worse at night\\"."\nP2,"a\\\\b, \\"c\\""\n',
        [("P1", 'She reports "worse at night".'), ("P2", 'a\\b, "c"')], facts={"escape": True},
    ),
    "a backslash that escapes nothing": Case(
        "n.csv", b'patient,text\nP1,"in C:\\"\nP2,"D:\\"\n', [("P1", "in C:\\"), ("P2", "D:\\")],
        facts={"escape": False},
    ),
    "as PostgreSQL copies": Case(
        "n.tsv", b'patient\ttext\tward\nP1\ta\\nb, \\\\n "c\t\\N\n\\N\tx\tA\n', [("P1", 'a\nb, \\n "c')],
        counts={"without a patient": 1}, facts={"quote": "", "missing": {"patient": 1}},
    ),
    "as MySQL writes into a file": Case(
        "n.tsv", b"patient\ttext\tward\nP1\ta\\\nb\\\tc \\\\\t\\N\n", [("P1", "a\nb c \\")], facts={"escape": True}
    ),
    # other delimiters and quotes
    "semicolons": Case("n.csv", csv(delimiter=";").encode(), TWO, facts={"delimiter": "semicolons"}),
    "tabs": Case("n.tsv", csv(delimiter="\t").encode(), TWO, facts={"delimiter": "tabs"}),
    "bars": Case("n.csv", csv(delimiter="|").encode(), TWO, facts={"delimiter": "bars"}),
    "sep=; before the names": Case("n.csv", csv(delimiter=";", first="sep=;\n").encode(), TWO),
    "single quotes": Case("n.csv", csv(quote="'").encode(), TWO, facts={"quote": "'"}),
    # other formats under the name of CSV
    "a workbook called CSV": Case("n.csv", xlsx(), TWO, facts={"format": "xlsx", "sheets_read": 1}),
    "Parquet called CSV": Case("n.csv", parquet(TABLE), TWO, facts={"format": "parquet"}),
    "a zip archive": Case("n.zip", zipped("n.csv"), TWO, facts={"compression": "zip"}),
    "a zip archive of two": Case("n.zip", zipped("a.csv", "b.csv"), refused="a zip archive that holds 2 files"),
    "bzip2": Case("n.csv.bz2", bz2.compress(csv().encode()), TWO, facts={"compression": "bzip2"}),
    "xz": Case("n.csv.xz", lzma.compress(csv().encode()), TWO, facts={"compression": "xz"}),
    "a damaged bzip2": Case("n.csv.bz2", bz2.compress(csv().encode())[:-9], refused="cut off|damaged"),
    "a JSON array called CSV": Case(
        "n.csv", json.dumps([dict(zip(("patient", "text"), row, strict=True)) for row in TWO], indent=1).encode(), TWO,
        facts={"format": "json"},
    ),
    "a PDF": Case("n.csv", b"%PDF-1.7\n...", refused="is a PDF document, not a table. Export its text"),
    "an old workbook": Case("n.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", refused="Save it as .xlsx or as CSV"),
    # the first lines
    "blank first lines": Case("n.csv", csv(first="\n  \n,,\n").encode(), TWO),
    "no line of names": Case("n.csv", b"P1,Mrs Miller is well.\n" * 9, refused="has no column 'text', 'patient'"),
    "two files put together": Case(
        "n.csv", many(plain, "patient,text", at=12), SOUND, counts={"the column names again": 1}
    ),
    "columns by their numbers": Case(
        "n.csv", b"P1,Mrs Miller is well.\nP2,ill\n", [("P1", "Mrs Miller is well."), ("P2", "ill")],
        settings={"text_column": "#2", "patient_column": "#1"},
    ),
    "an open quote in the names": Case("n.csv", b'"patient,text\nP1,x\n' * 9, refused="has no column|opened on line"),
    "padded and doubled names": Case("n.csv", b" Patient , TEXT,text\nP1,x,y\n", [("P1", "x")]),
    "empty": Case("n.csv", b"", refused="the file is empty"),
    "names alone": Case("n.csv", b"patient,text\n", refused="no usable note of 0 rows"),
    # where the fault is
    "a row with a field more": Case(
        "n.csv", many(plain, "P99,not, quoted", at=12), SOUND, counts={"wrong number of fields": 1}
    ),
    "text after a closing quote": Case(
        "n.csv", many(plain, 'P99,"open\nP98,"x"', at=9), SOUND, counts={"text after a closing quote": 1}
    ),
    "a line that is no JSON": Case(
        "n.jsonl", json_lines(*({"patient": a, "text": b} for a, b in SOUND)) + b'{"patient": }\n', SOUND,
        counts={"not JSON": 1},
    ),
    "every row has a field more": Case(
        "n.csv", b"patient,text\nP1,a,b\nP2,c,d\n",
        refused=r"2 of 2 rows cannot be read; the first is line 2: wrong number of fields \(Expected 2 columns, got",
    ),
    "trailing delimiters": Case("n.csv", b"patient,text\nP1,a,\nP2,b,\n", [("P1", "a"), ("P2", "b")]),
    "a number of rows below": Case(
        "n.csv", many(plain, "(20 rows)", at=22), SOUND, counts={"wrong number of fields": 1}
    ),
    # bytes
    "CRLF": Case("n.csv", csv(end="\r\n").encode(), TWO),
    "CR alone": Case("n.csv", csv(end="\r").encode(), TWO),
    "a byte order mark": Case("n.csv", csv().encode("utf-8-sig"), TWO, facts={"encoding": "utf-8-sig"}),
    "UTF-16": Case("n.csv", csv().encode("utf-16"), TWO, facts={"encoding": "utf-16"}),
    "UTF-16 without a mark": Case("n.csv", csv().encode("utf-16-le"), TWO, facts={"encoding": "utf-16-le"}),
    "Windows-1252": Case(
        "n.csv", csv([("P1", SONS)]).encode("cp1252"), [("P1", SONS)],
        facts={"encoding": "cp1252", "encoding_known": "guessed"},
    ),
    "a few lines of another encoding": Case(
        "n.csv", many(lambda i: f"P{i},été {i}.", "P99,", at=5).replace(b"P99,", b"P99,\xe9t\xe9"),
        [(f"P{i}", f"été {i}.") for i in range(20)], counts={"not in the file's encoding": 1},
    ),
    "two encodings": Case(
        "n.csv", b"patient,text\nP1,\xe9t\xe9\nP2,\xc3\xa9t\xc3\xa9\nP3,\xe9\n", refused="of two encodings",
    ),
    "NUL bytes": Case(
        "n.csv", b"patient,text\nP1\0\0,a\0b\nP2,c\n", [("P1", "ab"), ("P2", "c")], facts={"nul_bytes": 3}
    ),
    "a hole of NUL bytes": Case(
        "n.csv", many(plain, "P99,", at=4).replace(b"P99,", b"P9" + bytes(40)), SOUND, counts={"a run of NUL bytes": 1}
    ),
    "line breaks in a note": Case("n.csv", b'patient,text\nP1,"a\nb\r\nc"\n', [("P1", "a\nb\nc")]),
    "a note of two megabytes": Case(
        "n.csv", b"patient,text\nP1," + b"word" * 500_000 + b"\n", [("P1", "word" * 500_000)]
    ),
}  # fmt: skip
