"""The frame of every page: well-formed HTML that is XML too, with its style sheet, no scripts, nothing loaded.

Not for: what is on a page (``crossward.report.page``).
"""

from __future__ import annotations

from crossward.report.style import STYLE
from crossward.report.svg import escape

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
