"""Streams records of an XML file: elements that hold a text, with their attributes and what is annotated in them.

Expat reads, in pieces, and holds one record at a time. A file that declares entities is refused, whether they are of
its own or of elsewhere: a few of them can stand for gigabytes, or for other files. Not for: what the values mean
(``data.readers.i2b2``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from data.errors import DataError
from data.formats.content import open_bytes

_PIECE = 1 << 16
_DEEPEST = 100


class XmlError(Exception):
    """A file that is no XML, or none that is read: ``line`` and ``why``, without a word of its content."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line, self.why = line, why


class Record:
    """One element that holds a text: its attributes, and the texts and attributes of the elements in it."""

    def __init__(self, line: int, attributes: dict[str, str]) -> None:
        self.line, self.attributes = line, attributes
        self.texts: dict[str, str] = {}
        self.inner: dict[tuple[str, str], str] = {}

    def value(self, column: str) -> str:
        """``@ATTRIBUTE`` of the record, the text of ``ELEMENT``, or ``ELEMENT@ATTRIBUTE``, of the first one each."""
        element, at, attribute = column.lower().partition("@")
        if not at:
            return self.texts.get(element, "")
        return self.inner.get((element, attribute), "") if element else self.attributes.get(attribute, "")


def records(path: Path, text: str) -> Iterator[Record]:
    """The elements of ``path`` of whose own elements one is called ``text``, whatever its case.

    Raises
    ------
    XmlError
        the file is not well-formed, cut off, or declares entities.
    """
    reader = _Reader(text.lower())
    try:
        with open_bytes(path) as file:
            while piece := file.read(_PIECE):
                reader.parser.Parse(piece, False)
                yield from reader.take()
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise XmlError(error.lineno, f"not well-formed ({expat.ErrorString(error.code)})") from None
    except DataError:
        raise
    except (LookupError, ValueError):  # several bytes a character, other than those of Unicode
        raise XmlError(1, "in an encoding that is not read") from None
    yield from reader.take()


class _Reader:
    """What expat reports, as records."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.done: list[Record] = []
        self.open: list[tuple[str, Record, list[str]]] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._entity

    def take(self) -> list[Record]:
        found, self.done = self.done, []
        return found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.open) >= _DEEPEST:
            raise XmlError(self.parser.CurrentLineNumber, f"more than {_DEEPEST} elements in each other")
        name, values = name.lower(), {key.lower(): value for key, value in attributes.items()}
        for _, record, _ in self.open:
            for key, value in values.items():
                record.inner.setdefault((name, key), value)
        self.open.append((name, Record(self.parser.CurrentLineNumber, values), []))

    def _characters(self, data: str) -> None:
        if self.open:
            self.open[-1][2].append(data)

    def _end(self, _: str) -> None:
        name, record, parts = self.open.pop()
        if any(outer == self.text for outer, _, _ in self.open):
            self.open[-1][2].extend(parts)  # what is marked within a text, as protected health information is
        if record.texts.get(self.text) is not None:
            self.done.append(record)
        if self.open:
            outer = self.open[-1][1]
            text = "".join(parts)
            if name == self.text and name in outer.texts:  # texts in several parts are one note
                text = f"{outer.texts.pop(name)}\n\n{text}"
            outer.texts.setdefault(name, text)

    def _entity(self, *_: object) -> None:
        raise XmlError(self.parser.CurrentLineNumber, "declares an entity, which is not read")
