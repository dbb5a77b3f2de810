"""A griffe extension for the API reference: docstrings are plain text with double backticks, the pages are Markdown.

Roles such as :class:`~client_app.node.Node` become code, and what is in angle brackets is no tag.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")
TAG = re.compile(r"(``[^`]*``|`[^`]*`)|<(?=[A-Za-z/!])")


class Roles(Extension):  # type: ignore[misc,unused-ignore]  # griffe comes with `make docs`
    """Rewrites every docstring as it is collected."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite the docstring of an object that griffe has just read."""
        if obj.docstring:
            text = ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = TAG.sub(lambda found: found[1] or "&lt;", text)
