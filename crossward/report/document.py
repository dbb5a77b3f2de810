"""The frame of every page, and its file: well-formed HTML that is XML too, with its style sheet, no scripts.

Not for: what is on a page (``crossward.report.page``).
"""

from __future__ import annotations

from pathlib import Path

from crossward.machine.files import write_atomic
from crossward.report.style import STYLE
from crossward.report.svg import escape

NAME = "report.html"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def document(title: str, body: str) -> str:
    """The page of ``body`` (markup) under ``title`` (text)."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def write_page(folder: Path, text: str) -> Path:
    """Write a page into the run folder as ``report.html``; its path."""
    write_atomic(folder / NAME, text, durable=False)
    return folder / NAME
