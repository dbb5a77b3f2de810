"""What a file is by its content, whatever it is called, and its bytes decompressed.

Not for: reading its rows. The first bytes of a format are those of the file(1) database.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path
from typing import IO

from data.errors import DataError

TEXT, ARRAY, LINES, PARQUET, XLSX, SQLITE = "text", "json", "jsonl", "parquet", "xlsx", "sqlite"
_COMPRESSED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"PK\x03\x04", "zip"))
_FIRST = (
    (b"PAR1", PARQUET),
    (b"SQLite format 3\x00", SQLITE),
)
# what is recognised in order to say so
_REFUSED = (
    (b"%PDF", "a PDF document", "Export its text"),
    (b"{\\rtf", "a document in RTF", "Export its text"),
    (b"\xd0\xcf\x11\xe0", "an old Office file, or one with a password", "Save it as .xlsx or as CSV"),
    (b"ARROW1", "an Arrow (Feather) file", "Save it as Parquet"),
    (b"Obj\x01", "an Avro file", "Save it as Parquet"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack it"),
    (b"Rar!", "a RAR archive", "Unpack it"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Unpack it"),
    (b"<?xml", "an XML file", "Set data.source to the kind of XML, or export a table"),
    (b"<!DOCTYPE", "a web page", "Export a table"),
    (b"<html", "a web page", "Export a table"),
    (b"$FL2", "an SPSS file", "Save it as CSV"),
)


def compression(path: Path) -> str:
    """How a file is compressed, by its content: "gzip", "bzip2", "xz", "zip" or ""."""
    with path.open("rb") as file:
        start = file.read(6)
    found = next((name for sign, name in _COMPRESSED if start.startswith(sign)), "")
    if found == "zip" and _is_workbook(path):
        return ""
    # a file that calls itself compressed and is not was cut off at its beginning or damaged: opening it says so
    return found or ("gzip" if path.suffix.lower() == ".gz" else "")


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        return False


def open_bytes(path: Path) -> IO[bytes]:
    """The file's content, decompressed; of a zip archive its one member."""
    found = compression(path)
    if found == "zip":
        return _member(path)
    opened = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}.get(found)
    return opened(path, "rb") if opened else path.open("rb")  # type: ignore[operator]


def _member(path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    members = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    if len(members) != 1 or members[0].flag_bits & 1:
        archive.close()
        what = "is encrypted" if members and members[0].flag_bits & 1 else f"holds {len(members)} files"
        raise DataError(f"{path}: is a zip archive that {what}; one file in it was expected. Unpack it.")
    return io.BufferedReader(archive.open(members[0]), 1 << 20)  # type: ignore[type-var]


def kind(path: Path) -> str:
    """``PARQUET``, ``XLSX``, ``SQLITE``, ``ARRAY`` or ``LINES`` of JSON, else ``TEXT``.

    Raises
    ------
    DataError
        the file is something that holds no table that could be read; it says what.
    """
    if not compression(path) and _starts(path, b"PK\x03\x04"):
        return XLSX
    with open_bytes(path) as file:
        start = file.read(1 << 16)
    for sign, name in _FIRST:
        if start.startswith(sign):
            return name
    plain = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for sign, what, advice in _REFUSED:
        if plain.startswith((sign, sign.lower())):
            raise DataError(f"{path}: is {what}, not a table. {advice}.")
    return _json(plain)


def _starts(path: Path, sign: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(sign)) == sign


def _json(start: bytes) -> str:
    """Which kind of JSON a file is that begins so, or text."""
    if start.startswith(b"[") and start[1:].lstrip()[:1] in (b"{", b"]"):
        return ARRAY
    if start.startswith(b"{") and start[1:].lstrip()[:1] in (b'"', b"}"):
        return LINES
    return TEXT
