"""Which encoding a file has: what its first bytes say, else UTF-8 if all of it is, else a guess that is reported.

Nothing is replaced: a file is decoded strictly, and of a file that is UTF-8 but for a few lines, these are quarantined.
Not for: what to say about a file that is not in the encoding that was stated (``data.files.wrong_encoding``).
"""

from __future__ import annotations

import codecs
import functools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from charset_normalizer import from_bytes

from data.cache import stamp
from data.errors import DataError
from data.files import codec, wrong_encoding
from data.formats.content import open_bytes

log = logging.getLogger("crossward.data")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# what hospital systems write, the most frequent first: of readings that are equally good the first is taken
_USUAL = ("cp1252", "cp1250", "cp1251", "iso8859_9", "mac_roman", "cp850", "koi8_r", "cp1253", "cp1255", "cp1256",
          "cp932", "gb18030", "big5", "euc_kr")  # fmt: skip
_PIECE = 1 << 20
_SAMPLE = 1 << 16  # bytes of lines that are not UTF-8
_SURE = 0.02  # readings whose disorder differs by less are equally good


@dataclass(frozen=True)
class Encoding:
    """A codec's name, how it is known ("stated", "marked", "tested" or "guessed"), and lines that are not in it."""

    name: str
    known: str
    stray_lines: int = 0


def encoding_of(path: Path, stated: str = "") -> Encoding:
    """The encoding of the text in ``path``; ``stated`` is what its hospital says, "" for nothing.

    Raises
    ------
    DataError
        ``stated`` is no encoding, or none could be found.
    """
    if stated:
        return Encoding(codec(stated), "stated")
    return _found(path, stamp(path))


@functools.lru_cache(maxsize=64)
def _found(path: Path, _: tuple[str, int, int]) -> Encoding:
    with open_bytes(path) as file:
        start = file.read(4096)
    for mark, name in _MARKS:
        if start.startswith(mark):
            return Encoding(name, "marked")
    if wide := _unmarked_utf16(start):
        return Encoding(wide, "guessed")
    return Encoding("utf-8-sig", "tested") if _is_utf8(path) else _guessed(path)


def _unmarked_utf16(start: bytes) -> str:
    """UTF-16 without a mark has a zero in nearly every second byte of western text."""
    half = len(start) // 2
    for name, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        if half >= 4 and start[first::2].count(0) > 0.8 * half and start[1 - first :: 2].count(0) < 0.2 * half:
            return name
    return ""


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with open_bytes(path) as file:
            while piece := file.read(_PIECE):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _lines(path: Path) -> Iterator[bytes]:
    with open_bytes(path) as file:
        yield from (line for line in file if not line.isascii())


def _guessed(path: Path) -> Encoding:
    """Of a file that is not all UTF-8."""
    right = wrong = 0
    sample = bytearray()
    for line in _lines(path):
        try:
            line.decode()
            right += 1
        except UnicodeDecodeError:
            wrong += 1
            if len(sample) < _SAMPLE:
                sample += line[:_SAMPLE]
    if right > wrong:
        log.warning("%s: is UTF-8, but for %d lines", path, wrong)
        return Encoding("utf-8-sig", "tested", wrong)
    if right:
        raise DataError(
            f"{path}: {right} lines are UTF-8 and {wrong} are not: it was put together from files of two encodings. "
            "Export it again in one, or set encoding of the notes to what most of it is."
        )
    name, others = _likeliest(path, bytes(sample))
    doubt = f" It might be {' or '.join(others)}." if others else ""
    log.warning(
        "%s: is not UTF-8; it is read as %s, which is a guess by %d lines.%s Set encoding of the notes if it is wrong",
        path, name, wrong, doubt,
    )  # fmt: skip
    return Encoding(name, "guessed")


def _likeliest(path: Path, sample: bytes) -> tuple[str, list[str]]:
    """The encoding in which ``sample`` looks most like text, and others that are as good and read it differently."""
    found = from_bytes(sample, cp_isolation=list(_USUAL), enable_fallback=False)
    best = found.best()
    if best is None:
        raise wrong_encoding(path, "utf-8")
    good = [match for match in found if match.chaos <= best.chaos + _SURE and match.coherence >= best.coherence - 0.15]
    names = {name: match for match in good for name in (match.encoding, *match.could_be_from_charset)}
    name = next(usual for usual in _USUAL if usual in names)
    text = sample.decode(name, "replace")
    others = [m.encoding for m in good if name not in m.could_be_from_charset and str(m) != text]
    return name, others[:2]
