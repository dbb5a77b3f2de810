"""A griffe extension for the API reference: roles such as :class:`~client_app.node.Node` become plain code.

Docstrings name modules with double backticks, which Markdown understands, and sometimes with Sphinx roles, which it
does not.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")


class Roles(Extension):
    """Rewrites every docstring as it is collected."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)
