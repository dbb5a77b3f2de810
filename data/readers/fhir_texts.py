"""The text of a FHIR resource: of its attachment, of its sections, or why there is none: ``Texts``.

Attachments hold their content in base64 or name a file: one of the export's folder, or a Binary of the export. Nothing
is fetched from elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Sequence
from email.message import Message
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.files import codec
from data.html_text import text_of_html
from data.readers.fhir_resources import Resource, every, text_at
from data.text_lookup import TextLookup

_PLAIN, _HTML = ("text/plain", "text/markdown"), ("text/html", "application/xhtml+xml")
_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,40}")


class UnreadableError(Exception):
    """A resource whose text cannot be had: why, in words that say nothing of its content."""


class Texts:
    """Texts of the resources of the export in ``folder``; ``binaries`` are its files of Binary resources."""

    def __init__(self, folder: Path, binaries: Sequence[Path]) -> None:
        self.folder, self.paths = folder.resolve(), list(binaries)
        self._places: TextLookup | None = None

    def of(self, resource: Resource) -> str:
        """The text of a document, report or composition.

        Raises
        ------
        UnreadableError
            it has none that can be read.
        """
        kind = resource["resourceType"]
        if kind == "Composition":
            return _of_composition(resource)
        if kind == "DocumentReference":
            return self._of_first([one.get("attachment") for one in every(resource.get("content"))])
        if forms := every(resource.get("presentedForm")):
            return self._of_first(forms)
        return text_at(resource, "conclusion") or _narrative(resource)

    def _of_first(self, attachments: Sequence[Any]) -> str:
        """Of the forms of one document that which can be read, plain text before HTML."""
        kinds = [(_kind(one), one) for one in every(list(attachments))]
        readable = sorted((one for one in kinds if one[0][0] in (*_PLAIN, *_HTML)), key=lambda k: k[0][0] in _HTML)
        if not readable:
            found = ", ".join(sorted({name or "of an unknown type" for (name, _), _ in kinds})) or "missing"
            raise UnreadableError(f"attachment is {found}")
        (kind, charset), attachment = readable[0]
        raw = self._content(attachment)
        try:
            name = codec(charset)
            text = raw.decode(name)
        except DataError:
            raise UnreadableError("attachment is in an unknown charset") from None
        except UnicodeDecodeError:
            raise UnreadableError(f"attachment is not {name.removesuffix('-sig')}") from None
        return text_of_html(text) if kind in _HTML else text

    def _content(self, attachment: Resource) -> bytes:
        data, url = attachment.get("data"), text_at(attachment, "url")
        if isinstance(data, str):
            return _decoded(data)
        if not url:
            raise UnreadableError("attachment has neither data nor url")
        if (name := url.rpartition("Binary/")[2]) != url:
            return self._binary(name)
        if "://" in url and not url.startswith("file://"):
            raise UnreadableError("attachment is elsewhere: its url is no file of the export")
        try:
            path = (self.folder / url.removeprefix("file://")).resolve()
            if path.is_relative_to(self.folder):
                return path.read_bytes()
            raise UnreadableError("attachment is elsewhere: its url is no file of the export")
        except (OSError, ValueError):
            raise UnreadableError("attachment is missing: there is no file of its url") from None

    def _binary(self, name: str) -> bytes:
        """The content of a Binary, by where its line begins."""
        if self._places is None:
            self._places = _places_of(self.paths)
        place = self._places.get([name])[0].as_py()
        if not place:
            raise UnreadableError("attachment is missing: the export has no such Binary")
        number, _, offset = place.partition(":")
        with self.paths[int(number)].open("rb") as file:
            file.seek(int(offset))
            return _decoded(text_at(json.loads(file.readline()), "data"))


def _places_of(paths: Sequence[Path]) -> TextLookup:
    """Binary -> number of its file and where its line begins."""
    found = TextLookup()
    for number, path in enumerate(paths):
        if path.suffix.lower() == ".gz":
            raise DataError(f"{path}: Binary resources are read from where they stand in their file: unpack it.")
        offset = 0
        with path.open("rb") as file:
            for line in file:
                try:
                    name = json.loads(line).get("id", "") if line.strip() else ""
                except (ValueError, AttributeError, RecursionError):
                    name = ""
                if isinstance(name, str) and name:
                    found.add(name, f"{number}:{offset}")
                offset += len(line)
    return found


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableError("attachment is no base64") from None


def _kind(attachment: Resource) -> tuple[str, str]:
    """The media type of an attachment, "" if it is none, and its charset; both in lower case."""
    header = Message()
    header["Content-Type"] = text_at(attachment, "contentType")
    given = header["Content-Type"].partition(";")[0].strip().lower()
    charset = header.get_param("charset", "")
    return given if _TYPE.fullmatch(given) else "", charset.lower() if isinstance(charset, str) else ""


def _narrative(resource: Resource) -> str:
    return text_of_html(text_at(resource, "text.div"))


def _of_composition(resource: Resource) -> str:
    """The sections in their order, parted by blank lines; of one without sections the narrative."""
    sections = list(_sections(resource.get("section")))
    return "\n\n".join(sections) if sections else _narrative(resource)


def _sections(found: Any, depth: int = 0) -> Iterator[str]:
    for section in every(found):
        title, body = text_at(section, "title"), _narrative(section)
        heading = title if title.endswith((":", ".", "?")) else f"{title}:"
        if body:
            yield f"{heading}\n{body}" if title else body
        if depth < 20:  # a section of a section of a section
            yield from _sections(section.get("section"), depth + 1)


Report = Callable[[Path, int, str], None]


def lines(path: Path, open_file: Callable[[Path], Any], report: Report) -> Iterator[tuple[int, Resource]]:
    """The resources of an NDJSON file with their lines, from 1; a line that is none is reported, and left out."""
    with open_file(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                resource = json.loads(line)
            except (ValueError, RecursionError):
                report(path, number, "no JSON")
                continue
            if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
                report(path, number, "no FHIR resource")
                continue
            yield number, resource
