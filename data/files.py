"""What is wrong with a file that cannot be read or decoded, and where.

Not for: what is in it (``data.csv_files``, ``data.jsonl_files``), nor its encoding (``data.formats.encodings``).
"""

from __future__ import annotations

import codecs
import gzip
import lzma
import zipfile
import zlib
from pathlib import Path

from data.errors import DataError
from data.formats.content import open_bytes
from data.quoting import cause

# what reading raises, compressed files that are cut off or damaged included
UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def codec(encoding: str) -> str:
    """Python's name of ``encoding``; UTF-8 may begin with a byte order mark."""
    try:
        name = codecs.lookup(encoding or "utf-8").name
    except LookupError:
        raise DataError(
            f"data.encoding = {encoding!r} is no known encoding: try 'utf-8', 'cp1252', 'latin-1'"
        ) from None
    return "utf-8-sig" if name == "utf-8" else name


def unreadable(path: Path, error: Exception, after: str = "") -> DataError:
    """What ``error``, one of ``UNREADABLE``, means for ``path``; ``after`` says how far reading went."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file. Set data.path to the file of the notes.")
    if isinstance(error, EOFError):
        why = "its compressed data end early: the file was cut off"
    elif isinstance(error, gzip.BadGzipFile | zlib.error):
        why = "it is no sound gzip file"
    elif isinstance(error, lzma.LZMAError | zipfile.BadZipFile) or _in_bzip2(error):
        why = "its compressed data are damaged"
    else:
        why = cause(error)
    return DataError(
        f"{path}: cannot be read{after}: {why}. Nothing of it was used. Copy or export it again, whole and readable."
    )


def _in_bzip2(error: Exception) -> bool:
    """Whether ``error`` is the bz2 module's, which is an OSError without a number."""
    return type(error) is OSError and error.errno is None


def wrong_encoding(path: Path, encoding: str) -> DataError:
    """Where ``path`` is not ``encoding``."""
    try:
        return _first_fault(path, encoding)
    except UNREADABLE as error:
        return unreadable(path, error)


def _first_fault(path: Path, encoding: str) -> DataError:
    decoder = codecs.getincrementaldecoder(codec(encoding))()
    offset = line = 0
    with open_bytes(path) as raw:
        start = raw.read(4)
        raw.seek(0)
        while True:
            piece = raw.read(1 << 20)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                at = offset - pending + error.start
                line += piece[: max(0, error.start - pending)].count(b"\n") + 1
                guess = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"
                return DataError(
                    f"{path}: byte {at} (line {line}) is not {encoding}. "
                    f"Set data.encoding={guess} if that is what the file is, or convert it."
                )
            if not piece:
                break
            offset += len(piece)
            line += piece.count(b"\n")
    return DataError(f"{path}: is not {encoding}. Set data.encoding to what the file is, or convert it.")
