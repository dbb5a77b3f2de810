"""Text files as editors save them are read alike; what cannot be told for sure is refused, with the line."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from crossward.machine.text import TextError, decoded, one_line, printable, read_text, read_toml

TEXT = 'site = "Klinik Süd"\r\nport = 9094\r\n'


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
    ],
)
def test_what_an_editor_saves_is_read(tmp_path: Path, data: bytes) -> None:
    (path := tmp_path / "a.toml").write_bytes(data)
    assert read_text(path) == TEXT
    assert read_toml(path) == {"site": "Klinik Süd", "port": 9094}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"# one\nsite = 'S\xfcd'\n", "a.toml, line 2: byte 0xfc is not UTF-8.*cp1252.*save it as UTF-8"),
        (codecs.BOM_UTF8 + b"site = 'S\xfcd'\n", "a.toml, line 1: byte 0xfc is not UTF-8"),
        (TEXT.encode("utf-16-le"), "a.toml.*line 1: byte 0xfc is not UTF-8"),
        ("port = 1".encode("utf-16-le"), "holds NUL bytes, as UTF-16 without a byte order mark does: save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"x", "begins as UTF-16-LE but is not"),
        (b"port = = 1", "a.toml is not TOML: Invalid value"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_to_do(tmp_path: Path, data: bytes, says: str) -> None:
    (path := tmp_path / "a.toml").write_bytes(data)
    with pytest.raises(TextError, match=says) as caught:
        read_toml(path)
    assert "site" not in str(caught.value).removeprefix(str(tmp_path))


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"none\.toml cannot be read: No such file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(TextError, match="cannot be read: Is a directory"):
        read_text(tmp_path)
    assert decoded(b"", "x") == ""


def test_others_words_steer_nothing() -> None:
    message = "a\x1b[31m b\u202e\n\tc"
    assert printable(message, "?") == "a?[31m b???c" and printable("Süd 1") == "Süd 1"
    assert one_line(message) == "a [31m b c" and one_line(ValueError("  x\ny  "), 2) == "x "
