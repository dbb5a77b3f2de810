"""Text of others: configuration files as editors save them, and words that must not steer a terminal or a page.

Configuration is UTF-8 with or without a byte order mark, UTF-16 with one. Anything else is refused with the line and
what to do; nothing is guessed, since a wrong guess changes names and passphrases without a word.

Not for: notes, whose encoding is a setting (``data.encoding``).
"""

from __future__ import annotations

import codecs
import tomllib
from pathlib import Path
from typing import Any

_MARKS = (  # UTF-32's marks begin with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class TextError(ValueError):
    """A text file cannot be read; the text says which, where and what to do, and quotes nothing of the file."""


def printable(text: str, instead: str = " ") -> str:
    """``text`` with ``instead`` for every character that is not printable: control, bidirectional, surrogate."""
    return "".join(c if c.isprintable() else instead for c in text)


def one_line(text: object, most: int = 0) -> str:
    """``text`` as one line of printable characters and single spaces, cut to ``most`` characters (0: not cut)."""
    line = " ".join(printable(str(text)).split())
    return line[:most] if most else line


def decoded(data: bytes, where: str | Path) -> str:
    """``data`` as text, without its byte order mark.

    Raises
    ------
    TextError
        it is in no encoding that can be told for sure.
    """
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", "utf-8"))
    body = data.removeprefix(mark)
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        if mark and encoding != "utf-8":
            raise TextError(f"{where} begins as {encoding.upper()} but is not: save it as UTF-8") from None
        line = body[: error.start].count(b"\n") + 1
        raise TextError(
            f"{where}, line {line}: byte 0x{body[error.start]:02x} is not UTF-8. The file was probably saved in a "
            "Windows encoding (ANSI, cp1252): save it as UTF-8"
        ) from None
    if "\0" in text:
        raise TextError(f"{where} holds NUL bytes, as UTF-16 without a byte order mark does: save it as UTF-8")
    return text


def read_text(path: Path) -> str:
    """The text of a configuration file.

    Raises
    ------
    TextError
        it cannot be read or decoded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TextError(f"{path} cannot be read: {error.strerror}") from error
    return decoded(data, path)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises
    ------
    TextError
        it cannot be read or decoded, or is not TOML.
    """
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise TextError(f"{path} is not TOML: {error}") from error
