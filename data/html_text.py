"""HTML as plain text: ``text_of_html``, for narratives of FHIR resources and attachments in HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCKS = re.compile(
    "address|article|blockquote|caption|dd|div|dl|dt|footer|h[1-6]|header|hr|li|main|ol|p|pre|section|table|tbody|tfoot|"
    "thead|tr|ul"
)
_UNSEEN = frozenset(("script", "style", "head", "title"))
_SPACES = re.compile(r"[ \t\r\n\f]+")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.kept = self.unseen = 0  # open elements that keep white space, or are not shown

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.kept += tag == "pre"
        self.unseen += tag in _UNSEEN
        if tag == "br" or _BLOCKS.fullmatch(tag):
            self._end_line(always=tag == "br")
        elif tag in ("td", "th") and self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.kept = max(0, self.kept - (tag == "pre"))
        self.unseen = max(0, self.unseen - (tag in _UNSEEN))
        if _BLOCKS.fullmatch(tag):
            self._end_line()

    def handle_data(self, data: str) -> None:
        if self.unseen:
            return
        text = data if self.kept else _SPACES.sub(" ", data)
        if not self.kept and (not self.parts or self.parts[-1][-1:] in ("\n", " ")):
            text = text.lstrip(" ")
        if text:
            self.parts.append(text)

    def _end_line(self, always: bool = False) -> None:
        if always or (self.parts and not self.parts[-1].endswith("\n")):
            self.parts.append("\n")


def text_of_html(html: str) -> str:
    """What a reader sees of ``html``: blocks on lines of their own, white space of ``pre`` as it is."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return "".join(reader.parts).strip("\n")
