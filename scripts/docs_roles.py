"""A griffe extension for the API reference: docstrings are plain text with double backticks, the pages are Markdown.

Roles such as :class:`~client_app.node.Node` become code, and what is in angle brackets is no tag.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")
TAG = re.compile(r"(``[^`]*``|`[^`]*`)|<(?=[A-Za-z/!])")


class Roles(Extension):
    """Rewrites every docstring as it is collected."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring:
            text = ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = TAG.sub(lambda found: found[1] or "&lt;", text)
